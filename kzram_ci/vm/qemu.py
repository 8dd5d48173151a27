"""The life of one QEMU: start, watch, ask a hanging guest for its state, and a stop that always works."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import tempfile
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from kzram_ci.base import clock, files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.vm.placing import Placed
from kzram_ci.vm.qmp import Message, Monitor, wait_until

START_SECONDS = 60.0
QUIT_SECONDS = 3.0
DUMP_POLL_SECONDS = 0.1
SYSRQ_KEYS = "lmtw"  # stacks of all CPUs, memory, tasks, blocked tasks
SYSRQ_SECONDS = 12.0
UNIX_PATH_MAX = 107


class StopHow(StrEnum):
    """Which step of the ladder ended QEMU."""

    ITSELF = "itself"
    QUIT = "quit"
    TERM = "term"
    KILL = "kill"


class SocketDirectory:
    """A short private directory (mode 0700): run directories may be deeper than a socket's 107 bytes."""

    def __init__(self) -> None:
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        usable = len(runtime) < UNIX_PATH_MAX - 40 and runtime.startswith("/") and os.access(runtime, os.W_OK)
        with files.disk_errors("cannot make a directory for sockets"):
            self.path = Path(tempfile.mkdtemp(prefix=proc.temporary_prefix(), dir=runtime if usable else None))
        if len(str(self.path)) > UNIX_PATH_MAX - 10:  # $TMPDIR itself is too deep
            shutil.rmtree(self.path, ignore_errors=True)
            self.path = Path(tempfile.mkdtemp(prefix=proc.temporary_prefix(), dir="/tmp"))

    def socket(self, name: str) -> str:
        """The path of a socket in it."""
        return str(self.path / name)

    def remove(self) -> None:
        """Remove it with all that is left inside."""
        shutil.rmtree(self.path, ignore_errors=True)


