"""
Whether a pod's engines can be served from the layout that it asks for, as far as that is known. Pure.

What an engine's inputs are is known when it is fetched: the fetcher asks again, of the manifest.
"""

from collections.abc import Sequence

from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.engine.pod_annotations import InjectionRequest
from ignition_hub.layouts.errors import LayoutRefused
from ignition_hub.layouts.table import LAYOUTS


def require_servable(engines: Sequence[EngineView], request: InjectionRequest) -> None:
    """Raise LayoutRefused for an engine of another TensorRT than the layout's program is linked with."""
    layout = LAYOUTS.get(request.layout)
    if layout is None:
        return
    for engine in engines:
        try:
            layout.require_flavor(engine.flavors)
        except LayoutRefused as error:
            raise LayoutRefused(f"TensorRTEngine {engine.name}: {error.message}", error.remedy) from error
