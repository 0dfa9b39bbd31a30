"""
What was found for a pod, an engine or the ONNX model in its place, and nothing else of the two.

``app`` asks here; ``place`` brings an engine, ``mounted`` shows one that is there, ``model`` brings a model.
"""

from ignition_hub.fetch.budget import FetchBudget
from ignition_hub.fetch.gateway import Resolved, ResolvedModel
from ignition_hub.fetch.model import missing_model_bytes, place_model, remove_model
from ignition_hub.fetch.mounted import place_mounted
from ignition_hub.fetch.place import EnginePaths, is_mounted, missing_bytes, place
from ignition_hub.fetch.transfer import ByteCallback

Found = Resolved | ResolvedModel


def missing_bytes_of(found: Found, paths: EnginePaths) -> int:
    """Return how many more bytes it will take, as far as sizes tell."""
    if isinstance(found, ResolvedModel):
        return missing_model_bytes(found, paths)
    return missing_bytes(found, paths)


def deliver(found: Found, paths: EnginePaths, budget: FetchBudget, watch: ByteCallback) -> bool:
    """Make the pod have what was found; False when it was there already. Raises as ``place`` does."""
    if isinstance(found, ResolvedModel):
        return place_model(found, paths, budget, watch)
    if is_mounted(found, paths):
        place_mounted(found, paths)
        fetched = False
    else:
        fetched = place(found, paths, budget, watch)
    remove_model(paths)
    return fetched
