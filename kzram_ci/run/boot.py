"""One boot of one cell: prepare, start, watch until it ends or must end, collect the evidence."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.base import clock, files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import Interrupted
from kzram_ci.guest import conf as guest_conf
from kzram_ci.guest import cpio
from kzram_ci.guest import modules as guest_modules
from kzram_ci.guest.control import ControlPort, Report
from kzram_ci.model.arch import arch_of
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import Event, Listener
from kzram_ci.model.evidence import Evidence, OopsSummary
from kzram_ci.model.kernel import KernelImage, RootfsImage
from kzram_ci.model.machine import AccelChoice
from kzram_ci.model.vocab import NON_FATAL_TYPES
from kzram_ci.oops.capture import SplatParser, Splats, stream_parser
from kzram_ci.vm import argv as qemu_argv
from kzram_ci.vm.binary import find as find_qemu
from kzram_ci.vm.console import Console
from kzram_ci.vm.qemu import Machine, SocketDirectory, StopHow

POLL_SECONDS = 0.02
PREPARE_SECONDS = 120.0
WORK_MARGIN_SECONDS = 60.0  # the workload ends by its own clock, then verifies what it wrote
PANIC_SECONDS = 5.0  # the rest of a splat is slow on a serial line; panic=-1 ends QEMU sooner
POWEROFF_SECONDS = 15.0
_AGAIN = "recompressions"  # the detector's count of second compressions
DISK_RESERVE_BYTES = 32 << 20
DISK_EVERY = 100  # polls between two looks at the disk
PANIC_EVENTS = frozenset({"GUEST_PANICKED", "GUEST_CRASHLOADED"})
STALE = ("console.log", "control.log", "qemu.log", "counters.json", "hang-registers.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A machine ready to start: its command line, its sockets and its nonce."""

    argv: tuple[str, ...]
    paths: qemu_argv.CellPaths
    nonce: str


@contextmanager
def prepared(
    cell: Cell,
    image: KernelImage,
    rootfs: RootfsImage,
    *,
    directory: Path,
    accel: AccelChoice,
    interactive: bool = False,
) -> Iterator[Prepared]:
    """Write what the boot needs; big throw-away files are removed afterwards. Raises InfraError, UserError."""
    nonce = secrets.token_hex(8)
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    for name in (*STALE, *(path.name for path in directory.glob("oops-*.txt"))):
        (directory / name).unlink(missing_ok=True)
    initrd, disk = directory / "initrd.img", directory / "disk.img"
    sockets = SocketDirectory()
    try:
        modules = guest_modules.collect(image, cell, deadline=Deadline.after(PREPARE_SECONDS))
        conf = guest_conf.cell_conf(cell, nonce, modules=tuple(f"/{path}" for path in modules), interactive=interactive)
        files.write_atomic(directory / "cell.conf", conf)
        with files.disk_errors(f"cannot prepare a boot in {directory}"):
            _write_initrd(initrd, Path(rootfs.path), cpio.archive({guest_conf.PATH: conf.encode(), **modules}))
            if cell.machine.disk_mib:
                disk.touch()
                os.truncate(disk, cell.machine.disk_mib << 20)
        paths = qemu_argv.CellPaths(
            qmp=sockets.socket("qmp"),
            control=sockets.socket("control"),
            serial=sockets.socket("serial"),
            console=str(directory / "console.log"),
            disk=str(disk) if cell.machine.disk_mib else "",
        )
        argv = qemu_argv.argv(cell.machine, accel.accel, kernel=image.image, initrd=str(initrd), paths=paths)
        argv = (find_qemu(arch_of(cell.machine.arch)), *argv[1:])
        files.write_atomic(directory / "qemu.txt", shlex.join(argv) + "\n")
        yield Prepared(argv=argv, paths=paths, nonce=nonce)
    finally:
        sockets.remove()
        initrd.unlink(missing_ok=True)
        disk.unlink(missing_ok=True)


