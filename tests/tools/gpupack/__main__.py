"""``python -m gpupack``."""

from gpupack.cli import main

raise SystemExit(main())
