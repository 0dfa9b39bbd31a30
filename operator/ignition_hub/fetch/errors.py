"""How the fetcher fails: the contract's reasons with the fetcher's own column of exit codes."""

from ignition_hub.engine.errors import IgnitionError, exit_code_of


class FetchError(IgnitionError):
    """The engine cannot be put into the pod, for a reason of ``engine/errors.py``."""

    @property
    def exit_code(self) -> int:
        """The exit code of the init container, 40 to 50."""
        return exit_code_of(self.reason, "fetcher")
