"""The one door for processes: argument vectors only, a deadline on each, whole groups killed.

No shell. Children run in a process group of their own, carry an owner token in their environment, and a
guardian (see `reaper.py`) kills every process that carries it once kzram-ci is gone, even after kill -9.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from kzram_ci.base import priority, reaper
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, CommandTimeout, InfraError, Interrupted, UserError
from kzram_ci.base.values import dataclass

TAIL_BYTES = 16_384
GRACE_SECONDS = 3.0
_POLL_SECONDS = 0.2
_NAME_CHARS = 60

Child = subprocess.Popen[bytes]  # what `spawn` returns, for annotations elsewhere
PIPE = subprocess.PIPE

_token = os.urandom(16).hex()
_lock = threading.Lock()
_guardian: subprocess.Popen[bytes] | None = None
_cancelled = threading.Event()


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished command left: exit status (negative: signal), standard output and error."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    def text(self) -> str:
        """Standard output as text; undecodable bytes are kept visible."""
        return self.stdout.decode("utf-8", "backslashreplace")


def cancel_all() -> None:
    """Make every wait in this module end soon with `Interrupted` (set by the signal handler)."""
    _cancelled.set()


def cancelled() -> bool:
    """Whether the operator asked to stop."""
    return _cancelled.is_set()


def resume_all() -> None:
    """Forget a cancellation (tests)."""
    _cancelled.clear()


def temporary_prefix() -> str:
    """Prefix of temporary directories that the guardian removes when kzram-ci cannot any more."""
    return reaper.prefix(_token)


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for the temporary files of a child that may be killed: a compiler leaves what it wrote to TMPDIR.

    Raises InfraError where none can be made.
    """
    try:
        place = tempfile.TemporaryDirectory(prefix=temporary_prefix(), ignore_cleanup_errors=True)
    except OSError as error:
        raise InfraError(f"cannot make a temporary directory: {error.strerror}", hint="check TMPDIR") from error
    with place as name:
        yield Path(name)


def _temporary_roots() -> tuple[str, ...]:
    """Where temporary directories may lie: $TMPDIR, /tmp, and the user's runtime directory."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return tuple({tempfile.gettempdir(), "/tmp", *((runtime,) if runtime.startswith("/") else ())})


def which(tool: str, *, fix: str = "") -> str:
    """Absolute path of a tool. Raises UserError naming `fix`, else the command that installs the tool here."""
    found = shutil.which(tool)
    if found is None:
        from kzram_ci.base import needs  # a table that only this message needs

        raise UserError(f"{tool} not found in PATH", hint=fix or needs.advice(tool))
    return found


Environment = Mapping[str, str | None]
"""Variables of a child beside its parent's; None takes one away."""


