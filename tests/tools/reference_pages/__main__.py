"""``python -m reference_pages [--check] docs/reference``"""

import argparse
import sys
from pathlib import Path

from reference_pages.pages import PAGES


def main() -> int:
    """Write the pages, or with ``--check`` prove that they are what the code says."""
    parser = argparse.ArgumentParser(prog="python -m reference_pages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a page is old")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    old = [name for name, page in PAGES.items() if _text(arguments.folder / name) != page()]
    if not arguments.check:
        for name in old:
            (arguments.folder / name).write_text(PAGES[name]())
        return 0
    for name in old:
        print(f"{arguments.folder / name} is not what the code says: run make generate", file=sys.stderr)
    return 1 if old else 0


def _text(file: Path) -> str | None:
    return file.read_text() if file.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
