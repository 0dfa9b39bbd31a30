"""
Run every case once in onnxruntime, as users would: realistic inputs, and both ends of its profile. ::

    python -m realzoo check [CASE ...]

Says what goes in and comes out, and ends with 1 when a case cannot run or answers with no number.
"""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime

from realzoo.case import Case
from realzoo.catalogue import CASES
from realzoo.supplies import model_of, supplies_of

SAMPLES = 3


def main(names: list[str]) -> int:
    """Check the named cases, or all."""
    wrong = [case.name for case in CASES if (not names or case.name in names) and not _is_right(case)]
    print(f"{len(wrong)} wrong: {' '.join(wrong)}" if wrong else "all run")
    return 1 if wrong else 0


def _is_right(case: Case) -> bool:
    try:
        for line in checked(case):
            print(f"{case.name:24} {line}", flush=True)
    except Exception as error:  # noqa: BLE001  (whatever is raised is what is to be said)
        print(f"{case.name:24} WRONG: {type(error).__name__}: {error}"[:600], flush=True)
        return False
    return True


def checked(case: Case) -> list[str]:
    """Return what is to be said of a case that runs; raise when it does not."""
    path = model_of(case)
    session = _session(path)
    samples = case.samples(supplies_of(case), SAMPLES, 1)
    if len(samples) != SAMPLES:
        raise ValueError(f"{len(samples)} samples for {SAMPLES}")
    for name, ranges in case.shapes.items():
        if samples[0][name].shape != ranges[1]:
            raise ValueError(f"{name} is {samples[0][name].shape}, opt {ranges[1]}")
    answers = [_answers(session, sample) for sample in samples]
    for end in (0, 2):
        _answers(session, _at(case, samples[0], end))
    return [f"{_exporter(path)}, {path.stat().st_size / 1e6:.1f} MB", _said(samples[0]), *map(_said, answers)]


def _session(path: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _exporter(path: Any) -> str:
    model = onnx.load(path, load_external_data=False)
    opsets = " ".join(f"{item.domain or 'onnx'} {item.version}" for item in model.opset_import)
    return f"{model.producer_name or 'unnamed'} {model.producer_version}, {opsets}"


def _answers(session: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    names = [item.name for item in session.get_outputs()]
    answers = dict(zip(names, session.run(names, dict(inputs)), strict=True))
    for name, value in answers.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and np.isnan(value).any():
            raise ValueError(f"{name} has NaN")
    return answers


def _at(case: Case, sample: Mapping[str, Any], end: int) -> dict[str, Any]:
    """Return a sample cut, or repeated, to one end of the profile; lengths are cut too."""
    cut = {
        name: _cut(value, case.shapes.get(name, (value.shape,) * 3)[end]) for name, value in sample.items()
    }
    longest = max((size for value in cut.values() for size in value.shape), default=0)
    return {name: np.minimum(value, longest) if _counts(value) else value for name, value in cut.items()}


def _cut(value: Any, shape: tuple[int, ...]) -> Any:
    for axis, size in enumerate(shape):
        value = np.take(value, range(size), axis, mode="wrap")
    return value


def _counts(value: Any) -> bool:
    return bool(value.ndim == 1 and value.dtype == np.int64)


def _said(arrays: Mapping[str, Any]) -> str:
    return "  ".join(f"{name} {_about(np.asarray(value))}" for name, value in arrays.items())


def _about(value: Any) -> str:
    if value.size == 0 or value.dtype.kind not in "fiub":
        return f"{value.dtype}{list(value.shape)}"
    return f"{value.dtype}{list(value.shape)} {value.min():.4g}..{value.max():.4g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
