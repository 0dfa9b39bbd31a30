"""
For which namespaces a pool builds what no specification asks for, and how much: its ``spec.autoBuild``. Pure.

The controller asks when a pod runs on a GPU that no target of its TensorRTEngine serves
(``controller/policy/added_targets.py``).
"""

from dataclasses import dataclass

from ignition_hub.compatibility.tenants import EVERY_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoBuild:
    """What ``spec.autoBuild`` says; ``keep_unneeded`` in seconds."""

    namespaces: frozenset[str]
    max_targets_per_namespace: int
    max_targets: int
    keep_unneeded: float

    def admits(self, namespace: str) -> bool:
        """Tell whether targets are added to TensorRTEngines of ``namespace``."""
        return namespace in self.namespaces or EVERY_NAMESPACE in self.namespaces
