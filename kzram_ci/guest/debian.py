"""A Debian of packages as a disk image, made by mmdebstrap without root: no loop device, no mount."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from kzram_ci.base import files, proc
from kzram_ci.base.cache import MANIFEST, entry_in_progress, mark_used, once
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_file, digest_json
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.model.arch import arch_of
from kzram_ci.model.root import RootSpec

RECIPE = 1  # raise it when the way of making changes the content
IMAGE = "root.ext4"
ROOM_MIB = 512  # for what a guest writes; the file is sparse
# Nothing that a test reads; a third of the image.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_NETWORK = re.compile(r"Could not resolve|Failed to fetch|Connection (?:failed|refused|timed out)", re.IGNORECASE)

_NAMED = re.compile(r"Unable to locate|does not have a Release file|has no installation candidate|is not signed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where packages come from: a mirror, and the keys that must have signed its lists."""

    mirror: str
    keyring: str


def build(spec: RootSpec, archive: Archive, *, arch: str, cache: Path, deadline: Deadline) -> Path:
    """The image, built if need be. It stays until it is removed, whatever the archive has by then.

    Raises UserError (no mmdebstrap, no such package), InfraError (no network).
    """
    entry = entry_of(spec, arch, cache)
    once(entry, lambda: _build(spec, archive, arch, entry, deadline), deadline)
    mark_used(entry)
    return entry / IMAGE


def entry_of(spec: RootSpec, arch: str, cache: Path) -> Path:
    """Where it lies, once it is made."""
    return cache / "roots" / digest_json([RECIPE, arch, spec.suite, sorted(spec.packages)])


def _build(spec: RootSpec, archive: Archive, arch: str, entry: Path, deadline: Deadline) -> None:
    tools = [proc.which(name) for name in ("mmdebstrap", "mke2fs", "tar")]
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as name:
        scratch = Path(name)
        tar, tree = scratch / "root.tar", scratch / "root"
        _packages(tools[0], spec, archive, arch, tar, deadline)
        tree.mkdir()
        with entry_in_progress(entry) as temporary:
            image = temporary / IMAGE
            # The owners of files need root, or a fakeroot that remembers them from one program to the next.
            _run(_as_root(scratch, tools[2], "-xf", str(tar), "-C", str(tree), "--exclude=./dev/*"), deadline)
            with files.disk_errors(f"cannot write {image}"), image.open("wb") as out:
                os.truncate(out.fileno(), _size(tar))
            options = ("-q", "-F", "-t", "ext4", "-L", "kzram-root", "-m", "0", "-d", str(tree))
            _run(_as_root(scratch, tools[1], *options, str(image)), deadline)
            _run(_as_root(scratch, "rm", "-rf", str(tree)), deadline)
            files.write_json(
                temporary / MANIFEST,
                {"suite": spec.suite, "packages": sorted(spec.packages), "sha256": digest_file(image)},
            )


def _size(tar: Path) -> int:
    """Content, a tenth for the file system's own tables, and room."""
    content = tar.stat().st_size
    return ((content + content // 10 >> 20) + ROOM_MIB) << 20


def _packages(program: str, spec: RootSpec, archive: Archive, arch: str, tar: Path, deadline: Deadline) -> None:
    words = [program, "--mode=auto", "--variant=apt", f"--architectures={arch_of(arch).debian}"]
    # not --quiet: that drops what apt itself says of a suite or package that does not exist, and of the network
    words += [f"--keyring={archive.keyring}"]
    words += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    words += [f"--include={','.join(spec.packages)}"] if spec.packages else []
    try:
        _run((*words, spec.suite, str(tar), archive.mirror), deadline)
    except CommandFailed as error:
        if _NETWORK.search(error.tail):
            raise InfraError(f"{spec.words()}: {error.message}", hint="check the mirror and the network") from error
        raise UserError(f"{spec.words()}: {_cause(error)}", hint="correct suite and packages") from error


def _cause(error: CommandFailed) -> str:
    """What apt says of it; else what mmdebstrap says of apt."""
    lines = [line.strip().removeprefix("E: ") for line in error.tail.splitlines() if line.startswith("E: ")]
    return next((line for line in (*filter(_NAMED.search, lines), *lines)), error.message).rstrip(".")


def _as_root(scratch: Path, *argv: str) -> tuple[str, ...]:
    if os.geteuid() == 0:
        return argv
    state = scratch / "owners"
    load = ("-i", str(state)) if state.is_file() else ()
    return (proc.which("fakeroot"), *load, "-s", str(state), "--", *argv)


def _run(argv: tuple[str, ...], deadline: Deadline) -> None:
    proc.run(argv, deadline=deadline)
