"""
``kubectl ignition gpus``: nodes, their GPUs, what the hub believes of them and why.
"""

import json
from typing import Any

import typer

from ignition_hub.cli import gpu_table
from ignition_hub.cli.errors import CliError
from ignition_hub.cli.kubectl import Kubectl
from ignition_hub.cli.options import Context
from ignition_hub.cli.output import Format, Readable, ReadableOutput, in_columns, show

SLICES = "resourceslices.v1.resource.k8s.io"
NOT_SERVED = "the server doesn't have a resource type"
"""What kubectl says where the cluster has no dynamic resource allocation."""


def gpus(
    *,
    context: Context = None,
    output: ReadableOutput = Readable.text,
) -> None:
    """
    Show for every node which GPU a pod has there, by what it requests or claims, and what tells it.

    Where something cannot be known, why not and what would tell.
    """
    kubectl = Kubectl(context)
    rows = gpu_table.rows_of(_items(kubectl, "nodes"), _slices(kubectl))
    if output is Readable.text:
        typer.echo("\n".join(in_columns(gpu_table.table(rows))))
    else:
        show({"gpus": [row.to_json() for row in rows]}, Format(output.value))


def _slices(kubectl: Kubectl) -> list[dict[str, Any]]:
    try:
        return _items(kubectl, SLICES)
    except CliError as error:
        if NOT_SERVED in str(error):
            return []
        raise


def _items(kubectl: Kubectl, resource: str) -> list[dict[str, Any]]:
    found: dict[str, Any] = json.loads(kubectl.run("get", resource, "--output", "json"))
    return list(found.get("items") or ())
