"""The host's side of a dialogue on the guest's serial line: one command, or a person at a terminal."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
from collections.abc import Callable
from typing import Any, Protocol, cast

from kzram_ci.base.clock import Deadline
from kzram_ci.guest.conf import PATH as CONF
from kzram_ci.guest.stdin import StdinPort
from kzram_ci.run.boot_state import BootState, DialogueOver, Input, WorkBegan
from kzram_ci.run.follow import POLL_SECONDS
from kzram_ci.vm.argv import STDIN_PORT

ESCAPE = b"\x1d"  # Ctrl-]
END = b"\x04"  # Ctrl-D
ASK_SECONDS = 1.0  # between two questions to a shell that does not answer yet
END_SECONDS = 1.0  # between two Ctrl-D, until a shell has read one
PATIENCE_SECONDS = 30.0  # a kernel without the control port never says that init runs
_TAINTED = "/proc/sys/kernel/tainted"
STEPS_AT_ONCE = 500  # lines of output handed on in one poll: a command that never stops must not outlive its deadline
# Where devtmpfs is missing, nodes are made by mdev. A kernel without the port gets an empty input, and says so.
_FIND_STDIN = f"""\
for p in /sys/class/virtio-ports/*; do
[ "$(cat "$p/name" 2>/dev/null)" = {STDIN_PORT} ] && STDIN="/dev/${{p##*/}}"; done
[ -e "${{STDIN:=/dev/null}}" ] || mdev -s
[ "$STDIN" != /dev/null ] || echo "no virtio port {STDIN_PORT}: standard input is empty" >&2
"""


class Dialogue(Protocol):
    """A channel that can wake the loop, and that follows the state."""

    def poll(self) -> list[Input]:
        """What is new. Never waits."""

    def observe(self, given: Input, state: BootState) -> None:
        """Take note of an input that came on some channel."""

    def wait(self) -> None:
        """Until there is something to read, or a moment."""

    def close(self) -> None:
        """Let go of what is open."""


def _wait_for(*descriptors: int) -> None:
    """Wake as soon as there is something to read.

    A line that lies unread for 10 ms loses characters: QEMU writes one at a time, some 280 of them fill the socket, and
    the kernel's console driver waits no longer (drivers/tty/serial/8250/8250_port.c, wait_for_xmitr()).
    """
    select.select(descriptors, (), (), POLL_SECONDS)


class CommandDialogue:
    """The command of the guest's configuration: wait for the shell, start it, hand on its output, find its status."""

    def __init__(
        self, serial: socket.socket, nonce: str, output: Callable[[str], None], stdin: StdinPort | None
    ) -> None:
        """`stdin`: what the command reads; None: the guest's terminal."""
        from pexpect.fdpexpect import fdspawn

        self._child: Any = fdspawn(serial.fileno(), timeout=0, encoding="utf-8", codec_errors="replace")
        self._here = re.escape(f"<{nonce}>")
        self._typed = f'"<{nonce}"">"'  # the echo of what is typed must not look like the answer
        self._output = output
        self._stdin = stdin
        self._stage: Callable[[], list[Input] | None] = self._greet
        self._ready = False
        self._patience = Deadline.after(PATIENCE_SECONDS)
        self._ask_again = Deadline.after(0)

    def poll(self) -> list[Input]:
        """One step of the dialogue as soon as the guest has printed what it waits for."""
        from pexpect import EOF

        if self._stdin is not None:
            self._stdin.poll()
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
        """A shell that is not there yet would be asked in vain, and asked again only after a while."""
        self._ready = state.ready_at is not None

    def wait(self) -> None:
        """Until the guest prints something or there is input for it, or a moment."""
        _wait_for(self._child.child_fd, *(self._stdin.waiting_for() if self._stdin is not None else ()))

    def close(self) -> None:
        """The line is the session's."""

    def _came(self, *patterns: str) -> int:
        """Which pattern (from 1) the guest has printed; 0: none yet. Raises EOF."""
        from pexpect import TIMEOUT

        which: int = self._child.expect([TIMEOUT, *patterns], timeout=0)
        return which

    def _greet(self) -> list[Input] | None:
        if self._came(self._here + "ready"):
            if self._stdin is not None:
                for line in _FIND_STDIN.splitlines():
                    self._child.sendline(line)
            reading = ' <"$STDIN"' if self._stdin is not None else ""
            self._child.sendline(f'COMMAND=$(. /{CONF}; printf %s "$COMMAND")')
            # One line: a shell that edits lines echoes what is typed, and none of that may follow `begin`.
            run = f'(eval "$COMMAND"){reading}'
            self._child.sendline(f"echo {self._typed}begin; {run}; echo {self._typed}end:$?:$(cat {_TAINTED})\\;")
            self._stage = self._begin
            return []
        if (self._ready or self._patience.expired()) and self._ask_again.expired():
            self._child.sendline(f"stty -echo; PS1=; PS2=; echo {self._typed}ready")
            self._ask_again = Deadline.after(ASK_SECONDS)
        return None

    def _begin(self) -> list[Input] | None:
        if not self._came(self._here + "begin\r?\n"):
            return None
        self._stage = self._running
        return [WorkBegan()]

    def _running(self) -> list[Input] | None:
        which = self._came(self._here + r"end:(\d+):(\d*);", "\n")
        if not which:
            return None
        text = str(self._child.before).replace("\r", "")
        if which == 1:
            self._output(text)
            self._stage = lambda: None
            status, tainted = (str(word) for word in cast("re.Match[str]", self._child.match).groups())
            return [DialogueOver(code=int(status), tainted=int(tainted or 0))]
        self._output(text + "\n")
        return []


class TerminalDialogue:
    """A person at the guest's console; or a pipe, whose end is the end of the guest's shell."""

    def __init__(self, serial: socket.socket, keyboard: int) -> None:
        self._serial = serial
        self._keyboard: int | None = keyboard
        self._ready = False
        self._patience = Deadline.after(PATIENCE_SECONDS)
        self._end_again = Deadline.after(0)

    def observe(self, given: Input, state: BootState) -> None:
        """What is typed before there is a shell would be lost in a port that is not open yet."""
        self._ready = state.ready_at is not None

    def poll(self) -> list[Input]:
        """Hand on what the guest printed and what was typed."""
        try:
            return self._exchange()
        except OSError:  # QEMU is gone
            return [DialogueOver()]

    def _exchange(self) -> list[Input]:
        readable, _, _ = select.select(self._open(), (), (), 0)
        if self._serial.fileno() in readable:
            data = self._serial.recv(65536)
            if not data:
                return [DialogueOver()]
            os.write(sys.stdout.fileno(), data)
        if self._keyboard is not None and self._keyboard in readable:
            typed = os.read(self._keyboard, 4096)
            if not typed:
                self._keyboard = None
            if ESCAPE in typed:
                return [DialogueOver()]
            self._serial.sendall(typed)
        if self._keyboard is None and self._end_again.expired():
            self._serial.sendall(END)
            self._end_again = Deadline.after(END_SECONDS)
        return []

    def _open(self) -> tuple[int, ...]:
        listening = self._keyboard is not None and (self._ready or self._patience.expired())
        return (
            (self._serial.fileno(), self._keyboard)
            if listening and self._keyboard is not None
            else (self._serial.fileno(),)
        )

    def wait(self) -> None:
        """Until the guest prints or the person types something, or a moment."""
        _wait_for(*self._open())

    def close(self) -> None:
        """The line is the session's."""
