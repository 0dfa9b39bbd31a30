"""Enumerations of words behave as the standard library's do, on a Python that has none too."""

import copy
import json
import pickle

import pytest
import typer
from typer.testing import CliRunner

from ignition_hub.engine.enums import StrEnum


class Colour(StrEnum):
    RED = "Red"
    DARK_BLUE = "dark_blue"


def test_a_member_is_its_word_however_it_is_written():
    assert str(Colour.RED) == "Red"
    assert f"{Colour.RED}|{Colour.RED:>5}|{Colour.RED!s}" == "Red|  Red|Red"
    assert "%s" % Colour.RED == "Red"  # noqa: UP031  # this is what is tested
    assert "-".join(Colour) == "Red-dark_blue"
    assert json.dumps({Colour.RED: Colour.DARK_BLUE}) == '{"Red": "dark_blue"}'
    assert repr(Colour.RED) == "<Colour.RED: 'Red'>"


def test_a_member_equals_its_word_and_is_found_by_it():
    assert Colour.RED == "Red"
    assert {"Red": 1}[Colour.RED] == 1
    assert Colour("Red") is Colour.RED
    with pytest.raises(ValueError, match="'Green' is not a valid Colour"):
        Colour("Green")


def test_a_copy_of_a_member_is_the_member():
    assert pickle.loads(pickle.dumps(Colour.RED)) is Colour.RED
    assert copy.deepcopy(Colour.RED) is Colour.RED


def test_the_members_are_choices_of_a_command():
    app = typer.Typer()

    @app.command()
    def paint(colour: Colour = Colour.RED) -> None:
        typer.echo(f"{colour} {colour is Colour.DARK_BLUE}")

    assert CliRunner().invoke(app, ["--colour", "dark_blue"]).output == "dark_blue True\n"
    assert CliRunner().invoke(app, []).output == "Red False\n"
    refused = CliRunner().invoke(app, ["--colour", "green"])
    assert refused.exit_code == 2
    assert "dark_blue" in refused.output
