"""
A fake TensorRT runtime, engine files for it, and machines: what loading is tested with where there is no GPU.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ignition_hub.device import DeviceFacts
from ignition_hub.engine.identity import EngineInputs, identity_of
from ignition_hub.engine.manifest import BuildFacts, EngineFile, Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.runtime.machine import Machine
from storefixtures import make_inputs

GIB = 1 << 30

L4 = DeviceFacts(
    name="NVIDIA L4",
    capability=(8, 9),
    memory_bytes=22 * GIB,
    multiprocessors=58,
    cuda=(12, 8),
    driver="570.124.06",
    mps=False,
)


def gpu(name: str, capability: tuple[int, int], **changes: Any) -> DeviceFacts:
    """Return another GPU on the driver of ``L4``."""
    known = {
        "memory_bytes": 22 * GIB,
        "multiprocessors": 58,
        "cuda": (12, 8),
        "driver": "570.124.06",
        "mps": False,
    }
    return DeviceFacts(name=name, capability=capability, **{**known, **changes})


def machine(
    facts: DeviceFacts = L4, platform: str | None = "linux-x86_64", product: str | None = None
) -> Machine:
    """Return a machine with a GPU."""
    return Machine(gpu=facts, platform=platform, product=product)


def plan(
    flavor: str = "TensorRT", version: str = "10.13.2.6", *, mask: int = 0x08, body: bytes = b""
) -> bytes:
    """Return bytes with the header of a plan; its size is right."""
    rtx = flavor == "TensorRTRTX"
    parts = [int(part) % 256 for part in version.split(".")]
    rest = (mask.to_bytes(4, "little") + bytes(28) if rtx else b"") + body
    magic, tag = (b"vtrt", b"vtrt") if rtx else (b"ftrt", b"rtrt")
    return struct.pack("<4sIQQ4B4s", magic, 0, 1, 32 + len(rest), *parts, tag) + rest


@dataclass(frozen=True)
class Engine:
    """An engine file to be placed: what it was asked to be, and how it was built."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b"kernels"
    mask: int = 0x08
    whole: bytes | None = None
    """The plan itself, where something has to open it."""

    @property
    def asked(self) -> EngineInputs:
        """What the engine was asked to be; a fp16 engine of TensorRT 10.13.2.6 for sm_89 by default."""
        of_release = {"flavor": "TensorRT", "tensorrt_version": "10.13.2.6"}
        return make_inputs(**{**of_release, **self.inputs})

    @property
    def data(self) -> bytes:
        """The plan."""
        return self.whole or plan(
            self.asked.flavor, self.asked.tensorrt_version, mask=self.mask, body=self.body
        )

    @property
    def manifest(self) -> Manifest:
        """The manifest of the plan in its place in a store."""
        inputs, digest = self.asked, sha256(self.data).hexdigest()
        paths = StorePaths("ignition", inputs, identity_of(inputs))
        facts: dict[str, Any] = {
            "flavor": inputs.flavor,
            "tensorrt_version": inputs.tensorrt_version,
            "cuda_version": "12.8",
            "model": {
                "sha256": "cd" * 32,
                "size": 9,
                "opset": 17,
                "inputs": [{"name": "x", "dtype": "float", "shape": ["batch", 64]}],
            },
            "tf32": {"asked": False, "in_force": False},
            "seconds": 1.5,
        }
        return Manifest(
            identity=identity_of(inputs),
            inputs=inputs,
            engine=EngineFile(paths.engine(digest), digest, len(self.data)),
            provenance_key=paths.provenance(digest),
            built_at="2026-01-02T03:04:05Z",
            build=BuildFacts(**{**facts, **self.facts}),
        )

    def fetched(self, mount: Path, alias: str = "resnet") -> Path:
        """Place it as the fetcher does: ``<alias>/model.engine`` and ``engine.json``."""
        folder = mount / alias
        folder.mkdir(parents=True)
        manifest = self.manifest
        record = {
            "name": alias,
            "identity": manifest.identity,
            "size": manifest.engine.size,
            "sha256": manifest.engine.sha256,
            "manifest": manifest.to_json(),
        }
        (folder / "engine.json").write_text(json.dumps(record))
        return self._written(folder / "model.engine")

    def cached(self, root: Path) -> Path:
        """Place it as a local cache holds it: the tree of the store."""
        engine = root / self.manifest.engine.key
        engine.parent.mkdir(parents=True)
        (engine.parent.parent / f"{engine.name}.json").write_bytes(self.manifest.to_bytes())
        return self._written(engine)

    def classic(self, folder: Path) -> Path:
        """Place it as ``<stem>.engine`` and ``<stem>.engine.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "resnet50.engine.json").write_bytes(self.manifest.to_bytes())
        return self._written(folder / "resnet50.engine")

    def _written(self, path: Path) -> Path:
        path.write_bytes(self.data)
        return path


class FakeEngine:
    """An ``ICudaEngine`` with one input ``x`` of float32 [-1, 64] and one output, under one profile."""

    num_io_tensors = 2
    num_optimization_profiles = 1

    def __init__(self, plan: bytes) -> None:
        self.plan = plan

    def get_tensor_name(self, index: int) -> str:
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> str:
        return {"x": "INPUT", "y": "OUTPUT"}[name]

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name="FLOAT")

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, 64)

    def get_tensor_profile_shape(self, name: str, index: int) -> list[tuple[int, ...]]:
        return [(1, 64), (4, 64), (8, 64)]


@dataclass
class FakeBackend:
    """A TensorRT runtime that notes what it is given; ``refuses`` are the words with which it gives None."""

    flavor: str = "TensorRT"
    version: str = "10.13.2.6"
    refuses: tuple[str, ...] | None = None
    says: tuple[str, ...] = ()
    trt: Any = field(default_factory=lambda: SimpleNamespace(TensorIOMode=SimpleNamespace(INPUT="INPUT")))
    given: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, flavor: str) -> "FakeBackend":
        """Stand for ``open_backend``."""
        assert flavor == self.flavor
        return self

    def deserialize(
        self, plan: memoryview, *, host_code: bool, lean_runtime: Path | None
    ) -> tuple[Any | None, tuple[str, ...]]:
        """Give a fake engine, or None."""
        self.given.append(
            {
                "plan": bytes(plan),
                "host_code": host_code,
                "lean_runtime": lean_runtime,
                "mapped": engines_mapped(),
            }
        )
        if self.refuses is not None:
            return None, self.refuses
        return FakeEngine(bytes(plan)), self.says


def engines_mapped() -> set[str]:
    """Return the engine files that are mapped into this process now."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = [line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6]
    return {path for path in paths if path.endswith((".engine", ".trt"))}
