"""
The shapes that a profile promises and the network cannot run at: TensorRT's words, with place and remedy.

TensorRT refuses usual shapes that do not go through the network. Smallest and largest ones it only warns of,
“Profile kMAX values are not self-consistent”, and builds an engine that has to be given others (measured on
RTX 1.7.1). So ``messages`` takes that warning for an error, and here it becomes a reason. Sizes that a
profile leaves no choice of are the network's to TensorRT, and it says of a layer that it does not fit.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from ignition_builder.messages import quoted
from ignition_hub.engine import quoting
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import Profile

_SAID = re.compile(
    r"k(?P<end>MIN|OPT|MAX) values (are not self-consistent\.|for profile (?P<index>\d+) violate shape "
    r"constraints:)\s*(?P<why>.+)",
    re.DOTALL,
)
_MISFIT = re.compile(
    r"reshape changes volume|(inherently|cannot be|must be non-)\s?negative"
    r"|has count \d+ but \d+ was expected|expected to match the output at the channel"
    r"|not broadcast-compatible|dimensions not compatible|dimensions must be conformable"
    r"|have different shapes|mismatching dimensions|out of bounds access"
)
"""What layers say of sizes that do not go together (run: RTX 1.7.1)."""
_PLACES = re.compile(r"\s*\bIn \S+ at /\S+?:\d+")
_ENDS = {"MIN": ("min", "smallest", "begin"), "OPT": ("opt", "usual", ""), "MAX": ("max", "largest", "end")}
_LAYER = re.compile(r"^API Usage Error \(")
_LONGEST = 300


def broken_promise(errors: Iterable[str], profiles: Sequence[Profile]) -> RequestError | None:
    """
    Return the error for the first of ``errors`` that is about an end of a profile; None for no such.

    A layer that does not fit is about the usual shapes: there are no others where a size is fixed.
    """
    said = list(errors)
    found = next((match for error in said if (match := _SAID.search(error))), None)
    if not profiles:
        return None
    if found is None:
        misfit = next((error for error in said if _MISFIT.search(error)), None)
        return _cannot_run(profiles, 0, "OPT", _LAYER.sub("", quoted(misfit))) if misfit else None
    index = int(found["index"] or _first_that_differs(profiles, _ENDS[found["end"]][0]))
    return _cannot_run(profiles, index, found["end"], _PLACES.sub("", found["why"]))


def _cannot_run(profiles: Sequence[Profile], index: int, which: str, said: str) -> RequestError:
    end, word, verb = _ENDS[which]
    why = quoting.quoted(quoting.on_one_line(said).rstrip(" .)"), _LONGEST)
    return RequestError(
        Reason.InvalidProfile,
        f"profiles[{index}]: the model cannot be run at its {word} shapes, "
        f"{_sizes(profiles[index], end)}: “{why}”",
        _remedy(profiles[index], end, verb),
    )


def _first_that_differs(profiles: Sequence[Profile], end: str) -> int:
    return next((index for index, item in enumerate(profiles) if list(_differing(item, end))), 0)


def _differing(profile: Profile, end: str, verb: str = "be") -> Iterator[str]:
    """Yield what is not at this end as it is usually, and would be."""
    for field in ("shapes", "values"):
        for name, wanted in getattr(profile, field).items():
            for axis, (usual, there) in enumerate(zip(wanted.opt, getattr(wanted, end), strict=True)):
                if usual != there:
                    yield f"dimension {axis} of {field}.{name} {verb} at {usual}"


def _sizes(profile: Profile, end: str) -> str:
    ranges = {**profile.shapes, **profile.values}
    return ", ".join(f"{name} {list(getattr(wanted, end))}" for name, wanted in ranges.items())


def _remedy(profile: Profile, end: str, verb: str) -> str:
    free = "export the model with that size free: an exporter may have written a number into a Reshape"
    if not verb:
        return f"give opt sizes that go through the model, or {free}"
    return f"let {' and '.join(_differing(profile, end, verb))}, as usual, or {free}"
