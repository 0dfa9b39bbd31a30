"""
The store's timing cache around a whole build: gateway, bucket and builder processes are real, TensorRT and
the GPU are fakes.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from uuid import uuid4

import pytest

from fakedriver import COMPILER
from fakemachine import fake_machine
from gateway_harness import make_request, published
from ignition_builder.hub.gateway import GatewayClient
from ignition_builder.hub.timing_store import TimingStore
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import Model, identity_of
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.wire.address import Address, tls_context
from smallmodels import dense

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(COMPILER is None, reason="the fake driver needs a C compiler"),
]

RELEASE = "10.12.0.36"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return fake_machine(tmp_path_factory.mktemp("machine"), RELEASE)


def request_for(hub, team, *, level=3, mode="ReadWrite"):
    """A request for a model that only its namespace may read."""
    key = f"ignition/models/{team}/{uuid4().hex * 2}.onnx"
    hub.store.put(key, dense().SerializeToString())
    facts, uri = hub.store.head(key), f"s3://engines/{key}"
    plain, options = make_request(hub, team), {"optimizationLevel": level} if level != 3 else {}
    inputs = replace(
        plain.inputs,
        model=Model("dense", "v1", fingerprint(uri, etag=facts.etag, size=facts.size)),
        precision="fp32",
        flavor="TensorRT",
        tensorrt_version=RELEASE,
        options=options,
    )
    return replace(
        plain,
        identity=identity_of(inputs),
        inputs=inputs,
        model_uri=uri,
        source_size=facts.size,
        options=options,
        name=engine_file_name(inputs),
        timing_cache=mode,
    )


class Builder:
    """A builder of one request: its folder, its token, and the run of it."""

    def __init__(self, hub, machine, request, folder):
        self.hub, self.request, self.folder = hub, request, folder / request.identity[:8]
        (self.folder / "work").mkdir(parents=True)
        (self.folder / "token").write_text(hub.builder(hub.job(request)))
        self.environment = {
            **os.environ,
            **machine,
            "IGNITION_GATEWAY_URL": f"https://127.0.0.1:{hub.gateway.port}",
            "IGNITION_CA_FILE": str(hub.gateway.folder / "tls.crt"),
            "IGNITION_TOKEN_FILE": str(self.folder / "token"),
            "IGNITION_WORK_DIR": str(self.folder / "work"),
            "IGNITION_TERMINATION_LOG": str(self.folder / "termination-log"),
        }

    def start(self):
        command = [sys.executable, "-m", "ignition_builder"]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self

    def ended(self):
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err

    def built(self):
        """Run, and return what the manifest says of the timing cache."""
        code, out, err = self.start().ended()
        assert (code, err) == (0, ""), out
        return published(self.hub, self.request).build

    def store(self):
        """The cache's side of a build that is done in this process."""
        authority = (self.hub.gateway.folder / "tls.crt").read_text()
        tls = tls_context(authority, only=False)
        address = Address.of(self.environment["IGNITION_GATEWAY_URL"])
        gateway = GatewayClient(address, self.folder / "token", tls)
        return TimingStore(gateway, gateway.grant(), tls, self.folder / "work")


@pytest.fixture
def builder(hub, machine, team, tmp_path):
    return lambda **asked: Builder(hub, machine, request_for(hub, team, **asked), tmp_path)


@pytest.fixture
def here(machine, monkeypatch):
    """This process finds the machine's GPU and TensorRT, for children that it starts itself."""
    for name, value in machine.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def key_of(team):
    return f"ignition/timing-caches/NVIDIA-L4/{RELEASE}/namespaces/{team}/linux-x86_64-cuda12.9.cache"


def entries(hub, team):
    """What the store's cache knows; None when there is none."""
    key = key_of(team)
    return json.loads(hub.store.get(key, 1 << 20))["entries"] if hub.store.head(key) else None


def measured(task, *known):
    """Leave a cache as a build would."""
    with open(task.path_out, "w") as file:  # noqa: PTH123
        json.dump({"version": RELEASE, "entries": known}, file)


