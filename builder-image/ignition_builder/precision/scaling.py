"""
Find the values of a quantized model that are scales and nothing else.

Scales of small blocks are many, and are quantized themselves: NVFP4 has FP8 scales for blocks of FP4, others
have INT8 scales for blocks of INT4. The nodes that give them back do not say what the model computes in.
"""

from typing import Any

from ignition_builder.checking.inspection import graphs_of

SCALED = ("QuantizeLinear", "DequantizeLinear")
"""How the operators end, ONNX's own and NVIDIA's, whose second input is a scale."""
_SCALE = 1


def scale_values(model: Any) -> set[str]:
    """Return the names of all values that are read as scales only, at once or through other nodes."""
    graphs = list(graphs_of(model.graph))
    given_out = {value.name for graph in graphs for value in graph.output}
    readers: dict[str, list[tuple[Any, int]]] = {}
    nodes = [node for graph in graphs for node in graph.node]
    for node in nodes:
        for place, name in enumerate(node.input):
            readers.setdefault(name, []).append((node, place))
    found: set[str] = set()
    # Whoever reads a value comes after it, in the graphs inside nodes too.
    for node in reversed(nodes):
        for name in node.output:
            reads = readers.get(name, [])
            if reads and name not in given_out and all(_is_scale(*read, found) for read in reads):
                found.add(name)
    return found


def _is_scale(node: Any, place: int, found: set[str]) -> bool:
    if node.op_type.endswith(SCALED) and place == _SCALE:
        return True
    return bool(node.output) and found.issuperset(node.output)
