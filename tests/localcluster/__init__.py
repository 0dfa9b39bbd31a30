"""
A real Kubernetes from Go modules, without Docker and without an image registry.

``ControlPlane`` is an API server for tests, needing no root. ``Cluster`` has nodes that run pods; ``up``
starts it, or finds the one that runs. The command line is ``python -m localcluster``.
"""

from localcluster.cluster import Cluster, down, running, status, up
from localcluster.errors import LocalClusterError
from localcluster.standalone import ControlPlane

__all__ = ["Cluster", "ControlPlane", "LocalClusterError", "down", "running", "status", "up"]
