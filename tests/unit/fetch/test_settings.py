"""What the init container was told: every annotation that is passed on to it reaches its settings."""

import pytest

from ignition_hub.engine import environment
from ignition_hub.engine.pod_annotations import FOR_THE_FETCHER
from ignition_hub.fetch.settings import FetchSettings

TOLD = {environment.GATEWAY_URL: "https://gateway.svc", environment.ENGINES: "det=yolo-v8"}


def settings_of(**more):
    """The settings, without the contexts of TLS, of which no two are equal."""
    told = FetchSettings.from_environment({**TOLD, **more})
    return {name: getattr(told, name) for name in FetchSettings.__slots__ if not name.endswith("_tls")}


@pytest.mark.parametrize("annotation", FOR_THE_FETCHER, ids=str)
def test_every_annotation_that_is_passed_on_changes_the_settings(annotation):
    assert settings_of(**{annotation.variable: annotation.example}) != settings_of(), (
        f"{annotation}: read {annotation.variable} in fetch/settings.py"
    )


@pytest.mark.parametrize("annotation", FOR_THE_FETCHER, ids=str)
def test_the_variable_of_an_annotation_has_no_other_use(annotation):
    assert annotation.variable not in vars(environment).values()
