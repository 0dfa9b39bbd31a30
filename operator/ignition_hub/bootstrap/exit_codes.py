"""How both programs end, other than with 0: that says that all is there."""

FAILED = 1
"""The API server refused or did not answer, or what exists cannot be used; the log says which."""
USAGE = 2
"""A flag is missing, unknown or malformed; standard error names it."""
