"""
``kubectl ignition plan`` as kubectl's plugin, and the status that a controller then writes: the same words.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controller_harness import Hub
from fakeworld import make_engine
from localcluster import ControlPlane
from localcluster.standalone import binary

pytestmark = pytest.mark.cluster

TARGETS = [{"gpuArch": "sm_86"}, {"gpuArch": "sm_90"}, {"gpuArch": "sm_89", "compatibility": "AmperePlus"}]


def planned(plane: ControlPlane, file: Path) -> tuple[int, list[dict[str, Any]]]:
    """Run the plugin through kubectl; return its exit code and what it says of each target."""
    kubectl = binary("kubectl")
    path = os.pathsep.join((str(Path(sys.executable).parent), str(kubectl.parent), os.environ["PATH"]))
    done = subprocess.run(
        [kubectl, "ignition", "plan", "-f", file, "-o", "json"],
        env={**os.environ, "PATH": path, "KUBECONFIG": str(plane.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.stderr
    return done.returncode, json.loads(done.stdout)["engines"][0]["targets"]


async def test_the_status_says_what_the_plan_said(hub: Hub, tmp_path: Path) -> None:
    body = make_engine(targets=TARGETS)
    file = tmp_path / "engine.json"
    file.write_text(json.dumps(body))
    code, (buildable, *unbuildable) = await asyncio.to_thread(planned, hub.plane, file)

    async with hub.controller():
        await hub.apply(body)
        await hub.complete(await hub.until_job())
        ready, *stuck = (await hub.until_engine("Stalled"))["status"]["targets"]

    assert code == 1
    assert [(one["reason"], one["message"]) for one in stuck] == [
        (one["reason"], one["message"]) for one in unbuildable
    ]
    assert (ready["tensorrt"], ready["tier"]) == (buildable["tensorrt"], buildable["tier"])
    assert buildable["loads"]["gpus"] == "every sm_86 GPU"
