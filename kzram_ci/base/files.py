"""Files that appear in one step, JSON, locks, and errors of the disk."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted, UserError
from kzram_ci.base.expressions import later

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOOK_SECONDS = 0.5  # how often a wait for a lock looks whether the operator wants to stop
_HOLDER = later(r"([\w.-]+) (\d+) ([\w:-]+)\n")
_HOLDER_BYTES = 400
IGNORE_ALL = "*\n"  # a .gitignore like this leaves its own directory out


_FREE_SPACE = "free disk space: kzram-ci cache gc"
_PERMISSION = "check the owner and the permissions"
_NO_LOCKS = "its file system has no locks: put the cache (KZRAM_CACHE) and the runs (--runs) on a local one"
_HINTS = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: "it is mounted read-only",
    **dict.fromkeys((errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS), _NO_LOCKS),
}
_STAMP_CHARS = len("20260101T000000Z")
# A path that was given is to blame, not the disk.
_WRONG_PLACE = frozenset(
    {
        *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP),
        *(errno.EACCES, errno.EPERM, errno.EROFS),
    }
)


class Taken(InfraError):
    """Another process kept a lock for as long as it was waited for."""


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn an OSError into an InfraError that names the operation (a full disk, most of all)."""
    try:
        yield
    except OSError as error:
        raise InfraError(f"{what}: {error.strerror or error}", hint=_HINTS.get(error.errno or 0, "")) from error


def settle(path: Path) -> None:
    """Have all that was written below a directory on the disk: what says that it is complete is written behind it.

    A file system may keep a name and lose what the file held when the power goes. For a tree of 90,000 files one
    call for the whole file system takes a second where one for each file takes minutes.
    """
    import ctypes  # late: most commands write no entry of the cache

    library = ctypes.CDLL(None, use_errno=True)
    where = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with disk_errors(f"cannot write {path}"):
            if library.syncfs(where) < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(where)


def keep_names(directory: Path) -> None:
    """Have the names in a directory on the disk: of files that are there, or are not there any more."""
    where = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(where)
    finally:
        os.close(where)


def write_atomic(path: Path, data: bytes | str, *, pushed: bool = True, mode: int = 0o644) -> None:
    """Replace a file in one step: readers see the old or the new content, never a half.

    `pushed`: to the disk before it has its name. A power cut may empty a file that was not, so it holds nothing that
    another one lacks; where the disk is busy, a push takes longer than all else.
    """
    with disk_errors(f"cannot write {path}"):
        _replace(path, _bytes(data), pushed=pushed, mode=mode)


def write_named(path: Path, text: str) -> None:
    """Write a file that a person named. What can be written and is no file, as /dev/null or a pipe, stays what it is:
    a file renamed over it, as root may, would take it from everybody on this host.

    Raises UserError for a place where a file cannot be, InfraError for a disk that has no room for it.
    """
    with disk_errors(f"cannot write {path}"):
        try:
            if is_special(path):
                path.write_bytes(_bytes(text))
            elif path.is_dir():
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
            else:
                _replace(Path(os.path.realpath(path)), _bytes(text), pushed=True, mode=0o644)
        except OSError as error:
            if error.errno not in _WRONG_PLACE:
                raise
            text = f"cannot write {path}: {error.strerror}"
            raise UserError(text, hint="name a file that can be written") from error


