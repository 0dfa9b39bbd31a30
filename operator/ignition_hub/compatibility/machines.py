"""
The machines that an engine's platform leaves: amd64 or arm64, by the label that every kubelet sets. Pure.

A node without the label, or of another machine, is left to the gateway, which holds against an engine only
what it knows. Of JetPack the release is left to it too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ignition_hub.compatibility.gpus import KUBERNETES_ARCH
from ignition_hub.compatibility.node_terms import Expression, Term
from ignition_hub.compatibility.readiness import EngineView

AMD64, ARM64 = "amd64", "arm64"
MACHINES = (AMD64, ARM64)

_X86 = "linux-x86_64"


def runs_on(platform: str | None, machine: str) -> bool:
    """Tell whether engines of ``platform`` load on ``machine``, as far as that is known."""
    return platform is None or (platform == _X86) == (machine == AMD64)


def on_machine(engine: EngineView, machine: str) -> EngineView:
    """Return ``engine`` with those of its ready targets that load on ``machine``."""
    return replace(engine, ready=tuple(one for one in engine.ready if runs_on(one.platform, machine)))


def off_other_machines(machine: str) -> Expression:
    """Require that a node is not known to be another machine."""
    return {
        "key": KUBERNETES_ARCH,
        "operator": "NotIn",
        "values": [one for one in MACHINES if one != machine],
    }


def machines_left(selector: Mapping[str, Any], terms: Sequence[Term]) -> list[str]:
    """Return the machines that a pod's node selector and required terms leave; all for one of another."""
    selected = [KUBERNETES_ARCH not in selector or selector[KUBERNETES_ARCH] == one for one in MACHINES]
    allowed = [not terms or any(_allows(term, one) for term in terms) for one in MACHINES]
    left = [one for one, *both in zip(MACHINES, selected, allowed, strict=True) if all(both)]
    return left or list(MACHINES)


def _allows(term: Term, machine: str) -> bool:
    return all(_holds(one, machine) for one in _about_machines(term.get("matchExpressions") or ()))


def _about_machines(expressions: Iterable[Expression]) -> Iterable[Expression]:
    return (one for one in expressions if one.get("key") == KUBERNETES_ARCH)


def _holds(expression: Expression, machine: str) -> bool:
    values = expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return machine in values
        case "NotIn":
            return machine not in values
    return True
