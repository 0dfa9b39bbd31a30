"""
``python -m ignition_hub.retention``: one run in a pod, with the pod's own token; the chart's CronJob.

It holds no other right than the verb ``prune`` on EngineStores. Each page is one line of the log; the exit
code is 0 when the whole store was looked at, else ``INCOMPLETE``.
"""

import argparse
import http.client
import json
import logging
import os
import ssl
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.names import TOKEN_FILE
from ignition_hub.logs import log_as_json
from ignition_hub.retention.documents import PruneRequest, Total
from ignition_hub.retention.run import CALL_SECONDS, PATH, run
from ignition_hub.wire.address import Address, tls_context
from ignition_hub.wire.outcomes import Transient, explained
from ignition_hub.wire.response import GatewayResponse
from ignition_hub.wire.token import read_token

INCOMPLETE = 1
"""The gateway refused, or did not answer: the next run does the rest."""
LARGEST_ANSWER = 16 * 1024 * 1024

log = logging.getLogger("ignition_hub.retention")


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway as a pod reaches it: ``token`` is read for every request, for the kubelet renews it."""

    address: Address
    tls: ssl.SSLContext
    token: Path

    def ask(self, request: PruneRequest) -> GatewayResponse:
        """Send one request; Transient when no whole answer came."""
        connection = self.address.connection(self.tls, CALL_SECONDS)
        try:
            headers = {
                "Authorization": f"Bearer {read_token(self.token)}",
                "Content-Type": "application/json",
            }
            connection.request("POST", PATH, body=json.dumps(request.to_json()).encode(), headers=headers)
            response = connection.getresponse()
            return GatewayResponse.of(response.status, response.read(LARGEST_ANSWER))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Transient(f"{self.address.place} cannot be asked: {explained(error)}") from error
        finally:
            connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run once; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ignition_hub.retention", description=__doc__)
    parser.add_argument("--gateway", required=True, help="URL of the gateway")
    parser.add_argument("--ca-file", type=Path, required=True, help="CA certificates (PEM) of the gateway")
    parser.add_argument("--token-file", type=Path, default=Path(TOKEN_FILE), help="the pod's token")
    parser.add_argument("--dry-run", action="store_true", help="report what would be removed")
    given = parser.parse_args(arguments)
    log_as_json()
    try:
        tls = tls_context(given.ca_file.read_text(encoding="ascii"), only=True)
        gateway = Gateway(Address.of(given.gateway), tls, given.token_file)
        total = run(gateway.ask, dry_run=given.dry_run, watch=_tell)
    except (IgnitionError, OSError, ValueError) as error:
        log.error("the store was not looked at to its end: %s", error)  # noqa: TRY400  # the words are enough
        return INCOMPLETE
    for row in total.removed_rows:
        log.info("would be removed" if given.dry_run else "removed", extra=asdict(row))
    for row in total.kept_rows:
        log.info("kept", extra=asdict(row))
    return os.EX_OK


def _tell(total: Total) -> None:
    log.info("looked at", extra={"objects": total.looked_at, "removed": len(total.removed)})


if __name__ == "__main__":
    sys.exit(main())
