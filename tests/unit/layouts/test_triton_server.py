"""The repository on Triton's own server: it loads every model, and completes it as it was meant."""

import json
import socket
import subprocess
import time
import urllib.request
from urllib.error import URLError

import pytest

from ignition_hub.engine.pod_annotations import LayoutName
from ignition_hub.fetch.beside import lay_out
from ignition_hub.fetch.place import EnginePaths
from ignition_hub.layouts.served import ServedEngine
from ignition_hub.layouts.table import files_of
from servedmanifests import SERVED
from triton.paths import backends, server

pytestmark = pytest.mark.skipif(
    not server().exists(), reason="Triton is not here: PYTHONPATH=tests/tools python3 -m triton build"
)
LONGEST = 60.0


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    """The address of a server with a model of every engine, as the fetcher lays them out."""
    repository = tmp_path_factory.mktemp("engines")
    for alias, manifest in SERVED.items():
        paths = EnginePaths(repository / alias)
        paths.folder.mkdir()
        # What the fetcher keeps beside a model.
        for path in (paths.engine, paths.record, paths.partial):
            path.write_bytes(b"{}")
        engine = ServedEngine.of_build(alias, "sm_89", manifest.build)
        lay_out(files_of(LayoutName.TRITON, engine), paths)
    log = repository.parent / "triton.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(server()), f"--model-repository={repository}", f"--backend-directory={backends()}"]
    quiet = ["--allow-grpc=false", "--allow-metrics=false", "--http-address=127.0.0.1", f"--http-port={port}"]
    with log.open("wb") as said, subprocess.Popen([*command, *quiet], stdout=said, stderr=said) as process:
        try:
            yield started(f"http://127.0.0.1:{port}/v2", process, log)
        finally:
            process.terminate()


def started(address, process, log):
    until = time.monotonic() + LONGEST
    while time.monotonic() < until and process.poll() is None:
        try:
            asked(f"{address}/health/ready")
        except (URLError, ConnectionError):
            time.sleep(0.05)
        else:
            return address
    pytest.fail(f"Triton did not become ready:\n{log.read_text()[-4000:]}")


def asked(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


@pytest.mark.parametrize("alias", SERVED)
def test_triton_serves_the_model_and_has_understood_its_batch(triton, alias):
    served = json.loads(asked(f"{triton}/models/{alias}"))
    batch = ServedEngine.of_build(alias, "sm_89", SERVED[alias].build).largest_batch

    for kind in ("inputs", "outputs"):
        known = SERVED[alias].build.engine_io[kind]
        assert [each["name"] for each in served[kind]] == [each["name"] for each in known]
        for theirs, ours in zip(served[kind], known, strict=True):
            # A batch of scalars is given as lists of one.
            asked_for = [*ours["shape"], 1] if batch and len(ours["shape"]) == 1 else ours["shape"]
            assert theirs["shape"] == asked_for
    assert (served["name"], served["versions"]) == (alias, ["1"])


def test_triton_completes_the_configuration_with_the_plan_and_all_profiles(triton):
    completed = json.loads(asked(f"{triton}/models/two-profiles/config"))

    assert (completed["platform"], completed["default_model_filename"]) == ("tensorrt_plan", "model.plan")
    assert [group["profile"] for group in completed["instance_group"]] == [["0", "1"]]
    assert completed["dynamic_batching"]["max_queue_delay_microseconds"] == 0
