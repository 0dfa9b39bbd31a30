"""What a request to a real API server costs this process."""

import asyncio
from typing import Any

import pytest

from ignition_hub.kube import NAMESPACES, Kube
from localcluster import ControlPlane

pytestmark = pytest.mark.cluster


async def test_a_request_starts_no_thread(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube = await Kube.connect(kubeconfig=str(control_plane.kubeconfig))
    await kube.list(NAMESPACES)  # the first looks the host up, in a thread

    def refuse(*_: Any) -> None:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", refuse)
    try:
        names = [body["metadata"]["name"] for body in await kube.list(NAMESPACES)]
    finally:
        await kube.close()

    assert "default" in names
