"""
``ignition build``: an engine file from a model, on this machine, without a cluster.
"""

import json
import logging
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from ignition_hub.cli import build_options as options
from ignition_hub.cli.arguments import batch_of, checks_of, mebibytes, options_of
from ignition_hub.cli.errors import INTERRUPTED, REFUSED, TERMINATED, UNREACHABLE, CliError
from ignition_hub.cli.options import Precision, Shapes
from ignition_hub.cli.progress_bar import watching
from ignition_hub.cli.resource import shapes_of
from ignition_hub.compatibility.description import where_it_loads
from ignition_hub.compatibility.gpus import gpu_of
from ignition_hub.compatibility.loading import EngineFacts
from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.errors import IgnitionError, Reason, TransientError
from ignition_hub.engine.quoting import on_one_line, printable
from ignition_hub.library import build_or_load_engine
from ignition_hub.local.engine import LocalEngine
from ignition_hub.local.script_layout import check_replaceable, classic_path, copied

CHECKED = {
    "none": "nothing",
    "model": "the model that was built, against the original",
    "engine": "the engine itself, against the original",
}
"""What the manifest's word for it means."""


OPTIONS = {
    Reason.InvalidProfile: "--shape INPUT=MIN:OPT:MAX, --batch-size N, --max-sequence-length N",
    Reason.CompatibilityUnsupported: "--compatibility LEVEL, --product NAME",
}
"""What is called otherwise on the command line: remedies use the words of a resource."""


class Form(StrEnum):
    """How the result is printed."""

    text = "text"
    json = "json"


def form_of(word: str) -> Form:
    """Return the format ``word`` names; in other tools ``-o`` takes a file, so the error says what does."""
    if word not in tuple(Form):
        raise typer.BadParameter(f"unknown format {word!r}: use text or json; --output takes a file")
    return Form(word)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a copy of the engine goes besides the cache: a file, or the classic folders; or nowhere."""

    model: Path
    output: Path | None
    classic: bool

    @property
    def is_asked_for(self) -> bool:
        """Whether the engine goes anywhere besides the cache."""
        return bool(self.output or self.classic)

    def path(self, engine: LocalEngine) -> Path:
        """Deliver ``engine`` and return where its user finds it."""
        if self.output is not None:
            return copied(engine, self.output)
        return (
            copied(engine, classic_path(self.model, engine.manifest.inputs)) if self.classic else engine.path
        )


def build(
    model: Annotated[Path, typer.Argument(help="ONNX file.", metavar="MODEL.onnx")],
    *,
    precision: Precision = "fp16",
    arch: options.Archs = None,
    batch_size: options.BatchSize = None,
    max_sequence_length: options.MaxSequenceLength = None,
    shape: Shapes = None,
    option: options.BuildOptions = None,
    verify: options.Checks = None,
    flavor: options.Flavor = None,
    tensorrt: options.TensorRT = None,
    compatibility: options.Compatibility = None,
    product: options.Product = None,
    name: options.ModelName = None,
    version: options.ModelVersion = "local",
    store: options.Store = None,
    force_rebuild: options.ForceRebuild = False,
    cache_dir: options.CacheFolder = None,
    output: options.EngineFile = None,
    classic: options.Classic = False,
    form: Annotated[
        Form, typer.Option("-o", metavar="text|json", parser=form_of, help="Format of the result.")
    ] = Form.text,
) -> None:
    """Build an engine here, or take it from the cache or the artifacts store."""
    with warnings_as_lines(), failures_as(form), interruptible():
        delivery = Delivery(model, output, classic)
        archs = checked_archs(arch or (), product, delivery)
        asked = {
            "precision": precision,
            "batch_size": batch_of(batch_size),
            "max_sequence_length": max_sequence_length,
            "shapes": shapes_of(shape or ()),
            "options": options_of(option or ()),
            "verification": checks_of(verify or ()),
            "flavor": flavor,
            "tensorrt_version": tensorrt,
            "compatibility": compatibility,
            "product": product,
            "model_name": name,
            "model_version": version,
            "artifacts_endpoint": store,
            "force_rebuild": force_rebuild,
            "cache_dir": cache_dir,
            "may_be_temporary": delivery.is_asked_for,
        }
        for each in archs:
            show(_built(model, each, asked, delivery), form)


def checked_archs(given: Sequence[str], product: str | None, delivery: Delivery) -> list[str | None]:
    """Return the architectures to build for, None for this machine's; CliError for a contradiction."""
    archs: list[str | None] = list(dict.fromkeys(given)) or [None]
    if len(archs) > 1 and delivery.is_asked_for:
        raise CliError("--output and --classic take one engine: give one --arch")
    if len(archs) > 1 and product:
        raise CliError("--product applies to one architecture: give one --arch")
    if delivery.output and delivery.classic:
        raise CliError("--output and --classic are mutually exclusive: give one of them")
    if delivery.output:
        check_replaceable(delivery.output)
    for known in filter(None, archs):
        gpu_of(known)
    return archs


