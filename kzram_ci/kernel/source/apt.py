"""Packages of a Debian archive by an apt with its own state: verified as any other, nothing installed, no root."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from kzram_ci.base import needs, proc
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.source import aptsources
from kzram_ci.model.arch import ARCHS
from kzram_ci.model.source import DebianSource

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ETC = Path("/etc/apt")
VARIABLE = "KZRAM_DEBIAN_MIRROR"
# What an image package may be split into; of these the one with the same version is needed too.
_PART = re.compile(r"linux-(?:image|modules|binary)-[0-9][a-z0-9.+~-]*")
# The mirror's index names what the mirror does not have yet, or has no longer.
_BEHIND = re.compile(r".*(?:\b404\b.*Not Found|Mirror sync in progress|unexpected size|Hash Sum mismatch).*")
_LATER = "the mirror is being updated: try again in an hour, or with another mirror in the apt sources"
_NAMES = re.compile(r"(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]+)")  # of a field of dependencies


class NoPackage(UserError):
    """The archive has no package of this name."""


class NoMirror(UserError):
    """No Debian mirror is known on this host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was downloaded: the package that holds the content, its version, and all files unpacked below `root`."""

    package: str
    version: str
    root: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a package says of itself: its version, and what it depends on, alternatives after each other."""

    version: str
    depends: tuple[str, ...] = ()


class Archive:
    """An archive whose lists are fetched; packages are unpacked below `scratch`/deb."""

    def __init__(self, ref: DebianSource, scratch: Path, context: Context, arch: str = "") -> None:
        """Fetch the lists, of an architecture by Debian's name ("": this host's).

        Raises UserError (no apt), InfraError (no network).
        """
        fix = f"--kernel git:PATH@REF, or tarball:https://cdn.kernel.org/…#sha256=…: {ref.words()} needs apt"
        self.root = scratch / "deb"
        self._ref, self._scratch, self._context = ref, scratch, context
        self._apt = (proc.which("apt-get", fix=fix), *_options(scratch / "apt", ref, arch))
        self._complaints = _run((*self._apt, "update"), ref, scratch, context)

    def unpack(self, name: str) -> Control:
        """Fetch and unpack one package. Raises NoPackage, InfraError."""
        self._context.note(self._ref.package, f"downloading {name} by apt")
        _run((*self._apt, "download", name), self._ref, self._scratch, self._context, earlier=self._complaints)
        debs = sorted(self._scratch.glob("*.deb"))
        if len(debs) != 1:
            raise InfraError(f"apt-get download {name} left {len(debs)} files")
        proc.run(("dpkg-deb", "-x", str(debs[0]), str(self.root)), deadline=self._context.deadline)
        needed = ", ".join(_field(debs[0], field, self._context) for field in ("Pre-Depends", "Depends"))
        version = _field(debs[0], "Version", self._context)
        debs[0].unlink()
        return Control(version=version, depends=tuple(dict.fromkeys(_NAMES.findall(needed))))


def download(ref: DebianSource, scratch: Path, context: Context) -> Fetched:
    """Fetch a package, and what a metapackage stands for, and unpack it below `scratch`.

    Raises NoPackage, UserError (no apt), InfraError (no network).
    """
    archive = Archive(ref, scratch, context, _foreign(ref))
    fetched = Fetched(package=ref.package, version="", root=archive.root)
    todo, seen = [ref.package], set[str]()
    while todo:
        name = todo.pop(0)
        seen.add(name)
        control = archive.unpack(name)
        if not fetched.version or name.startswith("linux-image-"):
            fetched = Fetched(package=name, version=control.version, root=fetched.root)
        if ref.ready:
            parts = [part for part in control.depends if _PART.fullmatch(part)]
            todo += [part for part in parts if part not in seen and part not in todo]
    return fetched


def _foreign(ref: DebianSource) -> str:
    """The architecture in the name of a ready kernel's package (linux-image-arm64-16k), where not this host's."""
    words = ref.package.split("-") if ref.ready else ()
    others = (row for row in ARCHS if platform.machine() not in row.uname)
    return next((row.debian for row in others if (row.flavour or row.debian) in words), "")


