"""A program of a Debian package with the libraries it needs, of this host or downloaded: nothing is installed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.cache import MANIFEST, entry_in_progress, once
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.context import LOCK_SECONDS, Context
from kzram_ci.kernel.source import apt
from kzram_ci.model.source import DebianSource

# Tools of file systems lie in sbin, which is not in every user's PATH.
PROGRAMS = ("usr/sbin", "sbin", "usr/bin", "bin")
LIBRARIES = ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib64", "lib64", "usr/lib", "lib")
MOST_PACKAGES = 40

Lacking = Callable[[Path], Collection[str]]  # of a directory of unpacked packages: the libraries that are not in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a program was found: below `root` its libraries are too."""

    root: Path
    path: Path
    origin: str  # for people: the package and its version, or this host's


def installed(name: str, root: Path = Path("/")) -> Place | None:
    """The program as it is installed: no network, and the version that the host's owner chose."""
    path = next((path for where in PROGRAMS if (path := root / where / name).is_file()), None)
    return None if path is None else Place(root=root, path=path, origin=f"this host's {path}")


def find_library(root: Path, name: str) -> list[Path]:
    """Files of a library's name below a root; of a path (the dynamic linker), that one, wherever merged."""
    if "/" in name:
        plain = name.strip("/")
        return [path for path in (root / plain, root / "usr" / plain) if path.is_file()]
    return [path for where in LIBRARIES for path in sorted(root.glob(f"{where}/{name}")) if path.is_file()]


def downloaded(name: str, package: str, lacking: Lacking, context: Context, arch: str = "") -> Place:
    """The program from its package, unpacked with the packages that hold its libraries; from the cache, if it is there.

    `arch`: Debian's name of the architecture it is for, "" for this host's.

    Raises UserError (no apt, no such package), InfraError (no network).
    """
    entry = context.cache / "downloads" / f"program-{package}{arch and f'-{arch}'}"
    deadline = context.deadline.within(LOCK_SECONDS)

    def make() -> None:
        with entry_in_progress(entry) as temporary:
            versions = _fetch(name, package, lacking, temporary, context, arch)
            found = installed(name, temporary / "deb")
            if found is None:
                raise UserError(f"{package} {versions[package]} has no {name}", hint="check the name of the package")
            manifest = {"package": package, "versions": versions, "sha256": digest_file(found.path)}
            files.write_json(temporary / MANIFEST, manifest)

    once(entry, make, deadline)
    found = installed(name, entry / "deb")
    if found is None:  # of a package that holds several
        raise UserError(f"{package} has no {name}", hint=f"remove {entry}")
    version = files.read_json(entry / MANIFEST)["versions"][package]
    return Place(root=found.root, path=found.path, origin=f"{package} {version}")


def _fetch(
    name: str, package: str, lacking: Lacking, temporary: Path, context: Context, arch: str
) -> dict[str, str]:  # fmt: skip
    """Unpack a package below `temporary`/deb, and of those it depends on as many as its libraries want."""
    archive, first = _first(package, temporary, context, arch)
    versions, known = {package: first.version}, dict.fromkeys(first.depends)
    while missing := lacking(temporary / "deb"):
        wanted = next_package(sorted(missing)[0], [name for name in known if name not in versions])
        if not wanted or len(versions) >= MOST_PACKAGES:
            raise InfraError(f"{name}: no package that {package} depends on holds {', '.join(sorted(missing))}")
        try:
            control = archive.unpack(wanted)
        except apt.NoPackage:  # a virtual one
            known.pop(wanted)
            continue
        versions[wanted] = control.version
        known |= dict.fromkeys(control.depends)
    shutil.rmtree(temporary / "apt", ignore_errors=True)
    shutil.rmtree(temporary / "deb" / "usr" / "share", ignore_errors=True)
    return versions


def _first(package: str, temporary: Path, context: Context, arch: str) -> tuple[apt.Archive, apt.Control]:
    """The package itself, from the host's own suites or the first other one: not every release has every architecture.

    Raises what went wrong first, where no suite gives it: a mirror that failed before a package that is not there.
    """
    failed: list[UserError | InfraError] = []
    for suite in ("", *apt.elsewhere()):
        try:
            archive = apt.Archive(DebianSource(package=package, suite=suite), temporary, context, arch)
            return archive, archive.unpack(package)
        except (apt.NoPackage, InfraError) as error:
            failed.append(error)
            shutil.rmtree(temporary / "apt", ignore_errors=True)
    raise next((error for error in failed if isinstance(error, InfraError)), failed[0])


def next_package(library: str, names: Collection[str]) -> str:
    """The package most likely to hold a library, of those depended on; "" when there is none.

    Debian names packages by the libraries' names and versions: libuuid.so.1 is in libuuid1, libcom_err.so.2 in
    libcom-err2, libext2fs.so.2 in libext2fs2 or, since the change of time_t, libext2fs2t64.
    """
    base, _, version = library.rpartition("/")[2].lower().replace("_", "-").partition(".so")
    number = version.strip(".")
    joined = f"{base}-{number}" if base[-1:].isdigit() else f"{base}{number}"
    likely = (f"{joined}", f"{joined}t64", "libc6" if base.startswith(("ld-", "libc", "libm", "libpthread")) else "")
    near = [name for name in names if re.sub(r"[0-9.]+(t64)?$", "", name) == base]
    return next((name for name in (*likely, *near, *names) if name in names), "")
