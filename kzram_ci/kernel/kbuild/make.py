"""Calling the kernel's make: a clean environment, progress while it runs, one line when it fails."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from kzram_ci.base import needs, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, InfraError, KzramError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.kbuild import log as buildlog
from kzram_ci.kernel.kbuild.causes import Blame
from kzram_ci.kernel.sandbox import Sandbox, code_of
from kzram_ci.model import arch

# All that may reach make from the caller's environment. KCFLAGS, ARCH, CC, MAKEFLAGS (and its job server) and
# their like would change the bytes behind the key's back.
_ALLOWED = frozenset({"PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "LD_LIBRARY_PATH", "KZRAM_OWNER"})
_ALLOWED_PREFIXES = ("CCACHE_", "LC_")
_LOOK_SECONDS = 0.2
_FOLLOWER_SECONDS = 5.0
_LOG_BYTES = 8 << 20  # of a log, for the diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDir:
    """Where make runs, the variables it always gets, and the log of its output.

    path: PATH while it runs, "" for the caller's; advice: what helps against known failures (see buildlog).
    sandbox: in which only `out` can be written to, None: as any other program.
    """

    name: str
    src: Path
    variables: tuple[tuple[str, str], ...]
    log: Path
    path: str = ""
    advice: tuple[tuple[str, str], ...] = ()
    sandbox: Sandbox | None = None
    out: Path = Path()

    def argv(self, *words: str) -> tuple[str, ...]:
        """The make command as a person would type it in the source tree."""
        return ("make", *(f"{name}={value}" for name, value in self.variables), *words)


class Killed(Exception):
    """Make was killed with SIGKILL: nothing it was writing can be trusted. Carries the error to report."""

    def __init__(self, error: KzramError) -> None:
        super().__init__(str(error))
        self.error = error


class CompilerCrashed(BuildFailed):
    """The compiler died over the source: a defect of it, or memory of the host that cannot be trusted."""


def environment(path: str) -> dict[str, str | None]:
    """What takes the caller's environment away; `path` takes the place of PATH."""
    drop = (name for name in os.environ if name not in _ALLOWED and not name.startswith(_ALLOWED_PREFIXES))
    return {**dict.fromkeys(drop), **({"PATH": path} if path else {})}


def run(
    make_dir: MakeDir,
    command: Sequence[str],
    *,
    deadline: Deadline,
    steps: Callable[[int], None] | None = None,
    cwd: Path | None = None,
    writes: Sequence[Path] = (),
    more: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Run a command in the tree, or in `cwd`, and return the number of steps in make's output.

    `writes`: directories that it writes to beside the objects'; `more`: of its environment.

    Raises BuildFailed, UserError (a missing tool), InfraError, Interrupted, or Killed around one of these.
    """
    start = make_dir.log.stat().st_size if make_dir.log.exists() else 0
    where, box = cwd or make_dir.src, make_dir.sandbox
    argv = command
    if box is not None:
        argv = box.argv(command, cwd=where, readable=(make_dir.src,), writable=(make_dir.out, *writes))
    with proc.scratch() as scratch:
        env = {**environment(make_dir.path), "TMPDIR": str(scratch), **more}
        with make_dir.log.open("ab") as out:
            child = proc.spawn(argv, cwd=where, env=env, stdout=out, stderr=out)
        follower = _Follower(make_dir.log, start, steps)
        try:
            with follower:
                code = proc.wait(child, command, deadline)
        except KzramError as error:
            if child.returncode == -signal.SIGKILL or box is not None:  # with bwrap's end all in it is killed
                raise Killed(error) from error
            raise
    if box is not None:
        code = code_of(code)
    if code:
        raise failure(make_dir, code, start)
    return follower.count


class _Follower:
    """Counts steps in a growing log, in a thread of its own."""

    def __init__(self, log: Path, start: int, tell: Callable[[int], None] | None) -> None:
        self.count = 0
        self._log, self._at, self._tell = log, start, tell
        self._rest = b""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="make-log", daemon=True)

    def __enter__(self) -> _Follower:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join(_FOLLOWER_SECONDS)
        if not self._thread.is_alive():  # else a listener does not return: its count is not worth waiting for
            self._look()

    def _follow(self) -> None:
        while not self._end.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        with self._log.open("rb") as handle:
            handle.seek(self._at)
            data = handle.read()
        self._at += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = sum(buildlog.is_step(line) for line in lines)
        self.count += found
        if found and self._tell is not None:
            self._tell(self.count)


def failure(make_dir: MakeDir, code: int, start: int) -> KzramError:
    """The error for a make that ended with `code`; what it printed stands in the log from `start` on."""
    with make_dir.log.open("rb") as handle:
        handle.seek(max(start, make_dir.log.stat().st_size - _LOG_BYTES))
        text = handle.read().decode("utf-8", "replace")
    log = str(make_dir.log)
    if code < 0:
        hint = "free memory, or build with fewer jobs"
        return InfraError(f"{make_dir.name}: make was killed by signal {-code}", hint=hint, log=log)
    why = buildlog.diagnose(text, make_dir.advice)
    kinds = {Blame.HOST: InfraError, Blame.USER: UserError, Blame.KERNEL: BuildFailed}
    hint = needs.advice(why.missing, more=arch.needs()) if why.missing else why.hint
    kind = CompilerCrashed if why.crash else kinds[why.blame]
    return kind(f"{make_dir.name}: {why.message}", hint=hint, log=log, cause=why.message)
