"""
Set properties of TensorRT's objects and read them back.

TensorRT's setters do not raise: a rejected value is logged and the build goes on with another (measured on
RTX 1.7.1).
"""

from typing import Any

from ignition_hub.engine.errors import Reason, RequestError


def settle(target: Any, name: str, value: Any) -> None:
    """Set an attribute; RequestError (UnsupportedOption) when it does not hold the value afterwards."""
    setattr(target, name, value)
    if getattr(target, name) != value:
        raise _refusal(name, f"set to {value!r}, it holds {getattr(target, name)!r}")


def settle_flag(trt: Any, config: Any, name: str, wanted: bool) -> None:
    """Set or clear a builder flag by name; a flag this release lacks is a refusal only when it is wanted."""
    flag = trt.BuilderFlag.__members__.get(name)
    if flag is None:
        if wanted:
            raise _refusal(name, "this release of TensorRT has no such flag")
        return
    (config.set_flag if wanted else config.clear_flag)(flag)
    if config.get_flag(flag) != wanted:
        raise _refusal(name, f"TensorRT leaves it {'off' if wanted else 'on'}")


def settle_workspace(trt: Any, config: Any, size: int) -> None:
    """Limit the workspace pool to ``size`` bytes."""
    pool = trt.MemoryPoolType.WORKSPACE
    config.set_memory_pool_limit(pool, size)
    if config.get_memory_pool_limit(pool) != size:
        raise _refusal("workspace", f"set to {size}, it holds {config.get_memory_pool_limit(pool)}")


def flags_in_force(trt: Any, config: Any) -> tuple[str, ...]:
    """Return the names of the builder flags that are set, sorted."""
    return tuple(sorted(name for name, flag in trt.BuilderFlag.__members__.items() if config.get_flag(flag)))


def flag_bit(flags: Any, name: str) -> int:
    """Return the bit of a creation flag by name; 0 when this release does not have it."""
    flag = flags.__members__.get(name)
    return 0 if flag is None else 1 << int(flag)


def _refusal(name: str, why: str) -> RequestError:
    return RequestError(Reason.UnsupportedOption, f"TensorRT does not take {name}: {why}")
