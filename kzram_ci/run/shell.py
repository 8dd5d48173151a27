"""A dialogue with a guest on its serial line: one command for programs, or a shell for a person."""

from __future__ import annotations

import os
import re
import select
import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from kzram_ci.base import clock
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted
from kzram_ci.guest.control import ControlPort
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage, RootfsImage
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import AccelChoice
from kzram_ci.run.boot_state import BootState, DialogueOver, Ending, Input, Limits, WorkBegan
from kzram_ci.run.channels import Channel, ControlChannel, HostChannel, MonitorChannel
from kzram_ci.run.follow import POLL_SECONDS, follow
from kzram_ci.run.prepare import machine_for, prepared
from kzram_ci.vm.qemu import Machine

ESCAPE = b"\x1d"  # Ctrl-]
ASK_SECONDS = 2.0  # between two questions to a shell that does not answer yet
STEPS_AT_ONCE = 500  # lines of output handed on in one poll: a command that never stops must not outlive its deadline
INTERACTIVE_SECONDS = 86_400.0
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A guest with a shell on its serial line."""

    machine: Machine
    serial: socket.socket
    channels: tuple[Channel, ...]
    nonce: str
    boot_seconds: float


@contextmanager
def session(
    cell: Cell, image: KernelImage, rootfs: RootfsImage, *, directory: Path, accel: AccelChoice
) -> Iterator[Guest]:
    """Boot to a shell; the guest is gone when the block ends. Raises InfraError, UserError, Interrupted."""
    with (
        prepared(cell, image, rootfs, directory=directory, accel=accel, interactive=True) as ready,
        ExitStack() as stack,
    ):
        machine = stack.enter_context(machine_for(ready, cell, directory))
        port = ControlPort(ready.paths.control, directory / CellFile.CONTROL, ready.nonce)
        control = ControlChannel(port, limit_bytes=cell.machine.console_limit_mib << 20)
        stack.enter_context(closing(control))
        machine.start(Deadline.after(START_SECONDS))
        yield Guest(
            machine=machine,
            serial=stack.enter_context(machine.connect_serial(Deadline.after(10))),
            channels=(control, MonitorChannel(machine), HostChannel(directory)),
            nonce=ready.nonce,
            boot_seconds=cell.machine.boot_seconds,
        )


def shell_line(words: tuple[str, ...]) -> str:
    """One word is a line for the guest's shell; several are a program and its arguments."""
    return words[0] if len(words) == 1 else shlex.join(words)


def run_command(guest: Guest, line: str, *, seconds: float, output: Callable[[str], None]) -> int | None:
    """Run a line in the guest's shell, hand its output on as it comes, return its status.

    None: the guest went away (a crash, most likely). The command has `seconds` from its start. Raises InfraError at
    a deadline, Interrupted.
    """
    boot = Deadline.after(guest.boot_seconds)
    limits = Limits(boot_until=boot.at, until=boot.at + seconds, work_seconds=seconds, dialogue=True)
    state, end = _follow(guest, limits, _Command(guest, line, output))
    if end is Ending.HUNG and state.work_at is None:
        raise InfraError("the guest's shell did not answer before the boot deadline")
    if end is Ending.HUNG:
        raise InfraError(f"the command in the guest did not end within its {seconds:g} s")
    return None if state.dialogue is None else state.dialogue.code


def interact(guest: Guest) -> None:
    """Connect the terminal and the guest until it powers off or Ctrl-] is typed. Raises InfraError, Interrupted."""
    import termios
    import tty

    until = Deadline.after(INTERACTIVE_SECONDS).at
    # a person may want to look at a guest that crashed
    limits = Limits(boot_until=until, until=until, work_seconds=INTERACTIVE_SECONDS, dialogue=True, crash_ends=False)
    keyboard = sys.stdin.fileno()
    saved = termios.tcgetattr(keyboard) if os.isatty(keyboard) else None
    try:
        if saved is not None:
            tty.setraw(keyboard)
        _follow(guest, limits, _Terminal(guest, keyboard))
    finally:
        if saved is not None:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)


def _follow(guest: Guest, limits: Limits, dialogue: _Command | _Terminal) -> tuple[BootState, Ending]:
    start = BootState(limits=limits, began=clock.monotonic())
    state, end = follow(start, (*guest.channels, dialogue), guest.machine, dialogue.observe, wait=dialogue.wait)
    if end is Ending.INTERRUPTED:
        raise Interrupted("interrupted; the guest was stopped")
    if state.host_error and state.dialogue is None:
        raise InfraError(state.host_error)
    return state, end


