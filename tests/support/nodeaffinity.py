"""Node affinity as the scheduler judges it."""

from typing import Any

from ignition_hub.compatibility.placement import required_terms


def admits(affinity: Any, labels: dict[str, str]) -> bool:
    """Judge as the scheduler does: one term must hold in all its expressions; an empty term never holds."""
    terms = required_terms(affinity)
    return not terms or any(holds(one, labels) for one in terms)


def holds(one: Any, labels: dict[str, str]) -> bool:
    """Tell whether a node with these labels fulfils a term."""
    expressions = one.get("matchExpressions") or []
    return bool(expressions) and all(expression_holds(expression, labels) for expression in expressions)


def expression_holds(expression: Any, labels: dict[str, str]) -> bool:
    """Tell whether a node with these labels fulfils an expression."""
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise AssertionError(expression)


def requiring(*terms: Any) -> dict[str, Any]:
    """Return an affinity that requires one of some terms."""
    return {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    }
