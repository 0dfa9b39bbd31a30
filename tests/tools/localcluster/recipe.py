"""
What a local cluster is made of: every program, its version and how Go makes it.

Pure data. ``build`` turns it into files; its hash names the folder they land in, so that changing
a version or a line of Go builds anew, and going back finds the earlier binaries again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

KUBERNETES_VERSION = "1.36.3"
GO_VERSION = (1, 26)
GO_SOURCES = Path(__file__).parent / "go"

_VERSION_PACKAGE = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")


@dataclass(frozen=True, slots=True)
class Component:
    """One binary: a package of our own Go module (``./…``) or ``package@version`` of somebody else's."""

    name: str
    package: str
    variables: tuple[tuple[str, str], ...] = ()
    """Linker variables (``-X``): without them a server reports v0.0.0 as its version."""
    aliases: tuple[str, ...] = ()
    """Further names of the same file; a multi-call binary acts as the program it is called by."""

    @property
    def is_ours(self) -> bool:
        """Whether the package lives in ``tests/tools/localcluster/go``."""
        return self.package.startswith("./")

    @property
    def linker_flags(self) -> str:
        """The value of ``-ldflags``."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)])


KUBERNETES = Component(
    "kubernetes",
    "./.",
    variables=(
        (f"{_VERSION_PACKAGE}.gitVersion", f"v{KUBERNETES_VERSION}"),
        (f"{_VERSION_PACKAGE}.gitMajor", _MAJOR),
        (f"{_VERSION_PACKAGE}.gitMinor", _MINOR),
    ),
    aliases=(
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
        "kubelet",
        "kube-proxy",
    ),
)

_CONTAINERD = "github.com/containerd/containerd/v2"
_CONTAINERD_VERSION = (f"{_CONTAINERD}/version.Version", "v2.2.1")

COMPONENTS: tuple[Component, ...] = (
    KUBERNETES,
    Component("pause", "./pause"),
    Component("gpu-standins", "./gpustandins"),
    Component("containerd", f"{_CONTAINERD}/cmd/containerd@v2.2.1", variables=(_CONTAINERD_VERSION,)),
    Component(
        "containerd-shim-runc-v2",
        f"{_CONTAINERD}/cmd/containerd-shim-runc-v2@v2.2.1",
        variables=(_CONTAINERD_VERSION,),
    ),
    Component("ctr", f"{_CONTAINERD}/cmd/ctr@v2.2.1", variables=(_CONTAINERD_VERSION,)),
    Component(
        "helm",
        "helm.sh/helm/v4/cmd/helm@v4.2.4",
        variables=(("helm.sh/helm/v4/internal/version.version", "v4.2.4"),),
    ),
    Component(
        "versitygw",
        "github.com/versity/versitygw/cmd/versitygw@v1.7.0",
        variables=(("main.Version", "v1.7.0"),),
    ),
    Component("coredns", "github.com/coredns/coredns@v1.13.1"),
)

SETS: dict[str, tuple[str, ...]] = {
    "control-plane": ("kubernetes",),
    "cluster-tests": ("kubernetes", "helm", "versitygw"),
    "all": tuple(component.name for component in COMPONENTS),
}


def components_of(set_name: str) -> tuple[Component, ...]:
    """The components of a set, in the order in which they are built."""
    return tuple(component for component in COMPONENTS if component.name in SETS[set_name])


def recipe_hash(components: Iterable[Component] = COMPONENTS, sources: Path = GO_SOURCES) -> str:
    """Twelve hex digits over every component and every file of our Go module."""
    digest = hashlib.sha256()
    for component in components:
        digest.update(repr(component).encode())
    for path in sorted(path for path in sources.rglob("*") if path.suffix in {".go", ".mod", ".sum"}):
        digest.update(str(path.relative_to(sources)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