def _write_initrd(initrd: Path, rootfs: Path, conf: bytes) -> None:
    """Root file system, then the cell's archive: the kernel unpacks one after the other.

    Between two archives it skips zero bytes, and wants the next on a 4-byte boundary (init/initramfs.c,
    unpack_to_rootfs(), v2.6.12 and later).
    """
    shutil.copyfile(rootfs, initrd)
    with initrd.open("ab") as out:
        out.write(b"\0" * (-out.tell() % 4))
        out.write(conf)


def boot_once(
    cell: Cell,
    image: KernelImage,
    rootfs: RootfsImage,
    *,
    directory: Path,
    accel: AccelChoice,
    deadline: Deadline,
    listener: Listener,
    parser: SplatParser | None = None,
) -> Evidence:
    """Boot a cell once and return the facts. What it produced is in `directory`, whatever happens.

    Raises InfraError or UserError when QEMU does not start, Interrupted after the guest was stopped.
    """
    with prepared(cell, image, rootfs, directory=directory, accel=accel) as ready:
        watch = Watch(cell, ready, directory, listener, parser or stream_parser(), image)
        with watch.machine, watch.files():
            watch.machine.start(deadline)
            try:
                watch.until_end(deadline)
                watch.ask_if_hung()
            finally:
                how = watch.machine.stop()
                evidence = watch.evidence(how)
        if watch.interrupted:
            raise Interrupted("interrupted while the guest ran; its logs are kept")
        return evidence


