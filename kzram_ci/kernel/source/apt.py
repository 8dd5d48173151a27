"""Packages of a Debian archive by an apt with its own state: verified as any other, nothing installed, no root."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.kernel.context import Context
from kzram_ci.model.source import DebianSource

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Where a suite comes from when the host's own apt has no Debian mirror.
DEFAULT, DEFAULT_SECURITY = "http://deb.debian.org/debian/", "http://deb.debian.org/debian-security/"
# What an image package may be split into; of these the one with the same version is needed too.
_PARTS = re.compile(r"\b(linux-(?:image|modules|binary)-[0-9][a-z0-9.+~-]*)(?: \(= [^)]*\))?")


class NoPackage(UserError):
    """The archive has no package of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was downloaded: the package that holds the content, its version, and all files unpacked below `root`."""

    package: str
    version: str
    root: Path


def download(ref: DebianSource, scratch: Path, context: Context) -> Fetched:
    """Fetch a package, and what a metapackage stands for, and unpack it below `scratch`.

    Raises NoPackage, UserError (no apt), InfraError (no network).
    """
    fix = "use a source of another kind on hosts without apt"
    apt = (proc.which("apt-get", fix=fix), *_options(scratch / "apt", ref, context.deadline))
    fetched = Fetched(package=ref.package, version="", root=scratch / "deb")
    complaints = _run((*apt, "update"), ref, scratch, context)
    todo, seen = [ref.package], set[str]()
    while todo:
        name = todo.pop(0)
        seen.add(name)
        context.note(ref.package, f"downloading {name} by apt")
        _run((*apt, "download", name), ref, scratch, context, earlier=complaints)
        debs = sorted(scratch.glob("*.deb"))
        if len(debs) != 1:
            raise InfraError(f"apt-get download {name} left {len(debs)} files")
        version = _field(debs[0], "Version", context)
        if not fetched.version or name.startswith("linux-image-"):
            fetched = Fetched(package=name, version=version, root=fetched.root)
        proc.run(("dpkg-deb", "-x", str(debs[0]), str(fetched.root)), deadline=context.deadline)
        if ref.ready:
            depends = _field(debs[0], "Depends", context)
            todo += [part for part in dict.fromkeys(_PARTS.findall(depends)) if part not in seen and part not in todo]
        debs[0].unlink()
    return fetched


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


def _options(root: Path, ref: DebianSource, deadline: Deadline) -> tuple[str, ...]:
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
    if ref.suite:
        sources = root / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {_mirror(ref.suite, deadline)} {ref.suite} main\n")
        settings |= {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-"}
    return ("-qq", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")))


def _mirror(suite: str, deadline: Deadline) -> str:
    """The mirror this host uses for its own suites; another suite of the same archive lies beside them."""
    if not KEYRING.is_file():
        raise UserError(f"{KEYRING} is missing", hint="sudo apt-get install debian-archive-keyring")
    rows = proc.run(("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"), deadline=deadline).text()
    security = "security" in suite
    for uri, release in (row.split() for row in dict.fromkeys(rows.splitlines()) if len(row.split()) == 2):
        if "debian" in uri and ("security" in uri) == security and ("security" in release) == security:
            return uri
    return DEFAULT_SECURITY if security else DEFAULT


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
        raise InfraError(
            f"apt: {error.message}", hint="check the network and the apt sources, then try again"
        ) from error
