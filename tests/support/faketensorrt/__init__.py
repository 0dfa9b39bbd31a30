"""
A fake of NVIDIA's Python module, for tests only: it has exactly the names of one release, and builds nothing.

``fake_tensorrt("10.12.0.36")`` returns a module whose classes, properties and enumerations are those of the
kept inventory (``tests/tools/bindings``): what the release has not got raises AttributeError, as the bindings
do. ``module.calls`` records what was called and set. Built "plans" have a right header and the configuration
as JSON, see ``plans``.
"""

from faketensorrt.module import FakeModule, fake_tensorrt
from faketensorrt.plans import content_of, plan_bytes
from faketensorrt.recording import Call

__all__ = ["Call", "FakeModule", "content_of", "fake_tensorrt", "plan_bytes"]
