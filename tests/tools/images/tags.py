"""
The table of NVIDIA's images: ``builder-image/tags.toml`` laid out in ``builder-image/README.md``.

``python -m images tags`` writes it between its marks, ``--check`` says whether it is there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from images.errors import ImagesError

EVIDENCE = ("confirmed", "reported", "ask the image")
BEGIN, END = "<!-- tags.toml: make generate -->", "<!-- end -->"
_FIELDS = {"image", "tensorrt", "evidence", "platform", "note"}
_VERSION = re.compile(r"(\d+(\.\d+){0,3})?")


def read_tags(path: Path) -> list[Mapping[str, Any]]:
    """
    The rows of the table.

    Raises:
        ImagesError: a row has an unknown field, no evidence, or a version that is none.
    """
    rows: list[Mapping[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["image"]
    for row in rows:
        name = row.get("image", "?")
        if set(row) - _FIELDS:
            raise ImagesError(f"{path.name}: {name} has unknown fields {sorted(set(row) - _FIELDS)}")
        if row.get("evidence") not in EVIDENCE:
            raise ImagesError(f"{path.name}: {name} needs evidence: one of {', '.join(EVIDENCE)}")
        if not _VERSION.fullmatch(row.get("tensorrt", "?")):
            raise ImagesError(
                f"{path.name}: {name} has tensorrt {row.get('tensorrt')!r}, which is no version"
            )
    return rows


def without_image(path: Path) -> list[str]:
    """The releases, as ``major.minor``, of which no image is known."""
    minors: list[str] = tomllib.loads(path.read_text(encoding="utf-8")).get("without_image", [])
    return minors


def laid_out(rows: list[Mapping[str, Any]], without: list[str]) -> str:
    """The rows as a table of Markdown and what has none in a line below it, between the marks."""
    lines = ["| image | platform | TensorRT | evidence | |", "|---|---|---|---|---|"]
    for row in rows:
        platform = row.get("platform", "x86-64, Arm servers")
        version = row["tensorrt"] or "?"
        lines.append(
            f"| `{row['image']}` | {platform} | {version} | {row['evidence']} | {row.get('note', '')} |"
        )
    if without:
        lines += ["", f"No image is known of TensorRT {', '.join(without)}."]
    return "\n".join([BEGIN, *lines, END])


def with_table(page: str, table: str) -> str:
    """
    ``page`` with its table replaced.

    Raises:
        ImagesError: the page has no place for it.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ImagesError(f"the page has no place for the table: put {BEGIN} and {END} into it")
    return before + table + after
