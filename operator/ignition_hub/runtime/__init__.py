"""
Engines in a serving process: verified, checked against this machine, loaded, and their inputs checked. ::

    engines = load_engines()                             # what the hub injected into this pod
    profile = engines["resnet50"].inputs.check({"data": batch})

Standard library only; TensorRT is imported when the first engine is loaded.
"""

from ignition_hub.runtime.errors import EngineRefused, InputRefused
from ignition_hub.runtime.inputs import InputChecker
from ignition_hub.runtime.kernels import KernelCache
from ignition_hub.runtime.loading import LoadedEngine, engines_injected, load_engines
from ignition_hub.runtime.machine import Machine, this_machine
from ignition_hub.runtime.trust import Trust

__all__ = [
    "EngineRefused",
    "InputChecker",
    "InputRefused",
    "KernelCache",
    "LoadedEngine",
    "Machine",
    "Trust",
    "engines_injected",
    "load_engines",
    "this_machine",
]
