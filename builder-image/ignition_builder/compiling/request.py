"""
What one compilation is asked for, and with what.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ignition_builder.documents import STRONG, TimingCacheTask
from ignition_builder.options import BuildOptions
from ignition_hub.engine.identity import EngineInputs, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilationRequest:
    """
    One engine: its inputs and options, the profiles with every dynamic input named, and how types are chosen.

    ``calibration_cache`` is a file that TensorRT's own calibrator wrote, None to go without a calibrator;
    ``plugins`` maps the name of a plugin to its library.
    """

    inputs: EngineInputs
    options: BuildOptions
    profiles: tuple[Profile, ...] = field(default=(), hash=False)
    typing: str = STRONG
    calibration_cache: Path | None = None
    plugins: Mapping[str, Path] = field(default_factory=dict, hash=False)
    timing_cache: TimingCacheTask | None = None