def _built(model: Path, arch: str | None, asked: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
    with watching(model.name if arch is None else f"{model.name} for {arch}") as watch:
        engine, source = build_or_load_engine(model, arch=arch, on_progress=watch, **asked)
        return result_of(engine, source, delivery.path(engine))


def result_of(engine: LocalEngine, source: str, path: Path) -> dict[str, Any]:
    """Return what the command prints about one engine."""
    manifest = engine.manifest
    return {
        "path": str(path),
        "source": source,
        "identity": manifest.identity,
        "sha256": manifest.engine.sha256,
        "sizeBytes": manifest.engine.size,
        "buildSeconds": manifest.build.seconds,
        "checked": manifest.build.checked,
        "compatibility": manifest.inputs.compatibility,
        "product": manifest.inputs.product,
        "warnings": _warnings(manifest.build.warnings),
        "loadsOn": str(where_it_loads(EngineFacts.of_manifest(manifest))).removeprefix("on "),
    }


def _warnings(recorded: Iterable[Any]) -> list[dict[str, Any]]:
    # A manifest's facts are free in form, and this one may come from a store that nobody signs.
    known = (one for one in recorded if isinstance(one, Mapping) and {"code", "count"} <= one.keys())
    return [{"code": str(one["code"]), "count": one["count"]} for one in known]


def show(result: dict[str, Any], form: Form) -> None:
    """Print one result to standard output."""
    if form is Form.json:
        typer.echo(json.dumps(result))
        return
    warned = ", ".join(f"{warning['code']} ({warning['count']})" for warning in result["warnings"])
    rows = {
        "engine": result["path"],
        "source": result["source"],
        "identity": result["identity"],
        "sha256": result["sha256"],
        "size": mebibytes(result["sizeBytes"]),
        "built in": f"{result['buildSeconds']:.1f} s",
        "checked": CHECKED[result["checked"]],
        "warnings": warned or "none",
        "loads on": result["loadsOn"],
    }
    for name, value in rows.items():
        typer.echo(f"{name:<9} {printable(str(value))}")


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print what the library says and warns of as one line each on standard error."""
    log = logging.getLogger("ignition_hub.library")
    handler = logging.Handler()
    handler.emit = lambda record: typer.echo(_said(record), err=True)  # type: ignore[method-assign]
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def _said(record: logging.LogRecord) -> str:
    message = record.getMessage()
    return f"warning: {message}" if record.levelno >= logging.WARNING else message


@contextmanager
def failures_as(form: Form) -> Iterator[None]:
    """End the command for what fails: the exit code says whether to try again, the result says the reason."""
    try:
        yield
    except (CliError, IgnitionError) as error:
        if form is Form.json:
            reason = error.reason if isinstance(error, IgnitionError) else Reason.InvalidRequest
            typer.echo(json.dumps({"error": {"reason": str(reason), "message": str(error)}}))
        typer.echo(f"error: {on_one_line(_in_options(error))}", err=True)
        raise typer.Exit(UNREACHABLE if isinstance(error, TransientError) else REFUSED) from error


def _in_options(error: CliError | IgnitionError) -> str:
    known = OPTIONS.get(error.reason) if isinstance(error, IgnitionError) else None
    return f"{error}; on the command line: {known}" if known else str(error)


@contextmanager
def interruptible() -> Iterator[None]:
    """Clean up after Ctrl-C and SIGTERM as after an error; nothing half-written stays."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        typer.echo("interrupted; no partial files are left", err=True)
        raise typer.Exit(INTERRUPTED) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    # Once: what follows is cleaning up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise typer.Exit(TERMINATED)
