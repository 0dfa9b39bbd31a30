"""The pages for people: no link is dead, and every page is two clicks from the README."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "builder-image" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def links_of(page: Path) -> list[tuple[Path, str]]:
    """The files a page links to inside the repository, each with the heading it means."""
    found = LINK.findall(page.read_text())
    return [((page.parent / path).resolve() if path else page, to) for path, to in found if "://" not in path]


def headings_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as a forge makes them."""
    titles = HEADING.findall(page.read_text())
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [str(path) for path, _ in links_of(page) if not path.exists()]
    lost = [f"{path}#{to}" for path, to in links_of(page) if to and to not in headings_of(path)]

    assert dead + lost == []


def test_every_page_is_two_clicks_from_the_readme() -> None:
    near = {path for path, _ in links_of(ROOT / "README.md")}
    reached = near | {path for page in near if page.suffix == ".md" for path, _ in links_of(page)}

    far = [str(page.relative_to(ROOT)) for page in PAGES if page not in reached | {ROOT / "README.md"}]
    assert [name for name in far if not re.search(r"adr/\d{4}", name)] == []
