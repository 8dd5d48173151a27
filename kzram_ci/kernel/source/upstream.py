"""What stands in for a package of Debian's where there is no apt: kernel.org's release of that line."""

from __future__ import annotations

import shutil

from kzram_ci.model.source import DebianSource, RemoteTarball

_KERNEL_ORG = "https://cdn.kernel.org/pub/linux/kernel"
# The first release of a line: its digest is in kernel.org's signed list (sha256sums.asc), and it stays.
RELEASES = {
    "linux-source-6.12": RemoteTarball(
        url=f"{_KERNEL_ORG}/v6.x/linux-6.12.tar.xz",
        sha256="b1a2562be56e42afb3f8489d4c2a7ac472ac23098f1ef1c1e40da601f54625eb",
    ),
}


def has_apt() -> bool:
    """Whether packages of Debian's can be fetched."""
    return shutil.which("apt-get") is not None


def stand_in(ref: DebianSource) -> RemoteTarball | None:
    """The release, where apt cannot be asked and the plan does not insist on a suite; None where apt is there."""
    if ref.suite or ref.mirror or has_apt():
        return None
    return RELEASES.get(ref.package)
