"""The command line in this process, as a shell sees it: its exit code and what it printed."""

import sys

from ignition_hub.cli import app


def exit_code_of(monkeypatch, *words, program="ignition"):
    """Run ``program`` with ``words`` and return its exit code."""
    monkeypatch.setattr(sys, "argv", [program, *map(str, words)])
    try:
        return app.main()
    except SystemExit as ended:
        return int(ended.code or 0)


def run_command(monkeypatch, capsys, *words):
    """Run ``ignition`` with ``words``; return the exit code, and what stands on stderr or else on stdout."""
    code = exit_code_of(monkeypatch, *words)
    printed = capsys.readouterr()
    return code, printed.err or printed.out
