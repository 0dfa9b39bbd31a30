"""The command line: ``python -m localcluster COMMAND``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from localcluster import cluster
from localcluster.build import build
from localcluster.errors import LocalClusterError
from localcluster.gpu_nodes import NODE_MODELS
from localcluster.packages import install_missing, of_browser, of_nodes
from localcluster.recipe import SETS

PACKAGES: Mapping[str, Callable[[], tuple[str, ...]]] = {"nodes": of_nodes, "browser": of_browser}


def parser() -> argparse.ArgumentParser:
    """Every command and its options."""
    root = argparse.ArgumentParser(
        prog="localcluster", description="A real Kubernetes from Go modules, without Docker or a registry."
    )
    commands = root.add_subparsers(dest="command", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], None], what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(run=run)
        return added

    building = command("build", _build, "build what is missing, once; print the folder of the binaries")
    building.add_argument("--set", choices=sorted(SETS), default="all")
    building.add_argument("--jobs", type=int, help="packages compiled at once (default: one per core)")
    installing = command("packages", _packages, "install the Debian packages that are missing (root)")
    installing.add_argument("--set", choices=sorted(PACKAGES), default="nodes")
    starting = _named(command("up", _up, "start a cluster with nodes, unless it runs (root)"))
    starting.add_argument("--nodes", type=int, default=len(NODE_MODELS))
    _named(command("down", _down, "stop it and remove everything of it (root)"))
    asking = _named(command("status", _status, "say what runs"))
    asking.add_argument("-o", "--output", choices=["text", "json"], default="text")
    _named(command("kubeconfig", _kubeconfig, "print the path of the administrator's kubeconfig"))
    loading = _named(command("load", _load, "put image files (docker-archive) into every node"))
    loading.add_argument("images", nargs="+", type=Path, metavar="IMAGE.tar")
    entering = _named(command("exec-node", _exec_node, "run a command in a node's namespaces"))
    entering.add_argument("node")
    entering.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    given = parser().parse_args(arguments)
    try:
        given.run(given)
    except LocalClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _named(added: argparse.ArgumentParser) -> argparse.ArgumentParser:
    added.add_argument("--name", default=cluster.DEFAULT_NAME, help="of the cluster (default: %(default)s)")
    return added


def _build(given: argparse.Namespace) -> None:
    print(build(given.set, jobs=given.jobs))


def _packages(given: argparse.Namespace) -> None:
    missing = install_missing(PACKAGES[given.set]())
    print(f"installed: {' '.join(missing)}" if missing else "everything was installed")


def _up(given: argparse.Namespace) -> None:
    started = cluster.up(given.name, nodes=given.nodes)
    print(f"export KUBECONFIG={started.kubeconfig}")


def _down(given: argparse.Namespace) -> None:
    print("stopped and removed" if cluster.down(given.name) else "nothing was running")


def _status(given: argparse.Namespace) -> None:
    found = cluster.status(given.name)
    print(json.dumps(found, indent=2) if given.output == "json" else status_text(found))


def status_text(found: dict[str, Any]) -> str:
    """The status for people."""
    lines = [f"{found['name']}: {found['state']}"]
    if found["state"] != "Stopped":
        lines += [f"server      {found['server']}", f"kubeconfig  {found['kubeconfig']}"]
        lines += [
            f"node        {name} {'Ready' if ok else 'NotReady'}" for name, ok in found["nodes"].items()
        ]
        lines += [f"dead        {name}" for name in found["dead"]]
    return "\n".join(lines)


def _kubeconfig(given: argparse.Namespace) -> None:
    print(cluster.running(given.name).kubeconfig)


def _load(given: argparse.Namespace) -> None:
    print("\n".join(cluster.running(given.name).load(given.images)))


def _exec_node(given: argparse.Namespace) -> None:
    words = given.words[1:] if given.words[:1] == ["--"] else given.words
    cluster.enter_node(given.name, given.node, words)