def _environment(extra: Environment | None) -> dict[str, str]:
    env = dict(os.environ)
    env[reaper.VARIABLE] = _token
    env["LC_ALL"] = "C.UTF-8"
    # kbuild drops LC_ALL, and Python leaves LC_CTYPE behind where there is no locale: compilers speak plain ASCII.
    env["LANG"] = env["LC_CTYPE"] = "C"
    for name, value in (extra or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


def _start_guardian() -> None:
    global _guardian
    with _lock:
        if _guardian is not None and _guardian.poll() is None:
            return
        _guardian = subprocess.Popen(
            (sys.executable, "-I", "-S", reaper.__file__, _token, *_temporary_roots()),
            # Where this kzram-ci was started by another, whose guardian kills all that carry its token: not this one,
            # which has the children of this one to end.
            env={name: value for name, value in os.environ.items() if name != reaper.VARIABLE},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(_end_guardian, _guardian)


def _end_guardian(child: subprocess.Popen[bytes]) -> None:
    """Let the guardian do its last round (no process is left after an orderly end) and reap it."""
    if child.stdin is not None:
        child.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=10)


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Environment | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a process group; the caller owns it and must end it with `stop`.

    Raises UserError when the program does not exist, InfraError when the host cannot start it.
    """
    _start_guardian()
    try:
        return subprocess.Popen(
            tuple(argv), cwd=cwd, env=_environment(env), stdin=stdin, stdout=stdout, stderr=stderr, process_group=0
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise InfraError(f"working directory {cwd} is gone") from error
        from kzram_ci.base import needs

        raise UserError(f"{argv[0]} not found", hint=f"{needs.advice(argv[0])}; kzram-ci doctor shows all") from error
    except OSError as error:
        raise InfraError(f"cannot start {argv[0]}: {error.strerror}") from error


def suspended(child: subprocess.Popen[bytes]) -> bool:
    """Whether somebody stopped the process (SIGSTOP, a debugger): it does nothing, for no fault of its own."""
    try:
        stat = Path(f"/proc/{child.pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] in (["T"], ["t"])


def stop(child: subprocess.Popen[bytes], *, grace: float = GRACE_SECONDS) -> int:
    """End a whole group: TERM, a grace period in seconds, KILL. Returns the exit status."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        _signal_group(child, number)
        try:
            code = child.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
        _signal_group(child, signal.SIGKILL)  # members that outlived their leader
        return code
    raise InfraError(f"process {child.pid} survived SIGKILL")


def _signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _must_end(name: str, deadline: Deadline) -> None:
    """Raise when the wait for a command has to be given up."""
    if _cancelled.is_set():
        raise Interrupted(f"interrupted while {name} ran")
    if deadline.expired():
        raise CommandTimeout(f"{name} did not end before its deadline")


@contextmanager
def _stopped_on_error(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever goes wrong in the block, the group is gone and the pipes are closed afterwards."""
    try:
        yield
    except BaseException:
        stop(child)
        raise
    finally:
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def wait(child: subprocess.Popen[bytes], argv: Sequence[str], deadline: Deadline) -> int:
    """Wait for a group's leader; on expiry or cancellation the group is killed first, then it raises."""
    with _stopped_on_error(child):
        while True:
            priority.apply(child.pid)
            try:
                return child.wait(timeout=min(_POLL_SECONDS, deadline.remaining() + 0.001))
            except subprocess.TimeoutExpired:
                _must_end(_name(argv), deadline)


def _name(argv: Sequence[str]) -> str:
    """What people call a command: the program, and its first words if they are short."""
    return " ".join((Path(argv[0]).name, *argv[1:3]))[:_NAME_CHARS]


def run(
    argv: Sequence[str],
    *,
    deadline: Deadline,
    name: str = "",
    cwd: Path | None = None,
    env: Environment | None = None,
    input: bytes = b"",
    check: bool = True,
) -> Completed:
    """Run to the end and capture both outputs in memory; errors call the command by `name`.

    Raises CommandTimeout, UserError (no such program), Interrupted and, with `check`, CommandFailed.
    """
    with tempfile.TemporaryFile() as given:
        # A file, not a pipe: a communicate() that timed out forgets to go on writing its input (CPython 3.11).
        given.write(input)
        given.seek(0)
        child = spawn(argv, cwd=cwd, env=env, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with _stopped_on_error(child):
        while True:
            priority.apply(child.pid)
            try:
                stdout, stderr = child.communicate(timeout=min(_POLL_SECONDS, deadline.remaining() + 0.001))
                break
            except subprocess.TimeoutExpired:
                _must_end(name or _name(argv), deadline)
    done = Completed(tuple(argv), child.returncode, stdout, stderr)
    if check and done.code:
        raise CommandFailed(argv, done.code, (stderr or stdout).decode("utf-8", "replace"), name=name)
    return done


def tail(log: Path, limit: int = TAIL_BYTES) -> str:
    """The last bytes of a log as text."""
    with log.open("rb") as handle:
        handle.seek(0, os.SEEK_END)
        handle.seek(max(0, handle.tell() - limit))
        return handle.read().decode("utf-8", "replace")
