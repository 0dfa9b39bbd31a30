"""
Tell TensorRT each option that was asked for, and say what is in force afterwards.

A row of ``compatibility.options`` names the builder flag, memory pool or property that sets it; at run time
their presence decides, not the version. What has none is told elsewhere: ``libraries`` loads plugins,
``weakly`` takes a calibration cache, the first stage calibrates, and ``building`` fails on warnings.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ignition_builder.compiling.checked_config import ROWS, Settled, members_of, names_of
from ignition_builder.options import BuildOptions
from ignition_hub.compatibility.option_row import OptionRow, constant_of
from ignition_hub.compatibility.options import OPTION_ROWS

PROPERTY, POOL, FLAG = "IBuilderConfig", "MemoryPoolType", "BuilderFlag"


def apply_options(config: Settled, options: BuildOptions) -> None:
    """Tell TensorRT all that was asked for; raises RequestError for what it lacks or does not take."""
    for name, value in options.asked.items():
        owner, setting = ROWS[name].setting
        if owner in TELL:
            TELL[owner](config, ROWS[name], setting, value)
    if options.tactic_sources is not None:
        config.tactic_sources(options.tactic_sources)


def settings_in_force(trt: Any, config: Any) -> dict[str, Any]:
    """Return what a configuration holds, asked for or not: numbers as they are, the rest by name."""
    held: dict[str, Any] = {}
    pools = members_of(trt, POOL)
    for row in OPTION_ROWS:
        owner, name = row.setting
        if owner == PROPERTY and hasattr(config, name):
            held[row.option] = _plain(getattr(config, name))
        elif owner == POOL and name in pools:
            held[row.part or row.option] = int(config.get_memory_pool_limit(pools[name]))
    held["tacticSources"] = names_of(trt, "TacticSource", int(config.get_tactic_sources()))
    return held


def _set_property(config: Settled, row: OptionRow, name: str, value: Any) -> None:
    if row.kind == "Word":
        enumeration = row.attributes[1].partition(".")[0]
        value = config.member(row.name, enumeration, constant_of(value))
    config.attribute(row.name, name, value)


TELL: Mapping[str, Callable[[Settled, OptionRow, str, Any], None]] = {
    PROPERTY: _set_property,
    POOL: lambda config, row, pool, size: config.pool(row.name, pool, size),
    FLAG: lambda config, row, flag, _: config.flag(row.name, flag),
}
"""How TensorRT is told, by the owner of the name that a row sets first."""


def _plain(value: Any) -> Any:
    return value.name if hasattr(value, "name") else int(value)