def test_what_one_build_measured_the_next_one_is_spared(hub, team, builder):
    first = builder().built()
    etag = hub.store.head(key_of(team)).etag
    second = builder().built()

    which = {"mode": "ReadWrite", "key": key_of(team)}
    assert first.timing_cache == {**which, "used": False, "missed": True, "etag": None}
    assert second.timing_cache == {**which, "used": True, "missed": False, "etag": etag}
    assert entries(hub, team) == ["level 3"]
    assert hub.store.head(key_of(team)).etag == etag


def test_two_builds_at_once_leave_what_both_measured(hub, team, builder):
    running = [builder(level=level).start() for level in (1, 5)]
    for one in running:
        code, out, err = one.ended()
        assert (code, err) == (0, ""), out
        assert "was not saved" not in out

    assert entries(hub, team) == ["level 1", "level 5"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("before", [None, "known to both"])
def test_who_comes_second_adds_to_what_the_first_one_wrote(hub, team, builder, before):
    if before:
        old = builder().store()
        task = old.fetched()
        measured(task, before)
        assert old.kept(task) is None
    stores = [builder(level=level).store() for level in (1, 5)]
    tasks = [store.fetched() for store in stores]
    for store, task, name in zip(stores, tasks, ("first", "second"), strict=True):
        measured(task, *filter(None, [before]), name)
        assert store.kept(task) is None

    assert entries(hub, team) == sorted(filter(None, [before, "first", "second"]))


@pytest.mark.usefixtures("here")
def test_a_cache_that_cannot_be_put_together_is_left_and_said_so(hub, team, builder):
    store = builder().store()
    task = store.fetched()
    measured(task, "ours")
    theirs = json.dumps({"version": "10.9.0.34", "entries": ["theirs"]}).encode()
    hub.store.put(key_of(team), theirs)

    said = store.kept(task)
    assert said.startswith("the timing cache was not saved: the timing caches are of different releases")
    assert entries(hub, team) == ["theirs"]


def test_a_cache_of_another_release_is_replaced_by_the_next_build(hub, team, builder):
    hub.store.put(key_of(team), json.dumps({"version": "10.9.0.34", "entries": ["theirs"]}).encode())
    facts = builder().built()

    assert facts.timing_cache["used"] is False
    assert {"code": "TimingCacheIgnored", "count": 1} in facts.warnings
    assert entries(hub, team) == ["level 3"]


def test_a_build_that_only_reads_leaves_the_store_alone(hub, team, builder):
    facts = builder(mode="ReadOnly").built()

    assert facts.timing_cache["mode"] == "ReadOnly"
    assert entries(hub, team) is None


def test_a_locked_build_without_a_cache_fails_before_it_starts(hub, team, builder):
    code, out, err = builder(mode="Locked").start().ended()

    assert code == 15
    assert err.startswith("UnsupportedOption: build.timingCache: Locked was requested, but the store has no ")
    assert "build once with build.timingCache: ReadWrite, then lock it" in err
    assert "Building engine" not in out


def test_a_locked_build_uses_what_is_there_and_names_it(hub, team, builder):
    builder().built()
    etag = hub.store.head(key_of(team)).etag
    facts = builder(mode="Locked").built()

    assert facts.timing_cache == {
        "mode": "Locked",
        "used": True,
        "missed": False,
        "key": key_of(team),
        "etag": etag,
    }


def test_a_build_that_wants_no_cache_asks_for_none(hub, team, builder):
    facts = builder(mode="Off").built()

    assert facts.timing_cache == {"mode": "Off", "used": False, "missed": None, "key": None, "etag": None}
    assert entries(hub, team) is None


def test_a_builder_that_cannot_tell_its_cuda_goes_without(builder, here):
    here.delenv("CUDA_VERSION")
    task = builder().store().fetched()

    assert task.path_in is None
    assert "set CUDA_VERSION in the builder's image" in task.trouble
