"""``python -m ignition_hub.controller``: one replica of the controller."""

import argparse
import sys
from pathlib import Path

from kubernetes.aio.config import ConfigException

from ignition_hub.controller.app import MOST_ENGINES, ControllerSettings, run
from ignition_hub.controller.process.exit_codes import FAILED
from ignition_hub.engine.names import BUILD_NAMESPACE, RELEASE_NAMESPACE
from ignition_hub.kube import event_loop
from ignition_hub.logs import log_as_json


def main() -> int:
    """Read the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(prog="ignition-controller", description="Builds TensorRTEngines.")
    parser.add_argument(
        "--release-namespace", default=RELEASE_NAMESPACE, help="namespace of the hub's Secrets"
    )
    parser.add_argument("--build-namespace", default=BUILD_NAMESPACE, help="namespace of the builder Jobs")
    parser.add_argument("--gateway-url", required=True, help="HTTPS address of the gateway")
    parser.add_argument("--ca-file", type=Path, help="CA certificates that verify the gateway (PEM)")
    parser.add_argument("--token-file", type=Path, help="ServiceAccount token for the gateway")
    parser.add_argument("--health-port", type=int, default=8080, help="port of /healthz, /readyz, /metrics")
    parser.add_argument("--workers", type=int, default=32, help="engines reconciled concurrently")
    parser.add_argument(
        "--max-engines-per-namespace",
        type=int,
        default=MOST_ENGINES,
        help="TensorRTEngines of one namespace that are worked on, the oldest; 0 is no limit",
    )
    parser.add_argument(
        "--rollouts",
        action="store_true",
        help="restart the pods of workloads that ask for it when new engines are ready",
    )
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    arguments = vars(parser.parse_args())
    if not arguments["gateway_url"].startswith("https://"):
        parser.error(
            f"--gateway-url: {arguments['gateway_url']} must start with https://: public keys come from it"
        )
    log_as_json(arguments.pop("log_level"))
    try:
        return event_loop.run(run(ControllerSettings(**arguments)))
    except ConfigException as error:
        print(f"ignition-controller: cannot log in to Kubernetes: {error}", file=sys.stderr)  # noqa: T201
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
