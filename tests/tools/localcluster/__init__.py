"""
A real Kubernetes from Go modules, without Docker and without an image registry.

``ControlPlane`` is an API server for tests, needing no root. ``Cluster`` has nodes that run pods; ``up``
starts it, or finds the one that runs. The command line is ``python -m localcluster``.

Read ``recipe`` and ``build`` (which programs, made how), ``control_plane`` and ``standalone`` (an API
server alone), then ``starting`` (a cluster with nodes, step by step) and ``cluster`` (it as a whole).
``starting`` goes through ``namespaces``, ``network``, ``node``, ``dns``, ``images`` and ``fake_gpus``;
``state`` remembers what runs, and ``processes`` and ``cgroups`` end it. ``toolchain`` and ``packages`` are
what the machine must have.
"""

from localcluster.cluster import Cluster, down, running, status, up
from localcluster.errors import LocalClusterError
from localcluster.standalone import ControlPlane

__all__ = ["Cluster", "ControlPlane", "LocalClusterError", "down", "running", "status", "up"]
