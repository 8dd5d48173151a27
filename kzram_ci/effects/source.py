"""Where kernel sources come from. Each kind is one function in `KINDS`; a tree is never modified here."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kzram_ci import patchset
from kzram_ci.base import clock, filetree, proc, workspace
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.model.events import Event, Listener, silent
from kzram_ci.model.kernel import SourceKind, SourceRef, Tree

INSTALLED = Path("/usr/src")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LOCK_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What fetching needs beside the reference."""

    cache: Path
    deadline: Deadline
    listener: Listener = silent


def fetch(ref: SourceRef, *, cache: Path, deadline: Deadline, listener: Listener = silent) -> Tree:
    """Get a source, from the cache where that is exact. Raises UserError (no such source), InfraError (no network)."""
    kind = KINDS.get(ref.kind)
    if kind is None:
        raise UserError(f"source kind {ref.kind} is not supported yet", hint=f"use {' or '.join(KINDS)}")
    return kind(ref, Context(cache=cache, deadline=deadline, listener=listener))


def local(ref: SourceRef, *, cache: Path, deadline: Deadline) -> Tree | None:
    """As `fetch`, but None instead of going to the network."""
    if ref.kind is SourceKind.DEBIAN and _installed(ref) is None and not workspace.complete(_download(ref, cache)):
        return None
    return fetch(ref, cache=cache, deadline=deadline)


def _directory(ref: SourceRef, context: Context) -> Tree:
    root = Path(ref.path).expanduser().absolute()
    if not (root / "Kbuild").is_file() or not (root / "Makefile").is_file():
        raise UserError(f"{root} is not a kernel source tree", hint="`path:` must hold the kernel's top Makefile")
    files = filetree.scan(root, cache=context.cache, deadline=context.deadline)
    version = patchset.kernel_version((root / "Makefile").read_text("utf-8", "replace"))
    return Tree(identity=f"directory:{filetree.identity(files)}", version=version, directory=str(root))


def _debian(ref: SourceRef, context: Context) -> Tree:
    """The installed package first: no network, and the version its owner chose. Downloads stay until removed."""
    if not re.fullmatch(r"linux-source-[0-9][0-9.]*", ref.package):
        raise UserError(f"{ref.package!r} is no source package", hint="package: linux-source-6.12, for instance")
    if (archive := _installed(ref)) is not None:
        return _archive_tree(ref, archive, context, lambda: _installed_version(ref, context.deadline))
    entry = _download(ref, context.cache)
    if not workspace.complete(entry):
        with workspace.lock(entry.with_name(f"{entry.name}.lock"), context.deadline.within(_LOCK_SECONDS)):
            if not workspace.complete(entry):
                _apt_download(ref, entry, context)
    manifest = workspace.read_json(entry / workspace.MANIFEST)
    return _archive_tree(ref, entry / manifest["archive"], context, lambda: str(manifest["version"]))


def _installed(ref: SourceRef) -> Path | None:
    """The package's tar file on this host. A suite in the plan asks for that suite's version: no shortcut."""
    path = INSTALLED / f"{ref.package}.tar.xz"
    return path if not ref.suite and path.is_file() else None


def _installed_version(ref: SourceRef, deadline: Deadline) -> str:
    done = proc.run(("dpkg-query", "-W", "-f=${Version}", ref.package), deadline=deadline, check=False)
    if done.code or not done.text():
        raise UserError(
            f"{INSTALLED}/{ref.package}.tar.xz belongs to no installed package",
            hint=f"sudo apt-get install --reinstall {ref.package}, or remove the file",
        )
    return done.text()


def _archive_tree(ref: SourceRef, archive: Path, context: Context, version: Callable[[], str]) -> Tree:
    """Version and digest of a tar file, remembered by (path, size, mtime): hashing 150 MB takes half a second."""
    status = archive.stat()
    stamp = [str(archive), status.st_size, status.st_mtime_ns]
    memory = context.cache / "scans" / f"{workspace.digest_json(stamp)[:16]}.json"
    if memory.is_file():
        known = workspace.read_json(memory)
    else:
        known = {"version": version(), "sha256": workspace.digest_file(archive)}
        workspace.write_json(memory, known)
    return Tree(
        identity=f"debian:{ref.package}:{known['version']}:{known['sha256']}",
        version=known["version"],
        archive=str(archive),
    )


def _download(ref: SourceRef, cache: Path) -> Path:
    return cache / "downloads" / f"debian-{ref.package}-{ref.suite or 'host'}"


def _apt_download(ref: SourceRef, entry: Path, context: Context) -> None:
    """Fetch and unpack the .deb by an apt with its own lists and caches: verified, nothing installed, no root."""
    apt = proc.which("apt-get", fix="use a source of kind directory on hosts without apt")
    context.listener(Event(kind="note", subject=ref.package, text=f"downloading {ref.package} by apt"))
    with workspace.entry_in_progress(entry) as temporary:
        root = temporary / "apt"
        options = _apt_options(root, ref, context.deadline)
        complaints = _apt((apt, *options, "update"), ref, temporary, context.deadline)
        _apt((apt, *options, "download", ref.package), ref, temporary, context.deadline, earlier=complaints)
        debs = sorted(temporary.glob("*.deb"))
        if len(debs) != 1:
            raise InfraError(f"apt-get download {ref.package} left {len(debs)} files")
        deb = str(debs[0])
        version = proc.run(("dpkg-deb", "-f", deb, "Version"), deadline=context.deadline).text().strip()
        proc.run(("dpkg-deb", "-x", deb, str(root / "deb")), deadline=context.deadline)
        archive = root / "deb" / "usr" / "src" / f"{ref.package}.tar.xz"
        if not archive.is_file():
            raise InfraError(f"{debs[0].name} holds no usr/src/{archive.name}")
        shutil.move(archive, temporary / archive.name)
        shutil.rmtree(root)
        debs[0].unlink()
        fetched = clock.now_utc().isoformat(timespec="seconds")
        manifest = {"package": ref.package, "version": version, "archive": archive.name, "fetched": fetched}
        workspace.write_json(temporary / workspace.MANIFEST, manifest)


def _apt_options(root: Path, ref: SourceRef, deadline: Deadline) -> tuple[str, ...]:
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
    raise UserError(f"this host's apt knows no Debian mirror for {suite}", hint="leave `suite:` out, or add a mirror")


def _apt(argv: tuple[str, ...], ref: SourceRef, cwd: Path, deadline: Deadline, *, earlier: str = "") -> str:
    """Run apt and return its complaints. An update that failed is a success with complaints, to apt."""
    try:
        done = proc.run(argv, cwd=cwd, env={"DEBIAN_FRONTEND": "noninteractive"}, deadline=deadline)
        return done.stderr.decode("utf-8", "replace")
    except CommandFailed as error:
        failed = next((line for line in earlier.splitlines() if "Failed to fetch" in line), "")
        if failed:
            raise InfraError(f"apt: {failed.strip()}", hint="check the network and the apt sources") from error
        if "Unable to locate package" in error.tail or "No packages found" in error.tail:
            where = f"in {ref.suite}" if ref.suite else "in this host's apt sources"
            raise UserError(f"no package {ref.package} {where}", hint="apt-cache search '^linux-source-'") from error
        raise InfraError(
            f"apt: {error.message}", hint="check the network and the apt sources, then try again"
        ) from error


# The next kinds (git, tarball, image) are one more row each.
KINDS: dict[SourceKind, Callable[[SourceRef, Context], Tree]] = {
    SourceKind.DEBIAN: _debian,
    SourceKind.DIRECTORY: _directory,
}
