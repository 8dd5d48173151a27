"""The root file system that a guest's programs see, where that is not our initramfs. Pure."""

from __future__ import annotations

from enum import StrEnum

from kzram_ci.base.values import dataclass

SERIAL = "kzram-root"  # by it init finds the disk, whatever its name


class RootKind(StrEnum):
    """Where it comes from."""

    DEBIAN = "debian"  # made here, of packages
    IMAGE = "image"  # the user's own disk


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSpec:
    """One root file system. suite, packages: of Debian; path: of an image."""

    kind: RootKind
    suite: str = ""
    packages: tuple[str, ...] = ()
    path: str = ""
    ssh_port: int = 0  # of the host's loopback, forwarded to the guest's sshd; 0: no network

    def words(self) -> str:
        """As on the command line."""
        if self.kind is RootKind.IMAGE:
            return f"image:{self.path}"
        return "+".join((f"debian:{self.suite}", *self.packages))
