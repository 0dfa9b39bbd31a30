"""
``ignition prune``: remove from the store what nothing uses, and first say what that is.

The gateway decides and removes; this asks it page by page, as a ServiceAccount that may.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import Progress, TextColumn

from ignition_hub.cli.arguments import mebibytes
from ignition_hub.cli.build import Form
from ignition_hub.cli.errors import Unreachable
from ignition_hub.cli.kubectl import Kubectl
from ignition_hub.cli.options import Context, GatewayUrl, HubNamespace
from ignition_hub.cli.output import in_columns
from ignition_hub.cli.progress_bar import watching
from ignition_hub.cli.push import reached
from ignition_hub.cli.upload import GatewayEndpoint
from ignition_hub.engine.errors import TransientError
from ignition_hub.engine.names import RELEASE_NAMESPACE
from ignition_hub.retention.documents import PruneRequest, Row, Total
from ignition_hub.retention.run import CALL_SECONDS, PATH, Watch, run
from ignition_hub.wire.outcomes import Transient
from ignition_hub.wire.response import GatewayResponse

ACCOUNT = "ignition-hub-prune"
COLUMNS = ("CLASS", "OBJECTS", "SIZE", "REASON")


def prune(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, without removing it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    service_account: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="ServiceAccount of the hub's namespace to ask as; it needs the verb prune on enginestores.",
        ),
    ] = ACCOUNT,
    gateway: GatewayUrl = None,
    hub_namespace: HubNamespace = RELEASE_NAMESPACE,
    context: Context = None,
    form: Annotated[Form, typer.Option("-o", help="Format.")] = Form.text,
) -> None:
    """Remove what nothing uses from the store: what was replaced, cut off, or kept for its time."""
    kubectl = Kubectl(context)
    token = kubectl.token(hub_namespace, service_account)
    with reached(kubectl, gateway, hub_namespace, token) as where, where.client() as client:
        store = RemoteStore(where, client)
        planned = store.planned()
        if dry_run or not planned.removed:
            show(planned, form, dry_run=dry_run)
            return
        if not yes:
            typer.echo(table(planned.removed_rows), err=True)
            typer.confirm(f"Remove {amount(planned)}?", abort=True, err=True)
        show(store.pruned(planned), form, dry_run=False)


@dataclass(frozen=True, slots=True)
class RemoteStore:
    """The store behind a gateway."""

    gateway: GatewayEndpoint
    client: httpx.Client

    def planned(self) -> Total:
        """Return what would be removed."""
        with counting() as watch:
            return self._run(watch, dry_run=True)

    def pruned(self, planned: Total) -> Total:
        """Remove what is of no use now, and show how far that is of what was ``planned``."""
        with watching("removing") as bar:

            def watch(total: Total) -> None:
                done = min(1.0, total.looked_at / max(1, planned.looked_at))
                bar(amount(total), done)

            return self._run(watch, dry_run=False)

    def _run(self, watch: Watch, *, dry_run: bool) -> Total:
        try:
            return run(self.ask, dry_run=dry_run, watch=watch)
        except TransientError as error:
            raise Unreachable(str(error)) from error

    def ask(self, request: PruneRequest) -> GatewayResponse:
        """Send one request; Transient when no whole answer came."""
        extensions = {"sni_hostname": self.gateway.server_name} if self.gateway.server_name else {}
        try:
            answer = self.client.post(
                PATH, json=request.to_json(), extensions=extensions, timeout=CALL_SECONDS
            )
        except httpx.TransportError as error:
            raise Transient(f"the gateway at {self.gateway.url} did not answer: {error}") from error
        return GatewayResponse.of(answer.status_code, answer.content)


@contextlib.contextmanager
def counting() -> Iterator[Watch]:
    """Show on standard error, while it is a terminal, how many objects were looked at."""
    console = Console(stderr=True)
    column = TextColumn("looking at the store: {task.completed} objects")
    with Progress(column, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=None)
        yield lambda total: shown.update(task, completed=total.looked_at)


def show(total: Total, form: Form, *, dry_run: bool) -> None:
    """Print what came of a run."""
    if form is Form.json:
        typer.echo(json.dumps(document(total, dry_run=dry_run), indent=2))
        return
    if total.removed:
        typer.echo(table(total.removed_rows))
    for row in total.kept_rows:
        typer.echo(f"kept {row.kind}: {row.objects} objects, {mebibytes(row.size)} ({row.reason})", err=True)
    said = "would remove" if dry_run else "removed"
    typer.echo(f"{said} {amount(total)} from EngineStore {total.store}", err=True)


def amount(total: Total) -> str:
    """Say how much was removed: ``12 objects, 6.2 MiB``."""
    objects = sum(row.objects for row in total.removed_rows)
    noun = "object" if objects == 1 else "objects"
    return f"{objects} {noun}, {mebibytes(sum(row.size for row in total.removed_rows))}"


def table(rows: Sequence[Row]) -> str:
    """Return rows as people read them."""
    lines = [COLUMNS, *((row.kind, str(row.objects), mebibytes(row.size), row.reason) for row in rows)]
    return "\n".join(in_columns(lines))


def document(total: Total, *, dry_run: bool) -> dict[str, Any]:
    """Return a run as JSON; sizes are bytes."""
    return {
        "store": total.store,
        "dryRun": dry_run,
        "lookedAt": total.looked_at,
        "removed": [
            {
                "class": each.kind,
                "key": each.key,
                "reason": each.reason,
                "objects": each.objects,
                "sizeBytes": each.size,
            }
            for each in total.removed
        ],
        "kept": [
            {"class": row.kind, "reason": row.reason, "objects": row.objects, "sizeBytes": row.size}
            for row in total.kept_rows
        ],
    }
