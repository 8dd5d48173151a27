"""A distribution's packages: linux-source-X.Y to build from, linux-image-* to boot without a build."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kzram_ci.base import clock, files, proc
from kzram_ci.base.cache import MANIFEST, complete, entry_in_progress, once
from kzram_ci.base.digest import digest_bytes, digest_file
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.base.memo import memoized_of
from kzram_ci.kernel.context import LOCK_SECONDS, Context
from kzram_ci.kernel.source import apt
from kzram_ci.model.kernel import ArchiveTree
from kzram_ci.model.source import DebianSource, ImageSource

INSTALLED = Path("/usr/src")
_PACKAGE = re.compile(r"linux-(source-[0-9][0-9.]*|image-[a-z0-9][a-z0-9.+~-]*)")
# Since 7.x the image lies beside its modules, and installing it copies it to /boot.
_IMAGES = ("boot/vmlinu[xz]-*", "usr/lib/modules/*/vmlinu[xz]")
_OLD_DAYS = 30
_refreshed: set[Path] = set()  # by this process: kernels of one plan share a source


def source(ref: DebianSource, context: Context) -> ArchiveTree:
    """The installed package first: no network, and the version its owner chose. Downloads stay until removed."""
    _check(ref)
    if (archive := _installed(ref)) is not None:
        return _tree(ref, archive, context, lambda: _installed_version(ref, context))
    entry, manifest = _have(ref, context)
    return _tree(ref, entry / manifest["archive"], context, lambda: str(manifest["version"]))


def image(ref: DebianSource, context: Context) -> ImageSource:
    """A linux-image package, unpacked: where its image is. A metapackage gives the one it stands for."""
    _check(ref)
    entry, manifest = _have(ref, context)
    return ImageSource(path=str(entry / manifest["image"]))


def is_local(ref: DebianSource, context: Context) -> bool:
    """Whether the package needs no network."""
    return _installed(ref) is not None or complete(_entry(ref, context.cache))


def _check(ref: DebianSource) -> None:
    if not _PACKAGE.fullmatch(ref.package):
        hint = "package: linux-source-6.12 or linux-image-cloud-amd64, for instance"
        raise UserError(f"{ref.package!r} is neither a source nor an image package", hint=hint)


def _installed(ref: DebianSource) -> Path | None:
    """The package's tar file on this host. A suite in the plan asks for that suite's version: no shortcut."""
    path = INSTALLED / f"{ref.package}.tar.xz"
    return path if not ref.suite and path.is_file() else None


def _installed_version(ref: DebianSource, context: Context) -> str:
    done = proc.run(("dpkg-query", "-W", "-f=${Version}", ref.package), deadline=context.deadline, check=False)
    if done.code or not done.text():
        raise UserError(
            f"{INSTALLED}/{ref.package}.tar.xz belongs to no installed package",
            hint=f"sudo apt-get install --reinstall {ref.package}, or remove the file",
        )
    return done.text()


def _tree(ref: DebianSource, archive: Path, context: Context, version: Callable[[], str]) -> ArchiveTree:
    def ask() -> dict[str, str]:
        return {"version": version(), "sha256": digest_file(archive)}

    known = memoized_of(archive, "debian", ask, context.cache)
    return ArchiveTree(
        identity=f"debian:{ref.package}:{known['version']}:{known['sha256']}",
        version=known["version"],
        archive=str(archive),
        source=ref.words(),
    )


def _entry(ref: DebianSource, cache: Path) -> Path:
    place = f"-{digest_bytes(ref.mirror.encode())[:8]}" if ref.mirror else ""
    return cache / "downloads" / f"debian-{ref.package}-{ref.suite or 'host'}{place}"


def _have(ref: DebianSource, context: Context) -> tuple[Path, dict[str, Any]]:
    """The downloaded package and what is known of it; asked for anew at most once in a process."""
    entry = _entry(ref, context.cache)

    def make() -> None:
        _download(ref, entry, context)
        _refreshed.add(entry)

    deadline = context.deadline.within(LOCK_SECONDS)
    once(entry, make, deadline, stale=lambda: context.refresh and entry not in _refreshed)
    manifest: dict[str, Any] = files.read_json(entry / MANIFEST)
    age = (clock.now_utc() - clock.parse_utc(manifest["fetched"])).days
    if age >= _OLD_DAYS:
        context.note(ref.package, f"{manifest['version']}, {age} days old; --refresh asks for a newer one")
    return entry, manifest


def _download(ref: DebianSource, entry: Path, context: Context) -> None:
    with entry_in_progress(entry) as temporary:
        fetched = _fetch(ref, temporary, context)
        unpack = _keep_image if ref.ready else _keep_archive
        manifest = {
            "package": fetched.package,
            "version": fetched.version,
            "fetched": clock.now_utc().isoformat(timespec="seconds"),
            **unpack(fetched, temporary),
        }
        shutil.rmtree(temporary / "apt")
        files.write_json(temporary / MANIFEST, manifest)
        context.note(ref.package, f"{fetched.package} {fetched.version}")
        shutil.rmtree(entry, ignore_errors=True)  # an older download


def _fetch(ref: DebianSource, scratch: Path, context: Context) -> apt.Fetched:
    """From what the host's apt has; a source that is not there, from the suites of Debian that may have it."""
    if ref.mirror and not ref.suite:
        raise UserError(f"{ref.words()} has a mirror and no suite", hint="`suite:` says which part of the mirror")
    try:
        return apt.download(ref, scratch, context)
    except apt.NoPackage as error:
        for suite in () if ref.suite or ref.ready else apt.elsewhere():
            context.note(ref.package, f"not in this host's apt sources; looking in Debian's {suite}")
            shutil.rmtree(scratch / "apt")
            try:
                return apt.download(dataclasses.replace(ref, suite=suite), scratch, context)
            except apt.NoMirror as unknown:
                raise UserError(f"{error.message}, and no Debian mirror is known", hint=unknown.hint) from error
            except (apt.NoPackage, InfraError):
                continue
        raise error


def _keep_archive(fetched: apt.Fetched, temporary: Path) -> dict[str, str]:
    archive = fetched.root / "usr" / "src" / f"{fetched.package}.tar.xz"
    if not archive.is_file():
        raise InfraError(f"{fetched.package} {fetched.version} holds no usr/src/{archive.name}")
    shutil.move(archive, temporary / archive.name)
    shutil.rmtree(fetched.root)
    return {"archive": archive.name}


def _keep_image(fetched: apt.Fetched, temporary: Path) -> dict[str, str]:
    """Leave the package as it unpacks: image, config and modules lie as on a system that has it installed."""
    images = [path for pattern in _IMAGES for path in sorted(fetched.root.glob(pattern))]
    if len(images) != 1:
        why = "an image package of one kernel is wanted" if images else "it holds no vmlinuz"
        raise UserError(f"{fetched.package} {fetched.version}: {why}", hint="apt-cache search '^linux-image-'")
    shutil.rmtree(fetched.root / "usr" / "share", ignore_errors=True)
    return {"image": str(images[0].relative_to(temporary))}
