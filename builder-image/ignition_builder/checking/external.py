"""
Look at the tensors a model brings, and at the files it names, before anything reads either.

A model is a stranger's: it may name files that are none of its business, ranges that are not in them, and
shapes no machine holds. TensorRT's parser follows what it is told.
"""

import math
from pathlib import Path
from typing import Any

import onnx

from ignition_builder.checking.weights import check_length, is_external
from ignition_hub.engine.errors import Reason, RequestError

MOST_ELEMENTS = 2**40
"""No GPU holds a tensor of that many elements."""
_LARGEST_PLACE = 2**63
_KEYS = frozenset({"location", "offset", "length", "checksum", "basepath"})
_SAVE = "save the model again with onnx.save, with its weights inside or beside it"


def check_tensor(tensor: Any, folder: Path) -> None:
    """
    Raise RequestError (InvalidModel) for a tensor that cannot be what it says, or is not the model's own.

    ``folder`` is where the model lies.
    """
    if any(size < 0 for size in tensor.dims) or math.prod(tensor.dims) > MOST_ELEMENTS:
        raise _refusal(tensor, f"its shape {list(tensor.dims)[:9]} is not a valid tensor shape")
    if not is_external(tensor):
        return
    places: dict[str, str] = {}
    for entry in tensor.external_data:
        # Two answers to one question: whoever reads it next may take the other.
        if entry.key in places or entry.key not in _KEYS:
            raise _refusal(tensor, f"its external data has an unknown or repeated key {entry.key!r}")
        places[entry.key] = entry.value
    _check_type(tensor)
    _check_range(tensor, places)
    _check_location(tensor, places.get("location", ""), folder)
    check_length(tensor, folder)


def _check_type(tensor: Any) -> None:
    types = onnx.TensorProto.DataType
    if tensor.data_type not in types.values() or tensor.data_type in (types.UNDEFINED, types.STRING):
        raise _refusal(tensor, f"its data is in a file and has type {tensor.data_type}, which is not numeric")


def _check_range(tensor: Any, places: dict[str, str]) -> None:
    for key in ("offset", "length"):
        text = places.get(key, "0")
        if not (text.isascii() and text.isdecimal() and int(text) < _LARGEST_PLACE):
            raise _refusal(tensor, f"its external data has {key} {text[:40]!r}, not a position in a file")


def _check_location(tensor: Any, location: str, folder: Path) -> None:
    if not _is_beside(location, folder):
        raise _refusal(
            tensor,
            f"its data is in the file {location[:200]!r}, which is not beside the model",
            "push the folder as a bundle that holds every file, or save the model with its weights inside "
            "(onnx.save without external data)",
        )


def _is_beside(location: str, folder: Path) -> bool:
    """Whether a name is of a real file below ``folder``, reached through nothing but folders."""
    try:
        path = folder / location
        plain = bool(location) and not Path(location).is_absolute() and ".." not in Path(location).parts
        return plain and path.is_file() and path.resolve() == folder.resolve() / location
    except (OSError, ValueError):
        # Too long a name, or one with a byte no file name has.
        return False


def _refusal(tensor: Any, why: str, remedy: str = _SAVE) -> RequestError:
    return RequestError(Reason.InvalidModel, f"tensor {tensor.name or 'without a name'}: {why}", remedy)
