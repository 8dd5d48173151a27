"""A dialogue with a guest on its serial line: one command for programs, or a shell for a person."""

from __future__ import annotations

import os
import re
import select
import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted
from kzram_ci.guest.control import ControlPort, Report
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage, RootfsImage
from kzram_ci.model.machine import AccelChoice
from kzram_ci.run.boot import prepared
from kzram_ci.vm.qemu import Machine

ESCAPE = b"\x1d"  # Ctrl-]
POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A guest with a shell on its serial line."""

    machine: Machine
    serial: socket.socket
    port: ControlPort
    nonce: str


@contextmanager
def session(
    cell: Cell, image: KernelImage, rootfs: RootfsImage, *, directory: Path, accel: AccelChoice, deadline: Deadline
) -> Iterator[Session]:
    """Boot to a shell; the guest is gone when the block ends. Raises InfraError, UserError, Interrupted."""
    with prepared(cell, image, rootfs, directory=directory, accel=accel, interactive=True) as ready:
        report = Report(ready.nonce, lambda counters: None)
        port = ControlPort(ready.paths.control, directory / "control.log", report)
        machine = Machine(
            ready.argv,
            qmp=ready.paths.qmp,
            serial=ready.paths.serial,
            log=directory / "qemu.log",
            own_words=cell.machine.qemu_args,
        )
        try:
            with machine:
                machine.start(deadline)
                with machine.connect_serial(deadline.within(10)) as serial:
                    yield Session(machine=machine, serial=serial, port=port, nonce=ready.nonce)
        finally:
            port.close()


def shell_line(words: tuple[str, ...]) -> str:
    """One word is a line for the guest's shell; several are a program and its arguments."""
    return words[0] if len(words) == 1 else shlex.join(words)


def run_command(
    guest: Session, line: str, *, boot: Deadline, deadline: Deadline, output: Callable[[str], None]
) -> int | None:
    """Run a line in the guest's shell, hand its output on as it comes, return its status.

    None: the guest went away (a crash, most likely). Raises InfraError at a deadline, Interrupted.
    """
    from pexpect import EOF
    from pexpect.fdpexpect import fdspawn

    child = fdspawn(guest.serial.fileno(), timeout=POLL_SECONDS, encoding="utf-8", codec_errors="replace")
    here = f"<{guest.nonce}>"
    typed = f'"<{guest.nonce}"">"'  # the echo of what is typed must not look like the answer
    try:
        while not _expect(guest, child, [re.escape(here) + "ready"], boot.within(2), patient=False):
            if boot.expired():
                raise InfraError("the guest's shell did not answer before the boot deadline")
            guest.port.poll()
            child.sendline(f"stty -echo; PS1=; PS2=; echo {typed}ready")
        child.sendline(f"echo {typed}begin; (eval {shlex.quote(line)}); echo {typed}end:$?")
        _expect(guest, child, [re.escape(here) + "begin\r?\n"], deadline)
        while True:
            which = _expect(guest, child, [re.escape(here) + r"end:(\d+)", "\n"], deadline)
            text = str(child.before).replace("\r", "")
            if which == 1:
                output(re.sub(r"\r$", "", text))
                return int(str(cast(re.Match[str], child.match).group(1)))
            output(text + "\n")
    except (EOF, OSError):
        return None


def _expect(guest: Session, child: Any, patterns: list[str], deadline: Deadline, *, patient: bool = True) -> int:
    """Which pattern (from 1) came; 0 at the deadline of an impatient caller. Raises EOF, InfraError, Interrupted."""
    from pexpect import TIMEOUT

    while True:
        which: int = child.expect([TIMEOUT, *patterns], timeout=POLL_SECONDS)
        if which:
            return which
        guest.port.poll()
        if proc.cancelled():
            raise Interrupted("interrupted while the guest ran")
        if deadline.expired():
            if patient:
                raise InfraError("the command in the guest did not end before its deadline")
            return 0


def interact(guest: Session) -> None:
    """Connect the terminal and the guest until it powers off or Ctrl-] is typed."""
    import termios
    import tty

    keyboard = sys.stdin.fileno()
    saved = termios.tcgetattr(keyboard) if os.isatty(keyboard) else None
    try:
        if saved is not None:
            tty.setraw(keyboard)
        _pump(guest, keyboard)
    finally:
        if saved is not None:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)


def _pump(guest: Session, keyboard: int) -> None:
    keyboard_open = True
    while guest.machine.running() and not proc.cancelled():
        guest.port.poll()
        # what is typed before init runs would be lost in a port that nobody has opened
        listen = (keyboard,) if keyboard_open and guest.port.report.booted else ()
        readable, _, _ = select.select((guest.serial.fileno(), *listen), (), (), POLL_SECONDS)
        if guest.serial.fileno() in readable:
            data = guest.serial.recv(65536)
            if not data:
                return
            os.write(sys.stdout.fileno(), data)
        if keyboard in readable:
            typed = os.read(keyboard, 4096)
            if not typed:
                keyboard_open = False  # a pipe ended; the guest may still have something to say
            if ESCAPE in typed:
                return
            guest.serial.sendall(typed)
