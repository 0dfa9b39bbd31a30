"""The contract weighs nothing: it imports the standard library and itself."""

import json
import pkgutil
import subprocess
import sys

from ignition_hub import compatibility, engine

PROBE = """
import importlib, json, sys
before = set(sys.modules)
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_a_fresh_interpreter_loads_only_the_standard_library_and_the_contract():
    wanted = [
        f"{package.__name__}.{module.name}"
        for package in (compatibility, engine)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(wanted)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    loaded = set(json.loads(ran.stdout))
    foreign = {
        name
        for name in loaded
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not name.startswith((compatibility.__name__, engine.__name__))
        and name != "ignition_hub"
    }

    assert set(wanted) <= loaded
    assert foreign == set()