class Watch:
    """Follows every channel of a running machine and decides when the boot is over."""

    def __init__(
        self,
        cell: Cell,
        ready: Prepared,
        directory: Path,
        listener: Listener,
        parser: SplatParser,
        image: KernelImage,
    ) -> None:
        self.cell = cell
        self.image = image
        self.directory = directory
        self.listener = listener
        self.interrupted = False
        self.machine = Machine(
            ready.argv,
            qmp=ready.paths.qmp,
            serial=ready.paths.serial,
            log=directory / "qemu.log",
            own_words=cell.machine.qemu_args,
        )
        self.splats = Splats(parser)
        self.console = Console(
            directory / "console.log", self.splats.feed, limit_bytes=cell.machine.console_limit_mib << 20
        )
        self.report = Report(ready.nonce, self._on_counters)
        self.port = ControlPort(ready.paths.control, directory / "control.log", self.report)
        self._began = clock.monotonic()
        self._deadline_hit = False
        self._panicked = False
        self._fatal = False
        self._host_error = ""
        self._last_line = ""
        self._boot_seconds = 0.0
        self._polls = 0
        self._settle: Deadline | None = None
        self._work: Deadline | None = None
        self._work_began = 0.0
        self._work_seconds = 0.0

    @contextmanager
    def files(self) -> Iterator[None]:
        """Close the channels at the end."""
        try:
            yield
        finally:
            self.console.close()
            self.port.close()

    def _on_counters(self, counters: Mapping[str, int]) -> None:
        self.listener(Event(kind="cell-progress", subject=self.cell.id, counters=dict(counters)))

    def until_end(self, deadline: Deadline) -> None:
        """Watch until QEMU is gone or the boot has to be ended."""
        boot = deadline.within(self.cell.machine.boot_seconds)
        while True:
            gone = not self.machine.running()  # asked first: what it said before it went is read below
            busy = self._read()
            if gone or self._must_end(boot, deadline):
                return
            if not busy:
                clock.sleep(POLL_SECONDS)

    def _read(self) -> bool:
        """Take in what every channel has; whether there was anything."""
        before = self.console.bytes
        self._note_oopses(self.console.poll())
        busy = self.port.poll()
        for event in self.machine.events():
            self._panicked = self._panicked or event.get("event") in PANIC_EVENTS
        self._panicked = self._panicked or self.console.facts.panicked
        if self.report.booted and not self._boot_seconds:
            self._boot_seconds = clock.monotonic() - self._began
        return busy or self.console.bytes != before

    def _note_oopses(self, oopses: list[object]) -> None:
        for oops in oopses:
            self._fatal = self._fatal or getattr(oops, "type", "") not in NON_FATAL_TYPES
            self.listener(Event(kind="cell-oops", subject=self.cell.id, text=str(getattr(oops, "title", ""))))

    def _must_end(self, boot: Deadline, deadline: Deadline) -> bool:
        if proc.cancelled():
            self.interrupted = True
        if self._disk_full():
            self._host_error = f"the disk that holds {self.directory} is full"
        if self.console.facts.bad_clock and not self._host_error:
            self._host_error = f"the guest misjudged its clock on a busy host: {self.console.facts.bad_clock}"
        if self.interrupted or self._host_error or self.console.flooded:
            return True
        if self._settle is None:
            self._settle = self._settling()
        if self._settle is not None and self._settle.expired():
            return True
        if self._work is None and self.report.ready:
            self._work = Deadline.after(self.cell.workload.duration_s + WORK_MARGIN_SECONDS)
            self._work_began = clock.monotonic()
        if self._work_began and self.report.stop_why and not self._work_seconds:
            self._work_seconds = clock.monotonic() - self._work_began
        if self._settle is None and (self._work or boot).within(deadline.remaining()).expired():
            self._deadline_hit = True
            return True
        return deadline.expired()

    def _settling(self) -> Deadline | None:
        """Once the outcome is known the guest gets a short while to finish its last words and leave."""
        if self._panicked or self._fatal:
            return Deadline.after(PANIC_SECONDS)
        if self.report.exit_code is not None:
            return Deadline.after(POWEROFF_SECONDS)
        return None

    def _disk_full(self) -> bool:
        """QEMU drops console bytes silently when the disk is full: look in time."""
        self._polls += 1
        return self._polls % DISK_EVERY == 1 and shutil.disk_usage(self.directory).free < DISK_RESERVE_BYTES

    def ask_if_hung(self) -> None:
        """A guest that ran into its deadline is asked for its state before it is stopped."""
        if not self._deadline_hit or not self.machine.running():
            return
        self._note_oopses(self.console.drain())
        self._last_line = self.console.facts.last_line
        self._note_oopses(self.splats.close())
        registers = self.machine.hang_state(Deadline.after(30))
        if registers:
            files.write_atomic(self.directory / "hang-registers.txt", registers.replace("\r\n", "\n"))

    def evidence(self, how: StopHow) -> Evidence:
        """Everything that is known once QEMU is gone; also writes oops-N.txt and counters.json."""
        self._note_oopses(self.console.drain())
        self._note_oopses(self.splats.close())
        while self.port.poll():
            pass
        self._read()
        code = self.machine.exit_code()
        if how is StopHow.ITSELF and code and not self._host_error:
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
            self._host_error = ": ".join(part for part in (f"QEMU {ended}", self.machine.said()) if part)
        files.write_json(self.directory / "counters.json", self._counters())
        return self._facts(self.splats.write(self.directory, self.console.path, self.image), code)

    def _counters(self) -> dict[str, int]:
        """The last sample; where a crash came before it, what the detector's report tells."""
        told = self.console.facts.recompressions
        known = self.report.counters
        return {**known, _AGAIN: max(told, known.get(_AGAIN, 0))} if told else dict(known)

    def _facts(self, oopses: tuple[OopsSummary, ...], code: int | None) -> Evidence:
        report = self.report
        return Evidence(
            booted=report.booted,
            ready=report.ready,
            exit_code=report.exit_code,
            stop_why=report.stop_why,
            deadline_hit=self._deadline_hit,
            panicked=self._panicked,
            qemu_exit=code,
            guest_errors=tuple(report.errors),
            corruptions=tuple(report.corruptions),
            oopses=oopses,
            overrun_lines=self.console.facts.overruns,
            counters=self._counters(),
            console_bytes=self.console.bytes,
            last_line=(self._last_line or self.console.facts.last_line)[:500],
            flooded=self.console.flooded,
            boot_seconds=round(self._boot_seconds, 3),
            seconds=round(clock.monotonic() - self._began, 3),
            work_seconds=round(self._work_seconds, 3),
            guest_work_seconds=round(report.ran_seconds, 3),
            host_error=self._host_error,
        )