def elsewhere() -> tuple[str, ...]:
    """Suites of Debian that may hold a source package when this host's own apt sources do not.

    A minimal system names only its release; newer long-term kernels come with its security updates and backports.
    """
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    code = system.get("VERSION_CODENAME", "") if system.get("ID") == "debian" else ""
    own = (f"{code}-security", f"{code}-backports") if code else ()
    return tuple(dict.fromkeys((*own, "trixie-security", "trixie")))


def _field(deb: Path, name: str, context: Context) -> str:
    return proc.run(("dpkg-deb", "-f", str(deb), name), deadline=context.deadline).text().strip()


def _options(root: Path, ref: DebianSource, arch: str = "") -> tuple[str, ...]:
    """The host's apt settings (mirrors, proxies, keys) with state and caches of our own."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (root / name).mkdir(parents=True)
    settings = {
        "Dir::State": root / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": root / "cache",
        "APT::Sandbox::User": "root",  # everything here is ours: no need for another user's rights
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    if arch:
        settings |= {"APT::Architecture": arch, "APT::Architectures": arch}
    if ref.suite:
        sources = root / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror_of(ref)} {ref.suite} main\n")
        settings |= {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-"}
    return ("-qq", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")))


def mirror_of(ref: DebianSource) -> str:
    """Where a suite comes from: as the plan says, else the environment, else beside the host's own suites.

    Raises NoMirror, UserError.
    """
    if not KEYRING.is_file():
        raise UserError(f"{KEYRING} is missing", hint=needs.advice(str(KEYRING)))
    given = ref.mirror.split() or os.environ.get(VARIABLE, "").split()
    if wrong := [uri for uri in given if not aptsources.is_uri(uri)]:
        raise UserError(f"{wrong[0]!r} is not the URL of a mirror", hint=f"{VARIABLE}=http://HOST/debian")
    if found := aptsources.choose(given, ref.suite) or aptsources.mirror_for(ref.suite, _configured()):
        return found
    raise NoMirror(
        f"no Debian mirror is known for {ref.package} in {ref.suite}: the apt sources of this host name none",
        hint=f"set {VARIABLE}=http://HOST/debian, or `mirror:` of the source in the plan",
    )


def _configured() -> list[aptsources.Repository]:
    """What the apt of this host is configured to use, fetched before or not."""
    found: list[aptsources.Repository] = []
    for path in (ETC / "sources.list", *sorted((ETC / "sources.list.d").glob("*"))):
        parse = {".list": aptsources.one_line, ".sources": aptsources.deb822}.get(path.suffix)
        try:
            found += parse(path.read_text("utf-8", "replace")) if parse else ()
        except OSError:
            continue  # not there, or not ours to read
    return found


def _run(argv: tuple[str, ...], ref: DebianSource, cwd: Path, context: Context, *, earlier: str = "") -> str:
    """Run apt and return its complaints. An update that failed is a success with complaints, to apt."""
    try:
        done = proc.run(argv, cwd=cwd, env={"DEBIAN_FRONTEND": "noninteractive"}, deadline=context.deadline)
        return done.stderr.decode("utf-8", "replace")
    except CommandFailed as error:
        failed = next((line for line in earlier.splitlines() if "Failed to fetch" in line), "")
        if failed:
            raise InfraError(f"apt: {failed.strip()}", hint="check the network and the apt sources") from error
        if "Unable to locate package" in error.tail or "No packages found" in error.tail:
            where = f"in {ref.suite}" if ref.suite else "in this host's apt sources"
            pattern = "linux-image-" if ref.ready else "linux-source-"
            raise NoPackage(f"no package {ref.package} {where}", hint=f"apt-cache search '^{pattern}'") from error
        behind = _BEHIND.search(error.tail)
        hint = _LATER if behind else "check the network and the apt sources, then try again"
        raise InfraError(f"apt: {behind[0].strip() if behind else error.message}", hint=hint) from error