def is_special(path: Path) -> bool:
    """Whether it is a device, a pipe or a socket."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _bytes(data: bytes | str) -> bytes:
    """A path that is not UTF-8 is written as its bytes."""
    return data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data


def _replace(path: Path, payload: bytes, *, pushed: bool, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(payload)
            out.flush()
            if pushed:
                os.fsync(out.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def newest_first(written: Iterable[Path]) -> list[Path]:
    """Directories that begin with the second they were made in, by a file each that is written then, and orders those
    of one second.
    """

    def age(path: Path) -> tuple[str, int, str]:
        name = path.parent.name
        try:
            return name[:_STAMP_CHARS], path.stat().st_mtime_ns, name
        except OSError:  # gone meanwhile
            return name[:_STAMP_CHARS], 0, name

    return [path.parent for path in sorted(written, key=age, reverse=True)]


def write_json(path: Path, value: Any, *, pushed: bool = True) -> None:
    """Write JSON for people and programs, atomically."""
    write_atomic(path, json.dumps(value, indent=2, sort_keys=True) + "\n", pushed=pushed)


def read_json(path: Path) -> Any:
    """What `write_json` wrote. Raises InfraError when the file is gone or damaged."""
    with disk_errors(f"cannot read {path}"):
        text = path.read_text()
    try:
        return json.loads(text)
    except ValueError as error:
        raise InfraError(f"{path} is damaged", hint=f"rm {path}") from error


def make_private(path: Path) -> None:
    """Make a directory that git leaves out: results may lie within the source tree that is tested.

    Raises UserError for a place where a directory cannot be, InfraError for a disk that has no room for it.
    """
    with disk_errors(f"cannot create {path}"):
        try:
            path.mkdir(parents=True)
        except OSError as error:
            if error.errno not in _WRONG_PLACE:
                raise
            text = f"cannot create {path}: {error.strerror}"
            raise UserError(text, hint="name a directory that can be written") from error
        (path / ".gitignore").write_text(IGNORE_ALL)


def append_line(path: Path, line: str) -> None:
    """Append one line and push it to the disk; a crash later cannot take it back."""
    with disk_errors(f"cannot write {path}"), path.open("ab") as out:
        out.write(line.encode("utf-8", "surrogateescape") + b"\n")
        out.flush()
        os.fsync(out.fileno())


def remove_tree(path: Path, deadline: Deadline) -> None:
    """Remove a directory, whatever a build of others made of it: without permissions, or nested without end.

    Raises InfraError when it cannot be removed.
    """
    with suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        for argv in (("chmod", "-R", "u+rwX"), ("rm", "-rf")):
            proc.run((*argv, "--", str(path)), deadline=deadline)


@contextmanager
def lock(path: Path, deadline: Deadline) -> Iterator[None]:
    """Hold an inter-process lock; who holds it is written in it, for those who wait.

    Raises InfraError when another process keeps it past the deadline, or the file system has no locks; Interrupted when
    the operator stops the wait.
    """
    from filelock import FileLock

    with disk_errors(f"cannot create {path.parent}"):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:  # a file whose mere existence is the lock outlives the process that died with it
        guard = FileLock(str(path), fallback_to_soft=False)
    except TypeError:  # before 3.30
        guard = FileLock(str(path))
    _acquire(guard, path, deadline)
    try:
        if type(guard) is FileLock:
            _sign(path)
        yield
    finally:
        guard.release()


def _acquire(guard: BaseFileLock, path: Path, deadline: Deadline) -> None:
    from filelock import Timeout

    while True:
        try:
            guard.acquire(timeout=min(_LOOK_SECONDS, deadline.remaining()))
            return
        except Timeout as error:
            if proc.cancelled():
                raise Interrupted(f"interrupted while another kzram-ci held {path}") from error
            if deadline.expired():
                raise _taken(path) from error
        except NotImplementedError as error:  # before 3.30
            raise InfraError(f"cannot lock {path}: it is not supported", hint=_NO_LOCKS) from error
        except OSError as error:
            with disk_errors(f"cannot lock {path}"):
                raise error


def _sign(path: Path) -> None:
    """Write down who holds a lock, in that file and no other."""
    with suppress(OSError):
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "w") as out:
            out.write(f"{os.uname().nodename} {os.getpid()} {clock.now_utc():%Y-%m-%dT%H:%M:%SZ}\n")
            out.truncate()


def _holder(path: Path) -> tuple[str, str, str] | None:
    """Host, process and time, as `_sign` wrote them."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            found = _HOLDER.fullmatch(file.read(_HOLDER_BYTES).decode("utf-8", "replace"))
        return None if found is None else (found[1], found[2], found[3])
    return None


def _taken(path: Path) -> Taken:
    """What can be said of a lock that another process holds, and how to free it.

    A host that died with a lock on a network file system may leave it to the server, which need not notice.
    """
    text, holder = f"another kzram-ci holds {path}", _holder(path)
    if holder is None:
        return Taken(text, hint="wait for it, or stop it")
    host, pid, since = holder
    if host == os.uname().nodename:
        return Taken(f"{text}: process {pid}, since {since}", hint=f"wait for it, or stop it: kill {pid}")
    hint = f"wait for it, or stop it on {host}; if that host is gone for good: rm {shlex.quote(str(path))}"
    return Taken(f"{text}: process {pid} on {host}, since {since}", hint=hint)


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Be the only process that works in a directory. Raises UserError when another one does."""
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(directory / "lock", Deadline.after(0.1)))
        except Taken as error:
            raise UserError(f"another kzram-ci works on {directory}", hint=error.hint) from error
        yield
