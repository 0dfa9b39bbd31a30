"""
Check optimization profiles against the inputs of a model, before TensorRT sees either.

TensorRT's own message names no input and says no remedy; these name both. Nothing here needs ONNX.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import Profile, ShapeRange


@dataclass(frozen=True, slots=True)
class ModelInput:
    """
    One input of a model; ``shape`` has an integer per fixed dimension and a name (maybe empty) per free one.

    ``shape`` is None when the model does not even say the rank.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None

    @property
    def dynamic(self) -> bool:
        """Whether a profile has to say something about it."""
        return self.shape is None or any(isinstance(size, str) for size in self.shape)

    def __str__(self) -> str:
        sizes = "?" if self.shape is None else ", ".join(str(size) or "?" for size in self.shape)
        return f"{self.name} [{sizes}]"


def check_profiles(profiles: Sequence[Profile], inputs: Sequence[ModelInput]) -> None:
    """Raise RequestError (InvalidProfile) naming the first thing in which a profile misfits the model."""
    dynamic = [item for item in inputs if item.dynamic]
    if dynamic and not profiles:
        raise _misfit(
            f"the inputs {_listed(dynamic)} have free dimensions and profiles is empty",
            "add one profile with min, opt and max for each of them",
        )
    known = {item.name: item for item in inputs}
    for index, profile in enumerate(profiles):
        _check_profile(f"profiles[{index}].shapes", profile.shapes, known)


def _check_profile(where: str, shapes: Mapping[str, ShapeRange], inputs: Mapping[str, ModelInput]) -> None:
    for name, wanted in shapes.items():
        if name not in inputs:
            raise _misfit(
                f"{where}.{name}: the model has no such input", f"it has {_listed(inputs.values())}"
            )
        _check_range(f"{where}.{name}", wanted, inputs[name])
    missing = [item for name, item in inputs.items() if item.dynamic and name not in shapes]
    if missing:
        raise _misfit(f"{where}: says nothing of {_listed(missing)}", "give min, opt and max for it")


def _check_range(where: str, wanted: ShapeRange, actual: ModelInput) -> None:
    for kind in ("min", "opt", "max"):
        sizes: tuple[int, ...] = getattr(wanted, kind)
        if actual.shape is not None and len(sizes) != len(actual.shape):
            raise _misfit(
                f"{where}.{kind}: {list(sizes)} has {len(sizes)} dimensions, the input is {actual}",
                f"give {len(actual.shape)} numbers",
            )
        _check_sizes(f"{where}.{kind}", sizes, actual)
    if not len(wanted.min) == len(wanted.opt) == len(wanted.max):
        raise _misfit(f"{where}: min, opt and max have different ranks", "give each the same rank")
    for axis, (low, usual, high) in enumerate(zip(wanted.min, wanted.opt, wanted.max, strict=True)):
        if not low <= usual <= high:
            raise _misfit(
                f"{where}: dimension {axis} has min {low}, opt {usual}, max {high}",
                "order them min <= opt <= max",
            )


def _check_sizes(where: str, sizes: tuple[int, ...], actual: ModelInput) -> None:
    for axis, size in enumerate(sizes):
        fixed = actual.shape[axis] if actual.shape is not None else ""
        if isinstance(fixed, int) and size != fixed:
            raise _misfit(
                f"{where}: dimension {axis} is {size}, the model fixes it at {fixed} in {actual}",
                f"write {fixed}, or export the model with this dimension free",
            )
        if size < 0:
            raise _misfit(f"{where}: dimension {axis} is {size}", "sizes are zero or more")


def _listed(inputs: Iterable[ModelInput]) -> str:
    return ", ".join(str(item) for item in inputs) or "no inputs"


def _misfit(message: str, remedy: str) -> RequestError:
    return RequestError(Reason.InvalidProfile, message, remedy)
