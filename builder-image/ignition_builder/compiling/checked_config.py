"""
Set properties of TensorRT's objects and read them back.

TensorRT's setters do not raise: a rejected value is logged and the build goes on with another (measured on
RTX 1.7.1). What a release does not have is found by looking for its name: integers of enumerations move
between releases, and version numbers of the two products mean different things.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ignition_hub.compatibility.option_row import FIRST
from ignition_hub.compatibility.options import LEVEL_ROWS, OPTION_ROWS, WEAK_TYPE_ROWS
from ignition_hub.compatibility.support_matrix import dotted
from ignition_hub.engine.errors import Reason, RequestError

ROWS = {row.name: row for row in (*OPTION_ROWS, *LEVEL_ROWS, *WEAK_TYPE_ROWS)}


@dataclass(frozen=True, slots=True)
class Settled:
    """
    A builder configuration of one ``release`` (``TensorRT 10.13.2.6``), whose every setting is read back.

    ``row`` is a name in ``compatibility.options``, such as ``refit.RefitIdentical`` or ``precision.fp16``.
    Everything here raises RequestError (UnsupportedOption) that names option, value and release when TensorRT
    lacks it, or holds something else afterwards.
    """

    trt: Any
    config: Any
    release: str

    def attribute(self, row: str, name: str, value: Any) -> None:
        """Set a property."""
        if not hasattr(self.config, name):
            raise self._lacks(row, value, name)
        setattr(self.config, name, value)
        self._check(row, value, getattr(self.config, name))

    def member(self, row: str, kind: str, name: str) -> Any:
        """Return a member of one of the module's enumerations."""
        found = members_of(self.trt, kind).get(name)
        if found is None:
            raise self._lacks(row, name, f"{kind}.{name}")
        return found

    def flag(self, row: str, name: str) -> None:
        """Set a builder flag."""
        flag = self.member(row, "BuilderFlag", name)
        self.config.set_flag(flag)
        self._check(row, True, bool(self.config.get_flag(flag)))

    def without_flag(self, name: str) -> None:
        """Clear a builder flag; one that this release lacks is off already."""
        flag = members_of(self.trt, "BuilderFlag").get(name)
        if flag is not None:
            self.config.clear_flag(flag)

    def pool(self, row: str, kind: str, size: int) -> None:
        """Limit a memory pool to ``size`` bytes."""
        pool = self.member(row, "MemoryPoolType", kind)
        self.config.set_memory_pool_limit(pool, size)
        self._check(row, size, int(self.config.get_memory_pool_limit(pool)))

    def tactic_sources(self, names: Iterable[str]) -> None:
        """Allow exactly these tactic sources."""
        bits = 0
        for name in names:
            bits |= 1 << int(self.member(f"tacticSources.{name}", "TacticSource", name))
        taken = self.config.set_tactic_sources(bits)
        if not taken or int(self.config.get_tactic_sources()) != bits:
            raise RequestError(
                Reason.UnsupportedOption,
                f"options.tacticSources: {self.release} does not take {', '.join(names) or 'none of them'}",
                "leave options.tacticSources out",
            )

    def _lacks(self, row: str, value: Any, name: str) -> RequestError:
        return RequestError(
            Reason.UnsupportedOption,
            f"{_field(row)}: {value!r} was requested, but {self.release} has no {name}",
            _where_it_works(row),
        )

    def _check(self, row: str, value: Any, held: Any) -> None:
        if held != value:
            raise RequestError(
                Reason.UnsupportedOption,
                f"{_field(row)}: {self.release} does not accept {value!r} and has {held!r}",
                _where_it_works(row),
            )


def members_of(trt: Any, kind: str) -> dict[str, Any]:
    """Return the members of an enumeration by name; none when this release does not have it."""
    return dict(getattr(getattr(trt, kind, None), "__members__", {}))


def names_of(trt: Any, kind: str, bits: int) -> list[str]:
    """Return the members of an enumeration whose bits are set, sorted."""
    return sorted(name for name, member in members_of(trt, kind).items() if bits >> int(member) & 1)


def flags_in_force(trt: Any, config: Any) -> tuple[str, ...]:
    """Return the names of the builder flags that are set, sorted."""
    flags = members_of(trt, "BuilderFlag")
    return tuple(sorted(name for name, flag in flags.items() if config.get_flag(flag)))


def flag_bit(trt: Any, kind: str, name: str) -> int:
    """Return the bit of a creation flag by name; 0 when this release does not have it."""
    flag = members_of(trt, kind).get(name)
    return 0 if flag is None else 1 << int(flag)


def _field(row: str) -> str:
    field = row.partition(".")[0]
    if field == "build":
        return row
    return field if field in ("precision", "compatibility") else f"options.{field}"


def _where_it_works(row: str) -> str:
    field = _field(row)
    leave = f"leave {field} out" if field.startswith("options.") else f"use another {field}"
    known = ROWS.get(row)
    if known is None or (known.since == FIRST and known.until is None):
        return leave
    versions = [f"{dotted(known.since)} or newer"] if known.since != FIRST else []
    versions += [f"older than {dotted(known.until)}"] if known.until else []
    return f"use TensorRT {', '.join(versions)}, or {leave}"
