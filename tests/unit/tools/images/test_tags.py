"""The table of NVIDIA's images: strict where it is read, and laid out where people read it."""

from pathlib import Path

import pytest

from ignition_hub.compatibility.support_matrix import parse_version
from images.cli import lay_out_tags
from images.errors import ImagesError
from images.paths import ROOT
from images.tags import BEGIN, END, read_tags

ROW = '[[image]]\nimage = "registry.example.com/trt:1"\ntensorrt = "10.9"\nevidence = "reported"\n'


def folder_with(tmp_path: Path, table: str, page: str = f"# Images\n{BEGIN}\n{END}\nThe end.\n") -> Path:
    (tmp_path / "tags.toml").write_text(table)
    (tmp_path / "README.md").write_text(page)
    return tmp_path


def test_the_table_is_laid_out_between_its_marks(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, ROW)

    with pytest.raises(ImagesError, match="make generate"):
        lay_out_tags(folder, check=True)
    lay_out_tags(folder)
    lay_out_tags(folder, check=True)

    page = (folder / "README.md").read_text()
    assert "| `registry.example.com/trt:1` | x86-64, Arm servers | 10.9 | reported |" in page
    assert page.startswith("# Images\n")
    assert page.endswith("The end.\n")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (ROW.replace("reported", "certain"), "needs evidence"),
        (ROW.replace("10.9", "latest"), "'latest', which is no version"),
        (ROW + 'cuda = "12"\n', r"unknown fields \['cuda'\]"),
    ],
)
def test_a_row_that_claims_something_else_is_refused(tmp_path: Path, table: str, told: str) -> None:
    with pytest.raises(ImagesError, match=told):
        read_tags(folder_with(tmp_path, table) / "tags.toml")


def test_a_page_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match="no place"):
        lay_out_tags(folder_with(tmp_path, ROW, page="# Images\n"))


def test_every_version_that_is_named_is_one_that_can_be_built_for() -> None:
    rows = read_tags(ROOT / "builder-image/tags.toml")

    assert len({row["image"] for row in rows}) == len(rows)
    assert all(parse_version(row["tensorrt"]) >= (8, 6) for row in rows if row["tensorrt"] not in ("", "10"))
