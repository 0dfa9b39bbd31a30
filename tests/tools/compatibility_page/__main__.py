"""``python -m compatibility_page [--check] docs/compatibility.md``"""

import argparse
import sys
from pathlib import Path

from compatibility_page.page import page


def main() -> int:
    """Write the page, or with ``--check`` prove that it is what the truth table says."""
    parser = argparse.ArgumentParser(prog="python -m compatibility_page", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the page is old")
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    text = page()
    if not arguments.check:
        arguments.file.write_text(text)
        return 0
    if arguments.file.is_file() and arguments.file.read_text() == text:
        return 0
    print(f"{arguments.file} is not what the truth table says: run make generate", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
