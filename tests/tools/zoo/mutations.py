"""
Broken copies of good files: cut, with bits flipped, with bytes put in, taken out or moved, one thing bent.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor

from zoo.cases import Case
from zoo.trial import Trial

MOST_FLIPS = 8
LONGEST_PIECE = 64
LARGEST_SEED = 64 * 1024
PRECISIONS = ("fp32", "fp16")

Mutation = Callable[[Random, bytes], bytes]


def cut(random: Random, content: bytes) -> bytes:
    """End the file early."""
    return content[: random.randrange(len(content))]


def flipped(random: Random, content: bytes) -> bytes:
    """Flip a few bits."""
    data = bytearray(content)
    for _ in range(random.randint(1, MOST_FLIPS)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def grown(random: Random, content: bytes) -> bytes:
    """Put bytes in."""
    at = random.randrange(len(content))
    return content[:at] + random.randbytes(random.randint(1, LONGEST_PIECE)) + content[at:]


def shrunk(random: Random, content: bytes) -> bytes:
    """Take bytes out."""
    at = random.randrange(len(content))
    return content[:at] + content[at + random.randint(1, LONGEST_PIECE) :]


def moved(random: Random, content: bytes) -> bytes:
    """Write a piece of the file over another."""
    source, target = random.randrange(len(content)), random.randrange(len(content))
    piece = content[source : source + random.randint(1, LONGEST_PIECE)]
    return content[:target] + piece + content[target + len(piece) :]


def bent(random: Random, content: bytes) -> bytes:
    """Change one number or name somewhere inside; the file stays a model."""
    model = onnx.ModelProto.FromString(content)
    message, field, index = random.choice(list(_scalars(model)))
    old = getattr(message, field.name) if index is None else getattr(message, field.name)[index]
    if isinstance(old, str):
        new: Any = random.choice((old + "x", "", "x", old[1:]))
    elif isinstance(old, bytes):
        new = old[: len(old) // 2]
    else:
        new = random.choice((0, 1, 2, 7, 99, 2**31 - 1))
    # A number that an enumeration does not have cannot be set; then the copy is as good as the model.
    with contextlib.suppress(ValueError):
        if index is None:
            setattr(message, field.name, new)
        else:
            getattr(message, field.name)[index] = new
    return bytes(model.SerializeToString())


def _scalars(message: Any) -> Iterator[tuple[Any, Any, int | None]]:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                yield from _scalars(inner)
        elif field.is_repeated:
            yield from ((message, field, index) for index in range(len(value)))
        else:
            yield message, field, None


MUTATIONS: dict[str, Mutation] = {
    "cut": cut,
    "flipped": flipped,
    "grown": grown,
    "shrunk": shrunk,
    "moved": moved,
    "bent": bent,
}

_WEIGHTED = (*MUTATIONS.items(), ("bent", bent), ("bent", bent), ("flipped", flipped))
"""Most cut files are refused at once; what is left of a bent one gets farther."""


def mutated(cases: Sequence[Case], count: int, seed: int) -> Iterator[Trial]:
    """Yield ``count`` broken files; the same seed gives the same ones."""
    random = Random(seed)
    seeds = [case for case in cases if 0 < len(case.content) <= LARGEST_SEED]
    for index in range(count):
        case, (name, mutation) = random.choice(seeds), random.choice(_WEIGHTED)
        content = mutation(random, case.content)
        yield Trial(
            name=f"{name}-{index}-{case.name}",
            content=content,
            precision=random.choice(PRECISIONS),
            shapes=case.shapes,
        )
