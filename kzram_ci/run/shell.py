"""A guest with a shell on its serial line: one command for programs, or a console for a person."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from kzram_ci.base import clock
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted
from kzram_ci.base.values import dataclass
from kzram_ci.guest.control import ControlPort
from kzram_ci.guest.stdin import StdinPort
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage, RootfsImage
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import AccelChoice
from kzram_ci.run.boot_limits import Limits
from kzram_ci.run.boot_state import BootState, DialogueOver, Ending
from kzram_ci.run.channels import Channel, ControlChannel, HostChannel, MonitorChannel
from kzram_ci.run.dialogue import CommandDialogue, Dialogue, TerminalDialogue
from kzram_ci.run.follow import follow
from kzram_ci.run.prepare import Talk, machine_for, prepared
from kzram_ci.run.ssh import Door
from kzram_ci.run.ssh_dialogue import SshDialogue
from kzram_ci.vm.qemu import Machine

INTERACTIVE_SECONDS = 86_400.0
START_SECONDS = 120.0
WITHOUT_SSH = "look at the root's sshd: the same command without --ssh runs on the console"
EXIT_SETUP = 4  # of init: what was asked for could not be set up


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A guest with a shell on its serial line."""

    machine: Machine
    serial: socket.socket
    channels: tuple[Channel, ...]
    nonce: str
    boot_seconds: float
    stdin: StdinPort | None
    gdb: str = ""  # the socket of its debugger, which it waits for


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """How a dialogue ended. code: of the command, None when the guest went away before its end.

    why: of an end that was neither the command's nor the guest's. errors: what init could not do, in its words.
    refused: it ended the guest for that, before the command.
    """

    code: int | None = None
    tainted: int = 0
    panicked: bool = False
    why: str = ""
    errors: tuple[str, ...] = ()
    refused: bool = False


@contextmanager
def session(
    cell: Cell,
    image: KernelImage,
    rootfs: RootfsImage,
    *,
    directory: Path,
    accel: AccelChoice,
    command: str = "",
    stdin: int | None = None,
    gdb: bool = False,
    private: Mapping[str, bytes] | None = None,
) -> Iterator[Guest]:
    """Boot to a shell; the guest is gone when the block ends. Raises InfraError, UserError, Interrupted.

    `command` is the line that `run_command` runs; `stdin` a descriptor that it reads to the end, else the guest's
    terminal. `gdb`: the guest waits for a debugger, for a day. `private`: files for the guest's root alone, by path.
    """
    window = None if command else window_size()
    talk = Talk(command=command, stdin=stdin is not None, window=window, gdb=gdb, files=private or {})
    with (
        prepared(cell, image, rootfs, directory=directory, accel=accel, talk=talk) as ready,
        ExitStack() as stack,
    ):
        machine = stack.enter_context(machine_for(ready, cell, directory))
        port = ControlPort(ready.paths.control, directory / CellFile.CONTROL, ready.nonce)
        control = ControlChannel(port, limit_bytes=cell.machine.console_limit_mib << 20)
        stack.enter_context(closing(control))
        reading = None if stdin is None else stack.enter_context(closing(StdinPort(ready.paths.stdin, stdin)))
        machine.start(Deadline.after(START_SECONDS))
        yield Guest(
            machine=machine,
            serial=stack.enter_context(machine.connect_serial(Deadline.after(10))),
            channels=(control, MonitorChannel(machine), HostChannel(directory)),
            nonce=ready.nonce,
            boot_seconds=cell.machine.boot_seconds,
            stdin=reading,
            gdb=ready.paths.gdb,
        )


def shell_line(words: tuple[str, ...]) -> str:
    """One word is a line for the guest's shell; several are a program and its arguments."""
    return words[0] if len(words) == 1 else shlex.join(words)


def standard_input() -> int | None:
    """The descriptor that a command in the guest is to read; None for a terminal, which stays the person's."""
    try:
        descriptor = sys.stdin.fileno()
        return None if os.isatty(descriptor) else descriptor
    except (AttributeError, ValueError, OSError):  # closed
        return os.open(os.devnull, os.O_RDONLY)


