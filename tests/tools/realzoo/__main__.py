"""``python -m realzoo``; the package's first page says what it takes."""

import sys

from realzoo.cli import main

raise SystemExit(main(sys.argv[1:]))
