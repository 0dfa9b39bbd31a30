"""
Ask the engines themselves, on a machine with a GPU: ``ignition build`` with the accuracy check, one by one.

The answers go into a JSON file after every build, so a run that is cut off leaves what it measured, and goes
on from there when it is started again. Only the command line is used, and Python from 3.10.
"""

import datetime
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PRECISIONS = ("fp32", "fp16", "int8")
"""What every release of TensorRT has; bf16 begins with 9."""
SECONDS = 1800.0
"""As long as one build may take: fp16 of a detector took TensorRT 8.6.0 over 21 minutes, alone on an H200."""
IGNITION = (sys.executable, "-c", "from ignition_hub.cli.start import main; raise SystemExit(main())")


def measure(folder: Path, out: Path, chosen: Sequence[str], more: Sequence[str]) -> None:
    """
    Build the networks in ``folder`` and write what came of each into ``out``.

    ``chosen`` are names of networks and precisions, by default all; ``more`` goes to ``ignition build``.
    """
    kept = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {**_machine(), "builds": []}
    done = {(item["model"], item["precision"]) for item in kept["builds"]}
    with tempfile.TemporaryDirectory() as cache:
        for case, precision in _wanted(folder, chosen):
            if (case.name, precision) not in done:
                found = built(case, precision, [*more, "--cache-dir", cache])
                kept["builds"].append(found)
                _write(out, kept)
                print(line(found), flush=True)


def built(case: Path, precision: str, more: Sequence[str]) -> dict[str, Any]:
    """Build the network in the folder ``case`` once and return what the page needs to know of it."""
    begin = time.monotonic()
    answer = _answer([*IGNITION, "build", *_arguments(case, precision), *more])
    found = {"model": case.name, "precision": precision, "seconds": round(time.monotonic() - begin, 1)}
    options = [word for before, word in itertools.pairwise(more) if before == "--option"]
    asked = {"options": options} if options else {}
    return {**found, **asked, **(answer if "reason" in answer else _facts(answer))}


def line(found: dict[str, Any]) -> str:
    """Return one build as a line to watch."""
    verdict = (
        f"{found['reason']}: {found['message']}" if "reason" in found else f"passed ({found['checked']})"
    )
    return f"{found['model']} {found['precision']} {found['seconds']} s {verdict}"


def _wanted(folder: Path, chosen: Sequence[str]) -> Iterator[tuple[Path, str]]:
    cases = sorted(path.parent for path in folder.glob("*/case.json"))
    names = [name for name in chosen if name not in PRECISIONS] or [case.name for case in cases]
    kinds = [name for name in chosen if name in PRECISIONS] or list(PRECISIONS)
    return ((case, precision) for case in cases if case.name in names for precision in kinds)


def _arguments(case: Path, precision: str) -> list[str]:
    asked = json.loads((case / "case.json").read_text(encoding="utf-8"))
    options = [f"--verify=accuracy.{name}={value}" for name, value in asked["tolerance"][precision].items()]
    options.append(f"--verify=accuracy.inputs.source={case / 'inputs.npz'}")
    if precision == "int8":
        options.append(f"--option=calibration.source={case / 'calibration.npz'}")
        options.append(f"--option=calibration.method={asked['method']}")
    shapes = [f"--shape={shape}" for shape in asked["shapes"]]
    return [
        str(case / "model.onnx"),
        "--precision",
        precision,
        "--name",
        case.name,
        *shapes,
        *options,
        "-o",
        "json",
    ]


def _answer(command: Sequence[str]) -> dict[str, Any]:
    """Return the command's result, or ``reason`` and ``message``; what does not end in time is ended."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            said, complaints = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return {"reason": "NotInTime", "message": f"it took more than {SECONDS:g} seconds"}
    try:
        answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (IndexError, ValueError):
        return {"reason": f"exit {process.returncode}", "message": " ".join(complaints.split())[-600:]}
    error: dict[str, Any] | None = answer.get("error")
    return error or answer


def _facts(answer: dict[str, Any]) -> dict[str, Any]:
    engine = Path(answer["path"])
    manifest = json.loads((engine.parent.parent / f"{engine.name}.json").read_text(encoding="utf-8"))
    build = manifest["build"]
    names = ("accuracy", "benchmark", "converter", "typing", "gpu")
    return {
        "checked": answer["checked"],
        "size": answer["sizeBytes"],
        "release": manifest["inputs"]["tensorrt_version"],
        "warnings": answer["warnings"],
        **{name: build.get(name) for name in names if build.get(name) is not None},
    }


def _write(out: Path, kept: dict[str, Any]) -> None:
    part = out.with_name(f"{out.name}.part")
    part.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    part.replace(out)


def _machine() -> dict[str, Any]:
    """Return the first GPU and its driver as nvidia-smi names them, and the day."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        said = ""
    name, _, driver = (said.splitlines() or [""])[0].partition(", ")
    return {"gpu": name, "driver": driver, "date": datetime.date.today().isoformat()}