def _wait_for(*descriptors: int) -> None:
    """Wake as soon as there is something to read.

    A line that lies unread for 10 ms loses characters: QEMU writes one at a time, some 280 of them fill the socket, and
    the kernel's console driver waits no longer (drivers/tty/serial/8250/8250_port.c, wait_for_xmitr()).
    """
    select.select(descriptors, (), (), POLL_SECONDS)


class _Command:
    """One command: wait for the shell, start it, hand on what it prints, find its status."""

    def __init__(self, guest: Guest, line: str, output: Callable[[str], None]) -> None:
        from pexpect.fdpexpect import fdspawn

        self._child: Any = fdspawn(guest.serial.fileno(), timeout=0, encoding="utf-8", codec_errors="replace")
        self._here = re.escape(f"<{guest.nonce}>")
        self._typed = f'"<{guest.nonce}"">"'  # the echo of what is typed must not look like the answer
        self._line = line
        self._output = output
        self._stage: Callable[[], list[Input] | None] = self._greet
        self._ask_again = Deadline.after(0)

    def poll(self) -> list[Input]:
        """One step of the dialogue as soon as the guest has printed what it waits for."""
        from pexpect import EOF

        try:
            found: list[Input] = []
            for _ in range(STEPS_AT_ONCE):
                if (more := self._stage()) is None:
                    break
                found += more
            return found
        except (EOF, OSError):
            return [DialogueOver()]

    def observe(self, given: Input, state: BootState) -> None:
        """The dialogue follows the serial line only."""

    def wait(self) -> None:
        """Until the guest prints something, or a moment."""
        _wait_for(self._child.child_fd)

    def close(self) -> None:
        """The line is the session's."""

    def _came(self, *patterns: str) -> int:
        """Which pattern (from 1) the guest has printed; 0: none yet. Raises EOF."""
        from pexpect import TIMEOUT

        which: int = self._child.expect([TIMEOUT, *patterns], timeout=0)
        return which

    def _greet(self) -> list[Input] | None:
        if self._came(self._here + "ready"):
            quoted = shlex.quote(self._line)
            self._child.sendline(f"echo {self._typed}begin; (eval {quoted}); echo {self._typed}end:$?")
            self._stage = self._begin
            return []
        if self._ask_again.expired():
            self._child.sendline(f"stty -echo; PS1=; PS2=; echo {self._typed}ready")
            self._ask_again = Deadline.after(ASK_SECONDS)
        return None

    def _begin(self) -> list[Input] | None:
        if not self._came(self._here + "begin\r?\n"):
            return None
        self._stage = self._running
        return [WorkBegan()]

    def _running(self) -> list[Input] | None:
        which = self._came(self._here + r"end:(\d+)", "\n")
        if not which:
            return None
        text = str(self._child.before).replace("\r", "")
        if which == 1:
            self._output(text)
            self._stage = lambda: None
            return [DialogueOver(code=int(str(cast("re.Match[str]", self._child.match).group(1))))]
        self._output(text + "\n")
        return []


class _Terminal:
    """A person, or a pipe, at the guest's console."""

    def __init__(self, guest: Guest, keyboard: int) -> None:
        self._serial = guest.serial
        self._keyboard: int | None = keyboard
        self._listening = False

    def observe(self, given: Input, state: BootState) -> None:
        """What is typed before init runs would be lost in a port that is not open yet."""
        self._listening = state.booted_at is not None

    def _open(self) -> tuple[int, ...]:
        keyboard = (self._keyboard,) if self._keyboard is not None and self._listening else ()
        return (self._serial.fileno(), *keyboard)

    def poll(self) -> list[Input]:
        """Hand on what the guest printed and what was typed."""
        readable, _, _ = select.select(self._open(), (), (), 0)
        if self._serial.fileno() in readable:
            data = self._serial.recv(65536)
            if not data:
                return [DialogueOver()]
            os.write(sys.stdout.fileno(), data)
        if self._keyboard is not None and self._keyboard in readable:
            typed = os.read(self._keyboard, 4096)
            if not typed:
                self._keyboard = None  # a pipe ended; the guest may still print something
            if ESCAPE in typed:
                return [DialogueOver()]
            self._serial.sendall(typed)
        return []

    def wait(self) -> None:
        """Until the guest prints or the person types something, or a moment."""
        _wait_for(*self._open())

    def close(self) -> None:
        """The line is the session's."""
