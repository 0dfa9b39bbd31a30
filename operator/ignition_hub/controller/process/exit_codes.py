"""How the process ends, other than with 0: that follows SIGTERM, once the Lease was handed back."""

FAILED = 1
"""The login to the API server does not work, or a watch or the election cannot go on; the log says why."""
USAGE = 2
"""A flag is missing, unknown or malformed; standard error names it."""
