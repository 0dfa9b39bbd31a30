"""A command is a module with a function of its name that takes options, and the program offers it."""

import importlib
import inspect
import pkgutil
import typing

from typer.models import ParameterInfo

from ignition_hub import cli
from ignition_hub.cli.app import app


def takes_options(function: object) -> bool:
    if not inspect.isfunction(function):
        return False
    hints = typing.get_type_hints(function, include_extras=True).values()
    return any(isinstance(one, ParameterInfo) for hint in hints for one in getattr(hint, "__metadata__", ()))


def test_every_module_with_a_command_of_its_name_is_offered():
    names = [module.name for module in pkgutil.iter_modules(cli.__path__)]
    modules = {name: importlib.import_module(f"ignition_hub.cli.{name}") for name in names}
    verbs = {name for name, module in modules.items() if takes_options(getattr(module, name, None))}

    assert verbs == {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert len(verbs) >= 4
