"""``python -m ignition_hub.fetch``: the entry point of the fetcher image."""

import os

from ignition_hub.fetch.app import main

if __name__ == "__main__":
    raise SystemExit(main(os.environ))
