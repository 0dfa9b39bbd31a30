"""What one process writes into a pod's environment and another reads there has its name in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import ignition_builder
import ignition_hub
from ignition_hub.engine import environment

SOURCES = [Path(package.__path__[0]) for package in (ignition_hub, ignition_builder)]


def literals(path: Path) -> Iterator[str]:
    """Yield the strings of a file that are no documentation."""
    tree = ast.parse(path.read_text())
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_no_other_file_spells_the_name_of_a_variable() -> None:
    own = Path(environment.__file__)
    files = [path for folder in SOURCES for path in folder.rglob("*.py") if path != own]
    spelled = {str(path) for path in files for text in literals(path) if environment.PREFIX in text}

    assert not spelled
