"""``python -m demo``: the whole path of an engine, on a real Kubernetes, told step by step."""

import argparse
import sys

from demo.story import tell
from installation.kubectl import KubectlError


def main() -> int:
    """Parse the arguments and tell the story; 0 when every step showed what it promised."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--cluster", choices=("local", "current"), default="local")
    parser.add_argument("--image-registry", help="where the current cluster pulls the images from")
    arguments = parser.parse_args()
    if arguments.cluster == "current" and not arguments.image_registry:
        parser.error("CLUSTER=current needs IMAGE_REGISTRY: a registry that your nodes can pull from")
    try:
        tell(arguments.image_registry if arguments.cluster == "current" else None)
    except (KubectlError, TimeoutError, RuntimeError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped; `make demo` continues, `make cluster-down` cleans up", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
