"""The real content of a source directory, dirty or not, without reading 90,000 files twice."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kzram_ci.base import clock, files, git
from kzram_ci.base.cache import mark_used
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_bytes, digest_file, digest_json
from kzram_ci.kernel import products

LINK = "link:"
_RACY_SECONDS = 2.0
# Where there is no git to say what belongs to a tree: the files of editors, quilt and patch.
_STRAY = re.compile(r"(^|/)\.|\.(orig|rej)$|~$")
_NEEDED_DOTS = re.compile(r"(^|/)\.(get_maintainer\.ignore|clang-format|cocciconfig|gitignore|mailmap|rustfmt\.toml)$")


def scan(
    directory: Path, *, cache: Path, deadline: Deadline, note: Callable[[str], None] = lambda text: None
) -> dict[str, str]:
    """Each source file's relative path and content: `<sha256>` (with `+x` if executable), or `link:<target>`.

    Build products are left out. In a git work tree, tracked and untracked files count, ignored ones do not; `note` is
    called when there are products among them. Digests are remembered by (path, size, mtime, ctime) under `cache`: of a
    file that is copied with its time stamp only the last is new.
    """
    memory = cache / "scans" / f"{digest_bytes(str(directory.absolute()).encode())[:16]}.json"
    known = _known(memory)
    young = clock.now_utc().timestamp() - _RACY_SECONDS  # may change again within the same tick: not remembered
    found: dict[str, str] = {}
    fresh: dict[str, list[str | int]] = {}
    for name in sorted(_names(directory, deadline, note)):
        try:
            status = (directory / name).lstat()
            if stat.S_ISLNK(status.st_mode):
                found[name] = LINK + str((directory / name).readlink())
                continue
            if not stat.S_ISREG(status.st_mode):
                continue  # a submodule, a socket
            seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            row = known.get(name)
            sha = str(row[3]) if row is not None and row[:3] == seen else digest_file(directory / name)
        except FileNotFoundError:
            continue  # tracked, but deleted in the work tree
        if status.st_mtime < young:
            fresh[name] = [*seen, sha]
        found[name] = sha + ("+x" if status.st_mode & stat.S_IXUSR else "")
    if fresh != known:
        files.write_atomic(memory, json.dumps(fresh, separators=(",", ":")))
    return found


def identity(files: Mapping[str, str]) -> str:
    """One digest for all of it."""
    return digest_json(dict(files))


def _known(memory: Path) -> dict[str, list[str | int]]:
    try:
        rows: dict[str, list[str | int]] = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    mark_used(memory)
    return rows


def _names(directory: Path, deadline: Deadline, note: Callable[[str], None]) -> Iterator[str]:
    if (directory / ".git").exists():
        words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        listed = git.run(*words, cwd=directory, deadline=deadline)
        names = {os.fsdecode(name) for name in listed.stdout.split(b"\0") if name}
        found = products.products(names)
        if found:
            note(products.left_out(found))
        yield from names - found
        return
    names = set(_walk(directory))
    for name in names - products.products(names):
        if not _STRAY.search(name) or _NEEDED_DOTS.search(name):
            yield name


def _walk(directory: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(directory):
        base = Path(folder).relative_to(directory)
        folders[:] = [name for name in folders if name != ".git" and not _left_out(Path(folder) / name)]
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*names, *linked):
            yield (base / name).as_posix()


def _left_out(directory: Path) -> bool:
    """Whether a directory says that it belongs to no tree, as run directories do."""
    try:
        return (directory / ".gitignore").read_text() == files.IGNORE_ALL
    except (OSError, UnicodeDecodeError):
        return False
