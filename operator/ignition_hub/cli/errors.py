"""
What ends a command: one line on standard error, and an exit code that scripts can tell apart. ::

    CliError          1   what was asked for is wrong, or the hub refused it: the same call fails again
    `- Unreachable    3   the cluster or the gateway did not answer: try again
"""

REFUSED = 1
UNREACHABLE = 3


class CliError(Exception):
    """The command cannot be carried out; the message says why and what would work."""

    exit_code = REFUSED


class Unreachable(CliError):
    """The cluster or the gateway did not answer."""

    exit_code = UNREACHABLE
