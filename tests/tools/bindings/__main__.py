"""``python -m bindings``."""

from bindings.cli import main

raise SystemExit(main())
