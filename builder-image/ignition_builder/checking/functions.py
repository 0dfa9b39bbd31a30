"""
How large is a model once its own functions are written out, as every reader of it does?

A function may call another twice, and that one another: thirty small functions are a billion nodes.
"""

from functools import cache
from typing import Any

from ignition_builder.checking.inspection import graphs_of
from ignition_hub.engine.errors import Reason, RequestError

MOST_NODES = 1_000_000
"""The largest networks have tens of thousands."""


def check_functions(model: Any) -> None:
    """Raise RequestError (InvalidModel) for too many nodes; no function may be recursive."""
    bodies = {(function.domain, function.name): function for function in model.functions}

    @cache
    def size_of(domain: str, name: str) -> int:
        return nodes_in(bodies[domain, name]) if (domain, name) in bodies else 1

    def nodes_in(body: Any) -> int:
        return sum(size_of(node.domain, node.op_type) for graph in graphs_of(body) for node in graph.node)

    try:
        nodes = nodes_in(model.graph)
    except RecursionError as error:
        raise RequestError(
            Reason.InvalidModel,
            "the model's functions call each other more than a hundred deep",
            "export the model without functions",
        ) from error
    if nodes > MOST_NODES:
        raise RequestError(
            Reason.InvalidModel,
            f"the model is {nodes} nodes once its functions are written out, more than {MOST_NODES}",
            "export the model without functions that call each other again and again",
        )
