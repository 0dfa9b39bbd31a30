"""``python -m ignition_hub.bootstrap keys`` and ``… authority``: what two hooks of the chart run."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from kubernetes.aio.config import ConfigException

from ignition_hub.bootstrap.authority import publish_authority
from ignition_hub.bootstrap.exit_codes import FAILED
from ignition_hub.bootstrap.keys import Wanted, make_missing_keys
from ignition_hub.kube import Kube, KubeError
from ignition_hub.logs import log_as_json

log = logging.getLogger("ignition_hub.bootstrap")

Work = Callable[[Kube], Awaitable[None]]


def main() -> int:
    """Do what the command says; return the exit code, for which the Job tries again."""
    work = work_of(sys.argv[1:])
    log_as_json()
    try:
        asyncio.run(_run(work))
    except (ConfigException, KubeError, OSError, TypeError, ValueError) as error:
        log.error("failed: %s", error)  # noqa: TRY400  # the words are enough
        return FAILED
    return 0


def work_of(arguments: Sequence[str]) -> Work:
    """Return the work that a command line asks for; exit with usage when it asks for none."""
    parser = argparse.ArgumentParser(prog="python -m ignition_hub.bootstrap", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    keys = commands.add_parser("keys", help="create the Secrets that do not exist yet")
    keys.add_argument("--namespace", required=True)
    for name in ("signing-key", "store-keys", "authority", "certificate", "node-cache-certificate"):
        keys.add_argument(f"--{name}", default="", help="name of the Secret; default: none is created")
    keys.add_argument("--host", action="append", dest="hosts", default=[], help="name of the gateway")
    keys.add_argument("--node-cache-host", default="", help="name of the node cache")
    authority = commands.add_parser("authority", help="publish the authority's certificate")
    for name in ("namespace", "build-namespace", "webhook"):
        authority.add_argument(f"--{name}", required=True)
    given = vars(parser.parse_args(arguments))
    if given.pop("command") == "authority":
        return lambda kube: publish_authority(kube, **given)
    if given["certificate"] and not (given["authority"] and given["hosts"]):
        keys.error("--certificate needs --authority, which signs it, and --host")
    if given["node_cache_certificate"] and not (given["authority"] and given["node_cache_host"]):
        keys.error("--node-cache-certificate needs --authority, which signs it, and --node-cache-host")
    wanted = Wanted(**given | {"hosts": tuple(given["hosts"])})
    return lambda kube: make_missing_keys(kube, wanted, datetime.now(UTC))


async def _run(work: Work) -> None:
    kube = await Kube.connect()
    try:
        await work(kube)
    finally:
        await kube.close()


if __name__ == "__main__":
    sys.exit(main())
