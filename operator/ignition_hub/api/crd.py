"""
Write the CustomResourceDefinitions, or prove that the written ones are current.

``python -m ignition_hub.api.crd crds`` writes one file a kind; ``--check`` writes nothing and exits 1 with
the name of every stale file. The models are the only source: nobody edits ``crds/``.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ignition_hub.api.schema import VALIDATIONS
from ignition_hub.api.structural import Schema, structural_schema
from ignition_hub.api.v1alpha1 import BuildPool, CustomResource, EngineStore, TensorRTEngine
from ignition_hub.engine.names import GROUP, VERSION

CATEGORY = "ignition"
HEADER = "# Generated from operator/ignition_hub/api by `make generate`; edit the models there instead.\n"

READY = ".status.conditions[?(@.type=='Ready')]"


@dataclass(frozen=True)
class Column:
    """One column of ``kubectl get``; ``wide`` ones show with ``-o wide`` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def body(self) -> dict[str, Any]:
        """Return the column as the CRD has it."""
        return {"name": self.name, "type": self.type, "jsonPath": self.path} | (
            {"priority": 1} if self.wide else {}
        )


AGE = Column("Age", ".metadata.creationTimestamp", "date")
READY_COLUMNS = (Column("Ready", f"{READY}.status"), Column("Reason", f"{READY}.reason"))
MESSAGE = Column("Message", f"{READY}.message", wide=True)


@dataclass(frozen=True)
class Definition:
    """How one kind is served: its names, its scope and what ``kubectl get`` shows of it."""

    model: type[CustomResource]
    plural: str
    namespaced: bool
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    selectable: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind, which is the model's name."""
        return self.model.__name__

    @property
    def file_name(self) -> str:
        """The file the definition is written to."""
        return f"{GROUP}_{self.plural}.yaml"


DEFINITIONS = (
    Definition(
        TensorRTEngine,
        plural="tensorrtengines",
        namespaced=True,
        short_names=("trte",),
        selectable=(".spec.model.name", ".spec.model.version", ".spec.precision"),
        columns=(
            Column("Model", ".spec.model.name"),
            Column("GPU", ".status.summary.gpus"),
            Column("Precision", ".spec.precision"),
            *READY_COLUMNS,
            Column("Progress", ".status.readyTargets"),
            AGE,
            Column("TensorRT", ".status.summary.tensorrt", wide=True),
            Column("Size", ".status.summary.size", wide=True),
            Column("Build time", ".status.summary.buildTime", wide=True),
            Column("Digest", ".status.summary.digest", wide=True),
            Column("Added", ".status.summary.added", wide=True),
            MESSAGE,
        ),
    ),
    Definition(
        BuildPool,
        plural="buildpools",
        namespaced=False,
        selectable=(".spec.gpu.arch", ".spec.gpu.product"),
        columns=(
            Column("GPU", ".spec.gpu.arch"),
            Column("Product", ".spec.gpu.product"),
            Column("Ahead of time", ".spec.aheadOfTime.archs"),
            *READY_COLUMNS,
            Column("Running", ".status.runningBuilds", "integer"),
            Column("Queued", ".status.queuedBuilds", "integer"),
            Column("Max builds", ".spec.maxConcurrentBuilds", "integer"),
            AGE,
            MESSAGE,
        ),
    ),
    Definition(
        EngineStore,
        plural="enginestores",
        namespaced=False,
        columns=(
            Column("Bucket", ".spec.s3.bucket"),
            Column("Prefix", ".spec.s3.prefix"),
            Column("Default", ".status.default", "boolean"),
            *READY_COLUMNS,
            Column("Conditional writes", ".status.conditions[?(@.type=='ConditionalWrites')].status"),
            AGE,
            Column("Endpoint", ".spec.s3.endpoint", wide=True),
            MESSAGE,
            Column("Writes", ".status.conditions[?(@.type=='ConditionalWrites')].message", wide=True),
        ),
    ),
)


def custom_resource_definition(definition: Definition) -> dict[str, Any]:
    """Return the CustomResourceDefinition of one kind."""
    names: dict[str, Any] = {"kind": definition.kind, "listKind": f"{definition.kind}List"}
    names |= {"plural": definition.plural, "singular": definition.kind.lower(), "categories": [CATEGORY]}
    if definition.short_names:
        names["shortNames"] = list(definition.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{definition.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/part-of": "ignition-hub"},
        },
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": "Namespaced" if definition.namespaced else "Cluster",
            "versions": [_version(definition)],
        },
    }


def _version(definition: Definition) -> dict[str, Any]:
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.body() for column in definition.columns],
    }
    if definition.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in definition.selectable]
    return version | {"schema": {"openAPIV3Schema": resource_schema(definition)}}


def resource_schema(definition: Definition) -> Schema:
    """Return the schema of the whole object; metadata is the API server's own."""
    schema = structural_schema(definition.model)
    properties = schema["properties"]
    properties["apiVersion"] = {"type": "string", "description": properties["apiVersion"]["description"]}
    properties["kind"] = {"type": "string", "description": properties["kind"]["description"]}
    properties["metadata"] = {"type": "object"}
    # kstatus takes an empty status for a finished one: a fresh object must not count as ready
    properties["status"]["default"] = {"observedGeneration": -1}
    result = {
        "type": "object",
        "description": schema["description"],
        "required": ["spec"],
        "properties": properties,
    }
    if VALIDATIONS in schema:
        result[VALIDATIONS] = schema[VALIDATIONS]
    return result


class _Dumper(yaml.SafeDumper):
    """Write every list indented and nothing by reference, as people write YAML."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def rendered() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every generated file."""
    for definition in DEFINITIONS:
        body = yaml.dump(
            custom_resource_definition(definition),
            Dumper=_Dumper,
            sort_keys=False,
            width=110,
            allow_unicode=True,
        )
        yield definition.file_name, HEADER + body


def stale_files(folder: Path) -> list[str]:
    """Return the names of generated files in ``folder`` that are missing, differ, or belong to no kind."""
    wanted = dict(rendered())
    found = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path) -> None:
    """Write every file whole: a reader sees the old text or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in rendered():
        unfinished = folder / f".{name}.{os.getpid()}"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(folder / name)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 when ``--check`` finds a stale file."""
    parser = argparse.ArgumentParser(prog="python -m ignition_hub.api.crd", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files are")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.folder)
        return 0
    stale = stale_files(options.folder)
    for name in stale:
        sys.stderr.write(f"{options.folder / name} is not what the models say; run: make generate\n")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
