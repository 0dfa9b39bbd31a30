"""
The entry of ``ignition`` and ``kubectl ignition``: load the program, and say in a line why it cannot be.

What the program is made of takes a moment to load and may not be installed; neither a missing package nor a
Ctrl-C in that moment is a traceback.
"""

import sys

from ignition_hub.cli.errors import INTERRUPTED, REFUSED


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        # Here and not above: without the extra there is no typer to import.
        from ignition_hub.cli import app  # noqa: PLC0415

        return app.main()
    except ModuleNotFoundError as error:
        if (error.name or "ignition_hub").partition(".")[0] == "ignition_hub":
            raise
        sys.stderr.write(f"error: {error.name} is not installed: pip install 'ignition-hub[cli]'\n")
        return REFUSED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
