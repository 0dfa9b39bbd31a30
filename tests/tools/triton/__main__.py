"""``python -m triton build``: fetch Triton's server and schema, if they are not there, and print where."""

from __future__ import annotations

from build_command import run
from triton.building import build

if __name__ == "__main__":
    run("triton", __doc__, build)