def window_size() -> tuple[int, int] | None:
    """Rows and columns of the terminal, None where there is none."""
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except (AttributeError, ValueError, OSError):
        return None
    return (rows, columns) if rows and columns else None


def run_command(guest: Guest, *, seconds: float, output: Callable[[str], None]) -> Spoken:
    """Run the session's command, hand its output on as it comes, return its status.

    The command has `seconds` from its start; with a debugger there is no such limit, as the guest may stand still.
    Raises InfraError at a deadline, Interrupted.
    """
    limits = _limits(guest, seconds)
    state, end = _follow(guest, limits, CommandDialogue(guest.serial, guest.nonce, output, guest.stdin))
    return _in_time(state, end, limits, "the guest's shell")


def run_by_ssh(
    guest: Guest,
    door: Door,
    line: str,
    *,
    seconds: float,
    output: Callable[[str], None],
    error: Callable[[str], None],
    stdin: int | None = None,
) -> Spoken:
    """As `run_command`, by the guest's sshd: standard output and error apart, and nothing of it on the console."""
    limits = _limits(guest, seconds)
    guest.serial.close()  # connected and not read it would block the guest's console
    with closing(SshDialogue(door, line, guest.nonce, output, error, stdin=stdin)) as dialogue:
        state, end = _follow(guest, limits, dialogue)
        return _in_time(state, end, limits, "sshd in the guest", dialogue.said, hint=WITHOUT_SSH)


def _limits(guest: Guest, seconds: float) -> Limits:
    boot = Deadline.after(INTERACTIVE_SECONDS if guest.gdb else guest.boot_seconds)
    seconds = INTERACTIVE_SECONDS if guest.gdb else seconds
    return Limits(
        boot_until=boot.at, until=boot.at + seconds, work_seconds=seconds, dialogue=True, crash_ends=not guest.gdb
    )


def _in_time(state: BootState, end: Ending, limits: Limits, who: str, last: str = "", *, hint: str = "") -> Spoken:
    """What a command came to. Raises InfraError when it did not in its time."""
    if end is Ending.HUNG and state.work_at is None:
        why = next(iter(state.errors), last)
        raise InfraError(f"{who} did not answer before the boot deadline{': ' if why else ''}{why}", hint=hint)
    if end is Ending.HUNG:
        raise InfraError(f"the command in the guest did not end within its {limits.work_seconds:g} s")
    return _spoken(state)


def _spoken(state: BootState) -> Spoken:
    over = state.dialogue or DialogueOver()
    return Spoken(
        code=over.code,
        tainted=over.tainted,
        panicked=state.panicked,
        why=over.why,
        errors=state.errors,
        refused=state.work_at is None and state.exit_code == EXIT_SETUP,
    )


def interact(guest: Guest) -> Spoken:
    """Connect the terminal and the guest until it powers off or Ctrl-] is typed. Raises InfraError, Interrupted."""
    import termios
    import tty

    until = Deadline.after(INTERACTIVE_SECONDS).at
    # a person may want to look at a guest that crashed
    limits = Limits(boot_until=until, until=until, work_seconds=INTERACTIVE_SECONDS, dialogue=True, crash_ends=False)
    given = standard_input()
    keyboard = sys.stdin.fileno() if given is None else given
    saved = termios.tcgetattr(keyboard) if given is None else None
    try:
        if saved is not None:
            tty.setraw(keyboard)
        state, _ = _follow(guest, limits, TerminalDialogue(guest.serial, keyboard))
        return _spoken(state)
    finally:
        if saved is not None:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)


def _follow(guest: Guest, limits: Limits, dialogue: Dialogue) -> tuple[BootState, Ending]:
    start = BootState(limits=limits, began=clock.monotonic())
    state, end = follow(start, (*guest.channels, dialogue), guest.machine, dialogue.observe, wait=dialogue.wait)
    if end is Ending.INTERRUPTED:
        raise Interrupted("interrupted; the guest was stopped")
    if state.host_error and state.dialogue is None:
        raise InfraError(state.host_error)
    return state, end
