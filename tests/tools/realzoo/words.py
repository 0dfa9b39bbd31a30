"""Words as networks take them: WordPiece of BERT's vocabularies, texts of other languages."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

TEXTS = Path(__file__).parent / "texts"
PAD, UNKNOWN, BEGIN, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
LONGEST = 100
"""A word of more characters is unknown, as in BERT's own tokenizer."""


def lines(name: str) -> list[str]:
    """Return the lines of one of the texts here."""
    return (TEXTS / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1]


def running(texts: Sequence[str], generator: Any, length: int, between: str = " ") -> str:
    """Return so many characters of the texts, one after another in some order."""
    text = ""
    while len(text) < length:
        text += texts[int(generator.integers(len(texts)))] + between
    return text[:length]


def bare(text: str) -> str:
    """Return a text without its accents and other marks."""
    return "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")


@cache
def vocabulary(path: Path) -> dict[str, int]:
    """Return the pieces of a vocab.txt and their numbers."""
    pieces = path.read_text(encoding="utf-8").split("\n")
    return {piece: number for number, piece in enumerate(pieces[:-1])}


def pieces(text: str, known: Mapping[str, int]) -> list[str]:
    """Return the pieces of a text: lower case without accents, the longest known from the left each time."""
    return [piece for word in _words(text) for piece in _pieces_of(word, known)]


def _words(text: str) -> list[str]:
    return "".join(f" {char} " if _is_punctuation(char) else char for char in bare(text.lower())).split()


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char).startswith("P") or char in "$+<=>^`|~"


def _pieces_of(word: str, known: Mapping[str, int]) -> list[str]:
    found: list[str] = []
    start = 0
    while start < len(word) <= LONGEST:
        ends = range(len(word), start, -1)
        piece = next((mark for end in ends if (mark := "##" * (start > 0) + word[start:end]) in known), None)
        if piece is None:
            return [UNKNOWN]
        found.append(piece)
        start += len(piece) - 2 * (start > 0)
    return found or [UNKNOWN]


def encoded(texts: Iterable[str], known: Mapping[str, int], length: int) -> dict[str, Any]:
    """Return BERT's three inputs, int64, texts x length: cut, or filled up and masked."""
    rows = [[BEGIN, *pieces(text, known)[: length - 2], END] for text in texts]
    ids = np.array([[known[piece] for piece in row + [PAD] * (length - len(row))] for row in rows], np.int64)
    mask = np.array([[1] * len(row) + [0] * (length - len(row)) for row in rows], np.int64)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