class Machine:
    """One running QEMU. Use as a context manager: whatever happens, no process is left behind."""

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        qmp: str,
        serial: str,
        log: Path,
        own_words: tuple[str, ...] = (),
        placed_cpus: int = 0,
    ) -> None:
        """`log` takes QEMU's own messages; `own_words` are arguments of the operator's, to know who is to blame.

        `placed_cpus`: so many virtual CPUs get their places (`placing`); 0 leaves them to the host.
        """
        self.argv = argv
        self.stopped: StopHow | None = None
        self._paths = (qmp, serial)
        self._log_path = log
        self._own_words = own_words
        self._placed_cpus = placed_cpus
        self._placed: Placed | None = None
        self._monitor: Monitor | None = None
        self._child: proc.Child | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, deadline: Deadline) -> None:
        """Start QEMU and greet its monitor. Raises UserError or InfraError with QEMU's own line, Interrupted."""
        limit = deadline.within(START_SECONDS)
        self._monitor = Monitor(self._paths[0])
        with files.disk_errors(f"cannot write {self._log_path}"):
            self._log = self._log_path.open("ab")
        self._child = proc.spawn(self.argv, stdout=self._log, stderr=self._log)
        if not self._monitor.accept(self.running, limit) and not self._over():
            raise self._start_failure()
        if self._placed_cpus:
            self._placed = Placed(self._child.pid, self._placed_cpus)

    def _over(self) -> bool:
        """Whether it did start, and its guest was over before anybody looked: that is for the console to tell."""
        return self.exit_code() == 0 and self._monitor is not None and self._monitor.greeted()

    def _start_failure(self) -> InfraError | UserError:
        complaint = self.complaint()
        code = self.exit_code()
        why = complaint or f"no message, exit status {code}"
        words = [word for word in self._own_words if word.strip("-") and word.strip("-").split(",")[0] in complaint]
        if words:
            return UserError(f"QEMU refused {shlex.join(self._own_words)}: {why}", hint="correct machine.qemu_args")
        return InfraError(f"QEMU did not start: {why}", hint="kzram-ci doctor", log=str(self._log_path))

    def complaint(self) -> str:
        """The most informative line of QEMU's own: its last complaint that is not a warning."""
        lines = [line for line in proc.tail(self._log_path).splitlines() if line.strip()]
        errors = [line for line in lines if "warning:" not in line]
        return (errors or lines or [""])[-1].strip()[:300]

    def running(self) -> bool:
        """Whether QEMU still runs."""
        return self._child is not None and self._child.poll() is None

    def suspended(self) -> bool:
        """Whether QEMU was stopped from outside: its guest stands still, and that is no hang of the kernel's."""
        return self._child is not None and proc.suspended(self._child)

    def exit_code(self) -> int | None:
        """QEMU's exit status (negative: signal), None while it runs."""
        return None if self._child is None else self._child.poll()

    def events(self) -> tuple[Message, ...]:
        """Monitor events since the last call."""
        return () if self._monitor is None else self._monitor.events()

    def connect_serial(self, deadline: Deadline) -> socket.socket:
        """A connection to the guest's serial port; its holder must read it. Raises InfraError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(max(0.1, deadline.remaining()))
        try:
            connection.connect(self._paths[1])
        except OSError as error:
            connection.close()
            raise InfraError(f"cannot reach the guest's serial port: {error.strerror or error}") from error
        return connection

    def hang_state(self, deadline: Deadline) -> str:
        """Ask a guest that no longer answers for stacks, memory and tasks; its answers go to the console.

        A BREAK on the serial line and a letter is sysrq (needs MAGIC_SYSRQ_SERIAL and one CPU that still takes
        interrupts). Returns the CPUs' registers as QEMU sees them: it has them for a dead guest, too.
        """
        limit = deadline.within(SYSRQ_SECONDS)
        registers = ""
        with suppress(InfraError):
            registers = str(self.execute("human-monitor-command", {"command-line": "info registers -a"}, limit))
        with suppress(InfraError, OSError), self.connect_serial(limit) as serial:
            serial.settimeout(0.1)
            for key in SYSRQ_KEYS:
                self.execute("chardev-send-break", {"id": "console"}, limit)
                _drain(serial, Deadline.after(0.3), limit)  # let the guest see the BREAK before the letter
                serial.sendall(key.encode())
                _drain(serial, Deadline.after(0.7), limit)
        return registers

    def dump_memory(self, path: Path, *, limit_bytes: int, deadline: Deadline) -> None:
        """Stop the guest and write its memory, compressed. Raises InfraError with why there is none.

        kdump's format, as makedumpfile writes it to a pipe; pages of zeros take no room.
        """
        self.execute("stop", {}, deadline)
        arguments = {"paging": False, "protocol": f"file:{path}", "format": "kdump-zlib", "detach": True}
        self.execute("dump-guest-memory", arguments, deadline)
        while True:
            answer = self.execute("query-dump", {}, deadline)
            status = str(answer.get("status")) if isinstance(answer, dict) else ""
            size = path.stat().st_size if path.is_file() else 0
            if size > limit_bytes:
                raise InfraError(f"the dump of the guest's memory is larger than {limit_bytes >> 20:,} MiB")
            if status == "completed":
                return
            if status != "active":
                raise InfraError(f"QEMU could not dump the guest's memory: {self.complaint() or status or 'no reason'}")
            if deadline.expired() or proc.cancelled():
                raise InfraError("the dump of the guest's memory did not end in time")
            clock.sleep(DUMP_POLL_SECONDS)

    def execute(self, command: str, arguments: Message, deadline: Deadline) -> Any:
        """Run a command of the monitor. Raises InfraError when QEMU is gone, refuses, or does not answer in time."""
        if self._monitor is None or not self.running():
            raise InfraError(f"QEMU is gone, cannot {command}")
        return self._monitor.execute(command, arguments, deadline=deadline.within(5))

    def give(self, name: str, descriptor: int, deadline: Deadline) -> None:
        """Hand an open file over, for a command that names it. Raises InfraError as `execute` does."""
        if self._monitor is None or not self.running():
            raise InfraError(f"QEMU is gone, cannot hand {name} over to it")
        self._monitor.give(name, descriptor, deadline.within(5))

    def stop(self) -> StopHow:
        """End QEMU: quit, TERM, KILL, the whole group. Safe to call twice; never raises Interrupted."""
        if self.stopped is None:
            try:
                self.stopped = self._descend()
            finally:
                if self._placed is not None:
                    self._placed.leave()
                if self._monitor is not None:
                    self._monitor.close()
                if self._log is not None:
                    self._log.close()
        return self.stopped

    def _descend(self) -> StopHow:
        if self._child is None:
            return StopHow.ITSELF
        if not self.running():
            proc.stop(self._child)  # reap, and end group members that outlived it
            return StopHow.ITSELF
        with suppress(InfraError):
            self.execute("quit", {}, Deadline.after(QUIT_SECONDS))
            if wait_until(lambda: not self.running(), Deadline.after(QUIT_SECONDS)):
                proc.stop(self._child)
                return StopHow.QUIT
        return StopHow.KILL if proc.stop(self._child) == -9 else StopHow.TERM


def _drain(serial: socket.socket, quiet: Deadline, limit: Deadline) -> None:
    """Read the serial line for a moment, and on while it still talks: a full socket would block the guest."""
    while not limit.expired():
        try:
            if not serial.recv(65536):
                return  # QEMU is gone
        except TimeoutError:
            if quiet.expired():
                return
