"""``python -m ignition_builder``: build what the gateway says this pod is for."""

import os
import sys

from ignition_builder.app import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
