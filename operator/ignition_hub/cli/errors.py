"""
What ends a command: one line on standard error, and an exit code that scripts can tell apart. ::

    CliError          1   what was asked for is wrong, or the hub refused it: the same call fails again
    `- Unreachable    3   the cluster or the gateway did not answer: try again
"""

REFUSED = 1
"""Permanent failure, or the answer is no: the same call ends the same way."""
USAGE = 2
"""Usage error: an option or argument is missing, unknown or malformed."""
UNREACHABLE = 3
"""Temporary failure: the cluster, the gateway or the bucket did not answer; retry."""
INTERRUPTED = 130
"""Interrupted with Ctrl-C; no half-written file is left."""
TERMINATED = 143
"""SIGTERM while an engine was built; no half-written file is left."""


class CliError(Exception):
    """The command cannot be carried out; the message says why and what would work."""

    exit_code = REFUSED


class Unreachable(CliError):
    """The cluster or the gateway did not answer."""

    exit_code = UNREACHABLE
