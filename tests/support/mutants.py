"""
What may arrive instead of a document: mutants of bytes and of JSON, by a seed, and what becomes of them.

``of_bytes`` flips, cuts, doubles and inserts. ``of_document`` changes one or two places of a JSON document
and gives it as text, because some of it (a key twice, a number of 5,000 digits) is nothing that Python holds.
``survey`` shows mutants to a reader of ours: each is read or refused, in bounded time and words.

Only for readers of our own: what crashes another's library is no test of ours.
"""

import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from ignition_hub.engine.codec import Record
from ignition_hub.engine.errors import IgnitionError

COUNT = 10_000
FEW = 2_000
"""Of what is small, or read by what many others are read by."""
MESSAGE_CHARACTERS = 1024
"""The longest refusal, whatever it quotes."""
SECONDS = 1.0
"""The most CPU of one thread that one mutant may take; honest documents take a thousandth."""

Place = tuple[Any, ...]


class Twin(str):
    """A key beside its equal, so that the text of an object has it twice."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


_MARK = "\x02raw"
_DEEP = "\x02deep"
RAW = (
    "[" * 100 + "]" * 100,
    _DEEP,
    _DEEP,
    "[" * 5_000 + "]" * 5_000,
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 100_000,
    "9" * 400,
    "9" * 4_000,
    "9" * 5_000,
    "1e999",
    "-1e999",
    "-0.0",
    "1E2",
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "",
)
"""Texts that stand where a value was."""
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 1.5, 2**31, 2**63, -(2**63), 2**64, 10**30, 1e308),
    *("", "x", "sm_89", "0", "null", "\ud800", "a\udfffb", "\x00", "\x1b[2J", "\u202e", "é" * 300),
    *([], {}, [[]], [None], [{}], [1, 2, 3], ["a"], {"k": None}, {"k": {}}, {"": 1}, {"\ud800": "\udfff"}),
)
KEYS = ("", "x", "KIND", "__class__", "\ud800", "\x00", "k" * 300, "k" * 3_000)
LONG: tuple[Any, ...] = (
    "x" * 100_000,
    "\u202e" * 50_000,
    [0] * 20_000,
    {str(number): 0 for number in range(5_000)},
)
RARELY = 0.02


def of_bytes(data: bytes, seed: int, count: int = COUNT) -> Iterator[bytes]:
    """Yield ``count`` mutants of ``data``."""
    draw = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(draw.choice((1, 1, 1, 2, 8))):
            _damage(mutant, draw)
        yield bytes(mutant)


def _damage(data: bytearray, draw: random.Random) -> None:
    at, length = draw.randrange(len(data) + 1), draw.choice((1, 2, 4, 16, 200))
    kind = draw.randrange(6)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << draw.randrange(8)
    elif kind == 1:
        data[at : at + length] = bytes(draw.choice((0, 0x7F, 0xFF)) for _ in data[at : at + length])
    elif kind == 2:
        del data[at : at + length]
    elif kind == 3:
        del data[at:]
    elif kind == 4:
        data[at:at] = data[at : at + length]
    else:
        data[at:at] = draw.randbytes(length)


def of_document(document: Any, seed: int, count: int = COUNT) -> Iterator[bytes]:
    """Yield the texts of ``count`` mutants of a JSON document."""
    plain = json.loads(json.dumps(document))
    places = tuple(_places(plain))
    draw = random.Random(seed)
    for _ in range(count):
        mutant, raw = plain, draw.choice(RAW)
        raw = _deep(draw) if raw is _DEEP else raw
        for _ in range(draw.choice((1, 1, 1, 2))):
            mutant = _changed(mutant, draw.choice(places), draw)
        # Escaped as another's program would: UTF-8 has no lone surrogates.
        yield json.dumps(mutant).replace(json.dumps(_MARK), raw).encode()


def _deep(draw: random.Random) -> str:
    """Return what is nested about as deep as Python reads: what looks at it next may be a step too deep."""
    depth = draw.randrange(400, 1000)
    return draw.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth))


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from _places(item, (*place, step))


def _changed(value: Any, place: Place, draw: random.Random) -> Any:
    """Return ``value`` with something else at ``place``; as it is where an earlier change took that away."""
    if not place:
        return _another(value, draw)
    step, rest = place[0], place[1:]
    if isinstance(value, dict) and step in value:
        if not rest and draw.random() < 0.5:
            return dict(_other_items(value, step, draw))
        return {key: _changed(item, rest, draw) if key == step else item for key, item in value.items()}
    if isinstance(value, list) and step in range(len(value)):
        if not rest and draw.random() < 0.3:
            return [*value[:step], *draw.choice(((), value[step : step + 1] * 2)), *value[step + 1 :]]
        return [_changed(item, rest, draw) if at == step else item for at, item in enumerate(value)]
    return value


def _other_items(value: Mapping[str, Any], step: str, draw: random.Random) -> Iterator[tuple[str, Any]]:
    kind = draw.randrange(4)
    for key, item in value.items():
        if key != step or kind == 1:
            yield key, item
        if key == step and kind == 2:
            yield draw.choice((key.upper(), key + " ", key[:-1], *KEYS)), item
        if key == step and kind == 3:
            yield key, item
            yield Twin(key), _another(item, draw)
    if kind == 1:
        yield draw.choice(KEYS), _another(value[step], draw)


def _another(value: Any, draw: random.Random) -> Any:
    if draw.random() < RARELY:
        return draw.choice(LONG)
    if draw.random() < 0.15:
        return _MARK
    if isinstance(value, str) and value and draw.random() < 0.5:
        at = draw.randrange(len(value))
        return draw.choice((value[:at], value * 2, value[:at] + chr(draw.randrange(0x300)) + value[at + 1 :]))
    if type(value) is int and draw.random() < 0.5:
        return draw.choice((value + 1, -value, float(value), str(value), value * 10**18))
    return draw.choice(VALUES)


@dataclass
class Survey:
    """What became of the mutants of one document."""

    what: str
    seed: int
    accepted: int
    refused: Counter[str]

    @property
    def shown(self) -> int:
        """How many there were."""
        return self.accepted + sum(self.refused.values())

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.refused.items())) or "none"
        shown = f"{self.shown} mutants of seed {self.seed}"
        return f"{self.what}: {shown}, {self.accepted} accepted, refused: {kinds}"


def survey(
    what: str,
    seed: int,
    mutants: Iterable[bytes],
    read: Callable[[bytes], Any],
    honest: Callable[[bytes, Any], None],
    *,
    refusals: type[Exception] | tuple[type[Exception], ...] = IgnitionError,
) -> Survey:
    """
    Show mutants to ``read`` and print what became of them; AssertionError names the first that goes wrong.

    It is refused with one of ``refusals``, or accepted, and then ``honest`` asserts that what was read is
    what the mutant says.
    """
    found = Survey(what, seed, 0, Counter())
    for number, mutant in enumerate(mutants):
        started = time.thread_time()
        refusal = None
        try:
            value = read(mutant)
        except refusals as error:
            refusal = error
            found.refused[type(error).__name__] += 1
        except Exception as error:
            raise AssertionError(_named(found, number, mutant, repr(error))) from error
        else:
            honest(mutant, value)
            found.accepted += 1
        assert len(str(refusal)) <= MESSAGE_CHARACTERS, _named(found, number, mutant, str(refusal))
        is_quick = time.thread_time() - started < SECONDS or _is_quick(read, mutant, refusals)
        assert is_quick, _named(found, number, mutant, "took too long")
    print(found)
    return found


def _is_quick(
    read: Callable[[bytes], Any], mutant: bytes, refusals: type[Exception] | tuple[type[Exception], ...]
) -> bool:
    """Read again what took long: a collection of garbage may have come in between."""
    started = time.thread_time()
    with contextlib.suppress(refusals):
        read(mutant)
    return time.thread_time() - started < SECONDS


def _named(found: Survey, number: int, mutant: bytes, why: str) -> str:
    return f"{found.what}: mutant {number} of seed {found.seed}: {why:.2000}: {mutant[:2000]!r}"


def says(record: Any, sent: Any) -> None:
    """Assert that a record holds what the document says, and is written so that it is read again."""
    _agree(record, sent, type(record).__name__)
    written = json.dumps(record.to_json())
    again = type(record).from_json(json.loads(written))
    assert json.dumps(again.to_json()) == written


def _agree(value: Any, sent: Any, where: str) -> None:
    if isinstance(value, Record):
        for field in fields(value):  # type: ignore[arg-type]  # every Record is a dataclass
            if field.name in sent:
                _agree(getattr(value, field.name), sent[field.name], f"{where}.{field.name}")
            else:
                default = field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]
                assert "may_be_missing" in field.metadata, f"{where}.{field.name}: was not sent"
                assert getattr(value, field.name) == default, f"{where}.{field.name}: is not the default"
    elif isinstance(value, Mapping):
        assert list(value) == list(sent), where
        for key in value:
            _agree(value[key], sent[key], f"{where}.{key}")
    elif isinstance(value, (tuple, list)):
        assert len(value) == len(sent), where
        for index, item in enumerate(value):
            _agree(item, sent[index], f"{where}[{index}]")
    elif isinstance(value, Path):
        assert value == Path(sent), where
    else:
        told = float(sent) if type(value) is float and type(sent) is int else sent
        # As texts, because NaN is not itself.
        assert (type(value), repr(value)) == (type(told), repr(told)), where
