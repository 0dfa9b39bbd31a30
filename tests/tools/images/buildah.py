"""
buildah, with a storage of its own: no daemon, and no image of the machine is touched.

Every call names its storage and its policy, so neither ``/etc/containers`` nor the user's settings matter.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.errors import ImagesError
from images.report import ask, run, step

_MANY_LAYERS = 150
_TRUST_LOCAL_BUILDS = {"default": [{"type": "insecureAcceptAnything"}]}


@dataclass(frozen=True, slots=True)
class Buildah:
    """One storage folder and the driver that works on its file system."""

    storage: Path
    driver: str

    @classmethod
    def open(cls, storage: Path) -> Buildah:
        """Use ``storage`` with the overlay driver, or with plain copies (vfs) where overlays cannot mount."""
        storage.mkdir(parents=True, exist_ok=True)
        (storage / "policy.json").write_text(json.dumps(_TRUST_LOCAL_BUILDS))
        preferred = cls(storage, "overlay")
        return preferred if preferred._works() else cls(storage, "vfs")

    def build(
        self,
        reference: str,
        dockerfile: Path,
        context: Path,
        *,
        target: str | None = None,
        arguments: Mapping[str, str] | None = None,
        mounts: Mapping[Path, str] | None = None,
    ) -> None:
        """Build ``reference``; ``mounts`` are host folders that ``RUN`` steps see read-only."""
        options: list[str] = []
        for name, value in (arguments or {}).items():
            options += ["--build-arg", f"{name}={value}"]
        for folder, inside in (mounts or {}).items():
            options += ["--volume", f"{folder}:{inside}:ro"]
        options += ["--target", target] if target else []
        run(
            [
                *self._signed("build"), "--isolation", "chroot", "--layers", "--pull=false",
                "--format", "docker",
                *options, "--tag", reference, "--file", str(dockerfile), str(context),
            ],
            what=f"building {reference}",
            show=lambda line: "STEP " in line and (" RUN " in line or " FROM " in line),
        )  # fmt: skip

    def has(self, reference: str) -> bool:
        """Whether the storage holds an image of this name."""
        try:
            ask([*self._command("inspect"), "--type", "image", reference])
        except ImagesError:
            return False
        return True

    def tidy(self) -> None:
        """
        Remove untagged layers once there are many.

        They are what makes the next build fast, but nothing else ever removes them, and searching through
        hundreds costs more than building.
        """
        if len(ask([*self._command("images"), "--all", "--quiet"]).split()) > _MANY_LAYERS:
            with step("removing layers of earlier builds"):
                ask([*self._command("rmi"), "--prune", "--force"])

    def forget(self, repository: str) -> None:
        """Remove every tag of a repository; layers that others use stay."""
        found = ask([*self._command("images"), "--format", "{{.Name}}:{{.Tag}}"]).split()
        for reference in found:
            if reference.startswith(f"{repository}:"):
                ask([*self._command("rmi"), "--force", reference])

    def save(self, reference: str, archive: Path) -> None:
        """Write an image to a ``docker-archive`` file."""
        run(
            [*self._signed("push"), "--quiet", reference, f"docker-archive:{archive}:{reference}"],
            what=f"saving {reference}",
        )

    def load(self, archive: Path, reference: str) -> None:
        """Bring an image from an archive into the storage."""
        run(
            [*self._signed("pull"), "--quiet", f"docker-archive:{archive}:{reference}"],
            what=f"loading {archive.name}",
        )

    def push(self, reference: str, destination: str, *, insecure: bool) -> None:
        """Push an image to a registry, with the credentials of ``buildah login`` or ``docker login``."""
        options = ["--tls-verify=false"] if insecure else []
        run(
            [*self._signed("push"), *options, reference, f"docker://{destination}"],
            what=f"pushing {destination}",
            remedy="log in with `buildah login` or `docker login`; --insecure allows a registry without TLS",
        )

    def try_in(self, reference: str, command: Sequence[str]) -> tuple[int, str]:
        """Run ``command`` in a container that is thrown away; return its exit status and all it printed."""
        container = ask([*self._signed("from"), "--pull=never", reference]).strip()
        try:
            words = [*self._command("run"), "--isolation", "chroot", container, "--", *command]
            done = subprocess.run(
                words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300
            )
            return done.returncode, done.stdout
        finally:
            ask([*self._command("rm"), container])

    def _signed(self, verb: str) -> list[str]:
        return [*self._command(verb), "--signature-policy", str(self.storage / "policy.json")]

    def _command(self, verb: str) -> list[str]:
        return [
            "buildah", "--root", str(self.storage / "root"), "--runroot", str(self.storage / "run"),
            "--storage-driver", self.driver, verb,
        ]  # fmt: skip

    def _works(self) -> bool:
        try:
            ask(self._command("info"))
        except ImagesError as error:
            if "not installed" in str(error):
                raise
            return False
        return True
