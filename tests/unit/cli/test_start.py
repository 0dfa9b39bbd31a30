"""The entry of the program: what is missing is a line with the remedy, and Ctrl-C is no traceback."""

import sys

import pytest

from ignition_hub.cli import app, start


def test_without_its_extra_the_program_says_what_to_install(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "ignition_hub.cli.app")
    monkeypatch.delattr("ignition_hub.cli.app")
    monkeypatch.setitem(sys.modules, "typer", None)

    assert start.main() == 1
    assert capsys.readouterr().err == "error: typer is not installed: pip install 'ignition-hub[cli]'\n"


def test_a_defect_of_the_program_itself_is_not_called_a_missing_package(monkeypatch):
    def broken() -> int:
        raise ModuleNotFoundError("No module named 'ignition_hub.lost'", name="ignition_hub.lost")

    monkeypatch.setattr(app, "main", broken)
    with pytest.raises(ModuleNotFoundError):
        start.main()


def test_ctrl_c_before_a_command_runs_is_a_line(monkeypatch, capsys):
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "main", interrupted)
    assert start.main() == 130
    assert capsys.readouterr().err == "interrupted\n"
