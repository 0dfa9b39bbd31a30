"""
A real Kubernetes from Go modules, without Docker and without an image registry.

``ControlPlane`` is an API server for tests, needing no root. ``Cluster`` has nodes that run pods.
The command line is ``python -m localcluster``.
"""

from localcluster.errors import LocalClusterError
from localcluster.standalone import ControlPlane

__all__ = ["ControlPlane", "LocalClusterError"]
