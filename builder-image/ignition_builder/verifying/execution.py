"""
Run a finished engine on this node's GPU, for the accuracy and benchmark checks.

Only attributes that every TensorRT from 8.5 to 11 and TensorRT-RTX have are used (read from the bindings).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ignition_builder.compiling.callbacks import logger_of
from ignition_builder.journal import Journal
from ignition_builder.messages import verdict_of
from ignition_builder.verifying.cuda import Cuda, Events
from ignition_builder.verifying.samples import Sample
from ignition_hub.engine.errors import Reason, RequestError


class Execution:
    """An engine with its context; ``outputs`` and ``once`` run it on a sample."""

    def __init__(self, trt: Any, engine: Any, cuda: Cuda, journal: Journal) -> None:
        self._trt, self._engine, self._cuda, self._build_log = trt, engine, cuda, journal
        self._context = engine.create_execution_context()
        self._kept: list[Any] = []
        """What TensorRT reads where it lies."""
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        modes = {name: engine.get_tensor_mode(name) for name in names}
        self._inputs = [name for name in names if modes[name] == trt.TensorIOMode.INPUT]
        self._outputs = [name for name in names if modes[name] == trt.TensorIOMode.OUTPUT]

    def outputs(self, sample: Sample) -> dict[str, Any]:
        """Return the outputs for ``sample``, name to array."""
        bound = self._bound(sample)
        self.once()
        self._cuda.wait()
        for address, array in bound.values():
            self._cuda.download(address, array)
        return {name: array for name, (_, array) in bound.items()}

    def bind(self, sample: Sample) -> None:
        """Make everything ready to run ``sample`` again and again, with its inputs on the GPU."""
        self._bound(sample)

    def once(self) -> None:
        """Enqueue one run of what is bound."""
        if not self._context.execute_async_v3(self._cuda.stream.value or 0):
            raise verdict_of(self._build_log.errors, "TensorRT cannot run the engine it built")

    @contextmanager
    def events(self) -> Iterator[Events]:
        """Give events on the stream the engine runs on."""
        with self._cuda.events() as events:
            yield events

    def _bound(self, sample: Sample) -> dict[str, tuple[int, Any]]:
        context = self._context
        if self._engine.num_optimization_profiles > 1:
            context.set_optimization_profile_async(sample.profile, self._cuda.stream.value or 0)
        for name in self._inputs:
            self._give(name, np.ascontiguousarray(sample.values[name]))
        if missing := context.infer_shapes():
            raise RequestError(Reason.VerificationFailed, f"TensorRT needs more for {', '.join(missing)}")
        return {name: self._receive(name) for name in self._outputs}

    def _give(self, name: str, array: Any) -> None:
        kind = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name)))
        # Before TensorRT 10, INT64 inputs became INT32.
        array = array.astype(kind, copy=False)
        self._context.set_input_shape(name, tuple(array.shape))
        if self._engine.is_shape_inference_io(name):
            # Shape tensors are read by the CPU, when shapes are inferred.
            self._kept.append(array)
            self._context.set_tensor_address(name, array.ctypes.data)
            return
        address = self._cuda.allocate(array.nbytes)
        self._cuda.upload(array, address)
        self._context.set_tensor_address(name, address)

    def _receive(self, name: str) -> tuple[int, Any]:
        shape = tuple(self._context.get_tensor_shape(name))
        if any(size < 0 for size in shape):
            raise RequestError(
                Reason.VerificationFailed,
                f"output {name}: its size depends on the values, so it cannot be compared",
                "leave verification out for this model",
            )
        array = np.empty(shape, dtype=self._trt.nptype(self._engine.get_tensor_dtype(name)))
        address = self._cuda.allocate(array.nbytes)
        self._context.set_tensor_address(name, address)
        return address, array


@contextmanager
def executed(trt: Any, plan: Path, journal: Journal) -> Iterator[Execution]:
    """Load the engine in ``plan`` while the block runs; NodeError when there is no GPU to run it on."""
    with Cuda() as cuda:
        runtime = trt.Runtime(logger_of(trt, journal))
        if hasattr(runtime, "engine_host_code_allowed"):
            # The engine was built a moment ago in this very pod; its lean runtime is NVIDIA's own.
            runtime.engine_host_code_allowed = True
        engine = runtime.deserialize_cuda_engine(plan.read_bytes())
        if engine is None:
            raise verdict_of(journal.errors, "TensorRT cannot load the engine it built")
        yield Execution(trt, engine, cuda, journal)


def outputs_of(trt: Any, plan: Path, samples: Any, journal: Journal) -> list[Mapping[str, Any]]:
    """Return the engine's outputs for each sample, name to array."""
    with executed(trt, plan, journal) as execution:
        return [execution.outputs(sample) for sample in samples]
