"""The contract weighs nothing: it imports the standard library and itself."""

import json
import pkgutil
import subprocess
import sys

import ignition_hub.engine

PROBE = """
import importlib, json, sys
before = set(sys.modules)
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_a_fresh_interpreter_loads_only_the_standard_library_and_the_contract():
    contract = [
        f"ignition_hub.engine.{module.name}" for module in pkgutil.iter_modules(ignition_hub.engine.__path__)
    ]
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(contract)],
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
        and not name.startswith("ignition_hub.engine")
        and name != "ignition_hub"
    }

    assert set(contract) <= loaded
    assert foreign == set()
