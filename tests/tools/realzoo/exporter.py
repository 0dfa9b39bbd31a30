"""What wrote an ONNX file, as far as the file tells."""

from typing import Any

NAMELESS = "unnamed"
TORCH = "pytorch"
DYNAMO = "pkg.torch.onnx"
"""What torch's newer exporter, and no other, notes of every node."""


def exporter_of(model: Any) -> str:
    """Return the producer and its version; of PyTorch which of its two exporters it was."""
    name = model.producer_name or NAMELESS
    words = " ".join(item for item in (name, model.producer_version) if item)
    return f"{words} ({_generation(model)})" if name == TORCH else words


def kind_of(exporter: str) -> str:
    """Return an exporter without its version, for counting."""
    name, _, rest = exporter.partition(" ")
    generation = rest[rest.find("(") :] if "(" in rest else ""
    return f"{name} {generation}".strip()


def _generation(model: Any) -> str:
    noted = (item.key for node in model.graph.node for item in node.metadata_props)
    return "dynamo" if any(key.startswith(DYNAMO) for key in noted) else "traced"
