"""The command line in this process, as a shell sees it: its exit code and what it printed."""

import sys

from ignition_hub.cli import app


def run_command(monkeypatch, capsys, *words):
    """Run ``ignition`` with ``words``; return the exit code, and what stands on stderr or else on stdout."""
    monkeypatch.setattr(sys, "argv", ["ignition", *words])
    try:
        code = app.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    return code, printed.err or printed.out
