"""
Read what people write behind options: batch sizes, build options, durations.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from ignition_hub.cli.errors import CliError

_DURATION = re.compile(r"([0-9]+)(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def batch_of(text: str | None) -> int | tuple[int, ...] | None:
    """``32`` -> 32, ``1:8:32`` -> (1, 8, 32); CliError for anything else."""
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]+(:[0-9]+:[0-9]+)?", text):
        raise CliError(f"--batch-size {text}: must be N or MIN:OPT:MAX, for example 1:8:32")
    sizes = tuple(int(part) for part in text.split(":"))
    return sizes if len(sizes) == 3 else sizes[0]


def options_of(given: Sequence[str]) -> dict[str, Any]:
    """
    Read ``--option`` values: ``optimizationLevel=5``, ``versionCompatible.enabled=true``, ``workspace=4Gi``.

    A value is JSON where it is valid JSON, else text; a dot leads into an object. Raises CliError.
    """
    options: dict[str, Any] = {}
    for option in given:
        path, equals, text = option.partition("=")
        if not equals or not all(path.split(".")):
            raise CliError(f"--option {option}: must be NAME=VALUE, for example optimizationLevel=5")
        _put(options, path.split("."), _value(text), f"--option {option}")
    return options


def checks_of(given: Sequence[str]) -> dict[str, Any]:
    """Read ``--verify`` values: ``accuracy`` asks for a check, ``accuracy.rtol=0.01`` sets a figure of it."""
    checks: dict[str, Any] = {}
    for check in given:
        path, equals, text = check.partition("=")
        names = path.split(".")
        if not all(names) or bool(equals) != (len(names) > 1):
            raise CliError(
                f"--verify {check}: must be a check or CHECK.NAME=VALUE, such as accuracy.rtol=0.01"
            )
        if equals:
            _put(checks, names, _value(text), f"--verify {check}")
        else:
            checks.setdefault(path, {})
    return checks


def _put(document: dict[str, Any], path: Sequence[str], value: Any, where: str) -> None:
    *parents, name = path
    for parent in parents:
        document = document.setdefault(parent, {})
        if not isinstance(document, dict):
            raise CliError(f"{where}: {parent} has a value already")
    document[name] = value


def seconds_of(text: str | None) -> float:
    """``7d`` -> 604800; CliError for anything that is not a duration."""
    if text is None:
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None:
        raise CliError(f"--older-than {text}: must be a number and s, m, h, d or w, for example 7d")
    return float(int(match[1]) * _SECONDS[match[2]])


def duration(seconds: float) -> str:
    """604800 -> ``7d``: an age in its largest whole unit."""
    for unit in ("d", "h", "m"):
        if seconds >= _SECONDS[unit]:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{int(seconds)}s"


def mebibytes(size: int) -> str:
    """Return a size as people read it."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
