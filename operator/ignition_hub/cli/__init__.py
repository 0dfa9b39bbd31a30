"""
The command line: ``ignition`` and, as a plugin, ``kubectl ignition``.

It talks to the cluster through the user's own kubectl, so contexts, logins and plugins work as they do there.
"""
