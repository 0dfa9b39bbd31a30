"""
The base of every fake class, and how a class is cut to what one release has.

An actor is a plain class with the methods of all releases; ``cut`` keeps what the inventory lists. A listed
method that no actor plays raises NotImplementedError; what is not listed does not exist.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bindings.inventory import Inventory
from faketensorrt.enums import FakeEnum
from faketensorrt.recording import Call


@dataclass(frozen=True, slots=True)
class Default:
    """A property's first value that is a member of an enumeration: ``HardwareCompatibilityLevel.NONE``."""

    enum: str
    member: str


class Actor:
    """The methods of a class, of all releases; ``_start`` takes the constructor's arguments."""

    _module: Any


class FakeObject:
    """An object of a fake module; like a bound one it takes no attribute its class has not got."""

    _module: Any
    _constructible = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if not self._constructible:
            raise TypeError(f"{type(self).__name__}: No constructor defined!")
        self._module.calls.append(Call(type(self).__name__, arguments))
        self._start(*arguments, **options)

    @classmethod
    def _made(cls, *arguments: Any) -> Any:
        """Make one as the library does, which needs no constructor in Python."""
        made = cls.__new__(cls)
        made._start(*arguments)
        return made

    def _start(self) -> None:
        """Take the constructor's arguments; actors with state replace it."""

    def __setattr__(self, name: str, value: Any) -> None:
        is_bound = self._bound_class() is type(self)
        if is_bound and name[0] != "_" and not isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        object.__setattr__(self, name, value)

    @classmethod
    def _bound_class(cls) -> type:
        """The class of the module itself, when ``cls`` was derived from it in Python."""
        return next(kind for kind in cls.__mro__ if "_constructible" in vars(kind))


def cut(name: str, actor: type | None, inventory: Inventory, module: Any) -> Any:
    """Return the class ``name`` as the release has it, played by ``actor`` as far as that goes."""
    acted = dict(vars(actor)) if actor else {}
    methods = inventory.methods(name)
    body: dict[str, Any] = {key: value for key, value in acted.items() if key[0] == "_" and key[1] != "_"}
    body |= {"_module": module, "_constructible": bool(methods.get("__init__")) or actor is None}
    for method in methods:
        if method != "__init__":
            body[method] = _recorded(f"{name}.{method}", acted.get(method) or _unplayed(f"{name}.{method}"))
    for key, access in inventory.properties(name).items():
        body[key] = acted[key] if key in acted else _property(f"{name}.{key}", access, acted, module)
    # In Python up to 3.11 only a builtin class has a buffer, so memory is bytes.
    bases = (bytes,) if name == "IHostMemory" else (FakeObject,)
    return type(name, bases, body)


def _recorded(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(act)
    def method(self: Any, *arguments: Any, **options: Any) -> Any:
        self._module.calls.append(Call(name, (*arguments, *options.values())))
        return act(self, *arguments, **options)

    return method


def _unplayed(name: str) -> Callable[..., Any]:
    def method(_self: Any, *_arguments: Any, **_options: Any) -> Any:
        raise NotImplementedError(f"the fake does not play {name}")

    return method


def _property(name: str, access: str, acted: Mapping[str, Any], module: Any) -> property:
    key = name.rpartition(".")[2]
    first = acted.get("_DEFAULTS", {}).get(key)
    if isinstance(first, Default):
        first = getattr(getattr(module, first.enum), first.member)

    def read(self: Any) -> Any:
        return vars(self).get(f"_{key}", first)

    def write(self: Any, value: Any) -> None:
        module.calls.append(Call(name, (value,)))
        _check_type(name, first, value)
        if name not in module.stubborn:
            setattr(self, f"_{key}", value)
        elif value != read(self):
            module.complain(name, value)

    return property(read, write if access == "rw" else None)


def _check_type(name: str, first: Any, value: Any) -> None:
    wanted = type(first) if isinstance(first, FakeEnum | bool | int) else object
    if not isinstance(value, wanted):
        raise TypeError(f"(): incompatible function arguments: {name} takes {wanted.__name__}, not {value!r}")
