"""How the process ends, other than with 0: that follows SIGTERM, once running requests are answered."""

CRASHED = 1
"""A defect: the log has the traceback."""
CANNOT_START = 2
"""A flag, a key, a certificate, a port or the login to the API server cannot be used; the log says which."""
