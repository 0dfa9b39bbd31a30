"""
The kept inventory and the fake against a real TensorRT module: TensorRT-RTX, which needs no GPU to be asked.

Each module is asked in a process of its own: NVIDIA's logger is global to one.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from bindings.introspect import inventory_of
from bindings.inventory import inventories

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

QUESTIONS = """
import json, sys
version = sys.argv[1]
if version:
    from faketensorrt import fake_tensorrt
    trt = fake_tensorrt(version)
else:
    import tensorrt_rtx as trt

def plain(value):
    return value.name if hasattr(value, "name") else value

def outcome(act):
    try:
        return plain(act())
    except Exception as error:
        return type(error).__name__

class Silent(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
    def log(self, severity, message):
        pass

builder = trt.Builder(Silent())
config = builder.create_builder_config()
network = builder.create_network(0)
names = ("builder_optimization_level max_aux_streams avg_timing_iterations profiling_verbosity "
         "hardware_compatibility_level runtime_platform tiling_optimization_level engine_capability "
         "max_num_tactics num_optimization_profiles l2_limit_for_tiling progress_monitor").split()
answers = {name: outcome(lambda: getattr(config, name)) for name in names}
answers["flags"] = sorted(name for name, flag in trt.BuilderFlag.__members__.items() if config.get_flag(flag))

def told(name, value):
    setattr(config, name, value)
    return getattr(config, name)

answers["level"] = outcome(lambda: told("builder_optimization_level", 5))
answers["verbosity"] = outcome(lambda: told("profiling_verbosity", trt.ProfilingVerbosity.DETAILED))
answers["a word for an enumeration"] = outcome(lambda: told("profiling_verbosity", "DETAILED"))
answers["a word for a number"] = outcome(lambda: told("max_aux_streams", "many"))
answers["an unknown property"] = outcome(lambda: told("no_such_property", 1))
answers["an unknown member"] = outcome(lambda: trt.BuilderFlag.NO_SUCH_FLAG)
answers["a word for a flag"] = outcome(lambda: config.set_flag("TF32"))
answers["no constructor"] = outcome(lambda: trt.IBuilderConfig())
answers["a rejected platform"] = outcome(
    lambda: told("runtime_platform", trt.RuntimePlatform.WINDOWS_AMD64))
answers["an ignored level"] = outcome(
    lambda: told("hardware_compatibility_level", trt.HardwareCompatibilityLevel.AMPERE_PLUS))
config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 20)
answers["workspace"] = config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE)
config.clear_flag(trt.BuilderFlag.TF32)
answers["no TF32"] = config.get_flag(trt.BuilderFlag.TF32)
answers["a target beyond the count"] = outcome(
    lambda: config.set_compute_capability(trt.ComputeCapability.SM86, 5))
config.num_compute_capabilities = 1
answers["a target"] = outcome(lambda: config.set_compute_capability(trt.ComputeCapability.SM86, 0))
answers["the target"] = outcome(lambda: config.get_compute_capability(0))
answers["an empty network"] = outcome(lambda: builder.build_serialized_network(network, config))
profile = builder.create_optimization_profile()
profile.set_shape("x", (1, 2), (2, 2), (4, 2))
answers["a shape"] = [list(shape) for shape in profile.get_shape("x")]
answers["a profile"] = config.add_optimization_profile(profile)
parser = trt.OnnxParser(network, Silent())
answers["a file that is not there"] = outcome(lambda: parser.parse_from_file("/nonexistent.onnx"))
answers["what is wrong with it"] = parser.get_error(0).code().name
print(json.dumps(answers))
"""


def answers_of(version: str) -> dict[str, Any]:
    """Ask the fake of ``version``, or the real module when it is empty."""
    done = subprocess.run(
        [sys.executable, "-c", QUESTIONS, version],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def test_the_inventory_over_stubs_is_that_of_the_real_module() -> None:
    (kept,) = [item for item in inventories() if item.release.version == trt.__version__]

    assert json.loads(json.dumps(inventory_of(trt))) == kept.document


def test_the_fake_answers_as_the_real_module_does() -> None:
    real, fake = answers_of(""), answers_of(trt.__version__)

    assert fake == real
