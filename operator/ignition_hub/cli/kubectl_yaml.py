"""
YAML as kubectl reads it, which is not as PyYAML does.

To kubectl ``1234e56``, ``08`` and ``y`` are two numbers and a boolean, ``2026-11-30`` and ``12:30`` are
strings (kubectl 1.36.3). The differences are those of go-yaml, which sigs.k8s.io/yaml parses with.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_READ_OTHERWISE = {f"{_TAG}{kind}" for kind in ("int", "float", "timestamp")}
_OF_OTHER_KINDS = {
    first: [(tag, form) for tag, form in known if tag not in _READ_OTHERWISE]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_DIGITS = "0123456789"
_BOOLEAN = re.compile(r"(?:y|Y|n|N)\Z")
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_LIKE_A_NUMBER = re.compile(r"[-+.0-9]")


class _Loader(yaml.SafeLoader):
    """Take for a number or a boolean what kubectl does, and nothing for a time."""

    yaml_implicit_resolvers = _OF_OTHER_KINDS


class _Dumper(yaml.SafeDumper):
    """Quote every string that could be a number, for whichever reader, and the short booleans."""


_Loader.add_implicit_resolver(f"{_TAG}int", _INTEGER, list(f"-+{_DIGITS}"))
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list(f"-+.{_DIGITS}"))
_Loader.add_implicit_resolver(f"{_TAG}bool", _BOOLEAN, list("yYnN"))
_Loader.bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}
# PyYAML quotes a string that would be resolved to another tag; its own resolvers come before these
_Dumper.add_implicit_resolver(f"{_TAG}float", _LIKE_A_NUMBER, list(f"-+.{_DIGITS}"))
_Dumper.add_implicit_resolver(f"{_TAG}bool", _BOOLEAN, list("yYnN"))


def written(document: dict[str, Any]) -> str:
    """Return a document as YAML that kubectl reads back as it is: every string of it stays one."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=None)


def read_all(text: str) -> Iterator[Any]:
    """Yield every object in a text; raise YAMLError or ValueError for a text that is not YAML."""
    yield from yaml.load_all(text, Loader=_Loader)
