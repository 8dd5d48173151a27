"""The root file system of a guest's programs: a Debian made of packages, or a disk of the user's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kzram_ci.base.cache import complete
from kzram_ci.base.digest import digest_file, digest_json
from kzram_ci.base.errors import UserError
from kzram_ci.base.memo import memoized_of
from kzram_ci.guest import debian
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.source import apt
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.arch import arch_of
from kzram_ci.model.kernel import RootfsImage
from kzram_ci.model.root import RootKind, RootSpec
from kzram_ci.model.source import DebianSource
from kzram_ci.vm.binary import native

QCOW2 = b"QFI\xfb"
FRAGMENT = "rootdisk"  # what a kernel that is built must be configured with
SUITE = "trixie"


def with_root(rootfs: RootfsImage, spec: RootSpec | None, arch: str, context: KernelContext) -> RootfsImage:
    """The guest's image with the root that a cell wants. Raises UserError, InfraError, Interrupted."""
    if spec is None:
        return rootfs
    ctx = context.begin()
    disk = _made(spec, arch, ctx) if spec.kind is RootKind.DEBIAN else _given(spec)
    with disk.open("rb") as handle:
        kind = "qcow2" if handle.read(len(QCOW2)) == QCOW2 else "raw"
    digest = memoized_of(disk, "sha256", lambda: digest_file(disk), ctx.cache)
    return replace(rootfs, key=digest_json(["root", rootfs.key, digest]), disk=str(disk), disk_format=kind)


def _made(spec: RootSpec, arch: str, context: Context) -> Path:
    if not native(arch_of(arch)):
        raise UserError(f"{spec.words()}: only for the host's own architecture", hint="rootfs: {kind: image, path: …}")
    mirror = apt.mirror_of(DebianSource(package="rootfs", suite=spec.suite))
    archive = debian.Archive(mirror=mirror, keyring=str(apt.KEYRING))
    if not complete(debian.entry_of(spec, arch, context.cache)):
        context.note("rootfs", f"{spec.words()}: made now by mmdebstrap, which takes a minute or two")
    return debian.build(spec, archive, arch=arch, cache=context.cache, deadline=context.deadline)


def _given(spec: RootSpec) -> Path:
    path = Path(spec.path).expanduser().absolute()
    if not path.is_file():
        raise UserError(f"{path} {_no_file(path)}", hint="rootfs: {kind: image, path: disk.qcow2}")
    return path


def _no_file(path: Path) -> str:
    return "is not a disk image" if path.exists() else "does not exist"


def root_of(word: str) -> RootSpec | None:
    """What `boot --root` was given: debian:SUITE+PACKAGE+PACKAGE, or the path of an image. Raises UserError."""
    if not word:
        return None
    kind, _, rest = word.partition(":")
    if kind == RootKind.DEBIAN:
        suite, *packages = rest.split("+")
        return RootSpec(kind=RootKind.DEBIAN, suite=suite or SUITE, packages=tuple(packages))
    path = rest if kind == RootKind.IMAGE else word
    if not (disk := Path(path).expanduser()).is_file():
        raise UserError(f"--root {word}: {path} {_no_file(disk)}", hint="--root debian:trixie+PACKAGE, or a disk")
    return RootSpec(kind=RootKind.IMAGE, path=path)
