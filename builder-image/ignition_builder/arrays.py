"""
Read the arrays a user gives: calibration data and inputs to compare on, as numpy's ``.npz`` files.

The file is a stranger's: nothing in it is unpickled, and what it unpacks to is bounded.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.quoting import on_one_line

MAX_BYTES = 16 * 1024**3
"""As much as all arrays together may hold; more never helps a calibration."""


def load_arrays(path: Path, where: str) -> dict[str, Any]:
    """
    Return the arrays in ``path`` by name.

    ``where`` is the field of the spec that names the file. Raises RequestError (InvalidRequest) for a file
    that is no ``.npz``, holds Python objects, or nothing at all. NaN and infinity are taken as they are: NaN
    may say that something is missing, and a mask is minus infinity where nothing may be seen.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(sum(item.file_size for item in archive.infolist()), where)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except IgnitionError:
        raise
    # zipfile and numpy fail on a broken file with whatever their code runs into: errors of zlib, a tokenizer,
    # a MemoryError for a shape that the file only claims.
    except Exception as error:
        raise _refusal(where, f"the file cannot be read ({on_one_line(str(error), 200)})") from error
    if not arrays:
        raise _refusal(where, "the file contains no arrays")
    for name, values in arrays.items():
        if not isinstance(values, np.ndarray):
            raise _refusal(where, f"{name} is not an array")
    return arrays


def _check_size(size: int, where: str) -> None:
    if size > MAX_BYTES:
        raise _refusal(where, f"the arrays take {size} bytes, more than {MAX_BYTES}")


def _refusal(where: str, why: str) -> RequestError:
    return RequestError(
        Reason.InvalidRequest,
        f"{where}: {why}",
        "write it with numpy.savez(file, **{input name: array})",
    )
