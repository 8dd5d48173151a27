"""One command in a guest by ssh: its own standard output and error, byte for byte, and its exit code."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable
from contextlib import suppress

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.guest.messages import Message
from kzram_ci.run.boot_state import BootState, DialogueOver, Input, WorkBegan
from kzram_ci.run.dialogue import PATIENCE_SECONDS
from kzram_ci.run.follow import nap
from kzram_ci.run.ssh import Door

AGAIN_SECONDS = 1.0  # between two tries to connect: sshd may not listen yet
LINK_SECONDS = 10.0  # a crash cuts the link, and is known a moment later: it outranks the lost link
LEAVE_SECONDS = 2.0  # for ssh to end after its command; a process left behind in the guest keeps it
CHUNK = 65536  # what a pipe holds
HELD_BYTES = 64  # of output that may be the beginning of the end


class SshDialogue:
    """Connects once the guest is ready, as often as it takes; the loop's deadlines end it."""

    def __init__(
        self,
        door: Door,
        line: str,
        nonce: str,
        output: Callable[[str], None],
        error: Callable[[str], None],
        *,
        stdin: int | None = None,
    ) -> None:
        """`stdin`: a descriptor that the command reads to its end; None: it reads nothing."""
        self._begin = f"<{nonce}>begin".encode()
        self._end = re.compile(f"<{nonce}>".encode() + rb"(\d+):(\d*);")
        taint = "$(cat /proc/sys/kernel/tainted 2>/dev/null)"
        tail = f's=$?; printf "<{nonce}>%s:%s;" $s "{taint}"'
        self._argv = (*door.argv("-o", "BatchMode=yes"), f"printf '<{nonce}>begin'; ({line}\n); {tail}")
        self._texts = tuple(codecs.getincrementaldecoder("utf-8")("replace") for _ in range(2))
        self._tell = (output, error)
        self._stdin = stdin
        self._child: proc.Child | None = None
        self._streams: tuple[int, ...] = ()
        self._pending = b""
        self._begun = self._ready = False
        self._lost: Deadline | None = None
        self._over: DialogueOver | None = None
        self._leave = Deadline.after(0)
        self._patience = Deadline.after(PATIENCE_SECONDS)
        self._again = Deadline.after(0)
        self.said = ""  # ssh's own last word

    def observe(self, given: Input | Message, state: BootState) -> None:
        """There is no sshd before init says that the guest is ready."""
        self._ready = state.ready_at is not None

    def poll(self) -> list[Input]:
        """Connect, or hand on what came."""
        if self._lost is not None:
            why = f"the ssh link was lost{': ' if self.said else ''}{self.said}"
            return [DialogueOver(why=why)] if self._lost.expired() else []
        if self._child is None:
            if (self._ready or self._patience.expired()) and self._again.expired():
                self._connect()
            return []
        gone = self._child.poll() is not None  # asked first: what it wrote before is read below
        found = self._outputs(_read(self._streams[0]))
        self._errors(_read(self._streams[1]))
        if self._over is not None:  # its standard error may still be on the way
            return [*found, self._over] if gone or self._leave.expired() else found
        if gone:
            self._dropped()
        return found

    def wait(self) -> None:
        """A moment."""
        nap()

    def close(self) -> None:
        """End ssh."""
        if self._child is not None:
            proc.stop(self._child)
        for stream in self._streams:
            with suppress(OSError):
                os.close(stream)
        self._child, self._streams = None, ()

    def _connect(self) -> None:
        ours, theirs = zip(os.pipe(), os.pipe(), strict=True)
        for stream in ours:
            os.set_blocking(stream, False)
        try:
            if self._stdin is None:
                self._child = proc.spawn(self._argv, stdout=theirs[0], stderr=theirs[1])
            else:
                self._child = proc.spawn(self._argv, stdin=self._stdin, stdout=theirs[0], stderr=theirs[1])
        finally:
            for stream in theirs:
                os.close(stream)
        self._streams = ours

    def _outputs(self, data: bytes) -> list[Input]:
        self._pending += data
        found: list[Input] = []
        if not self._begun:
            _, mark, rest = self._pending.partition(self._begin)
            if not mark:
                return []
            self._begun, self._pending = True, rest
            found.append(WorkBegan())
        if match := self._end.search(self._pending):
            self._say(0, self._pending[: match.start()])
            self._pending = b""
            self._over = DialogueOver(code=int(match[1]), tainted=int(match[2] or 0))
            self._leave = Deadline.after(LEAVE_SECONDS)
            return found
        held = self._pending.rfind(b"<", max(0, len(self._pending) - HELD_BYTES))
        upto = len(self._pending) if held < 0 else held
        self._say(0, self._pending[:upto])
        self._pending = self._pending[upto:]
        return found

    def _errors(self, data: bytes) -> None:
        if self._begun:
            self._say(1, data)
        if lines := data.decode("utf-8", "replace").split("\n"):
            self.said = next((line.strip() for line in reversed(lines) if line.strip()), self.said)

    def _say(self, stream: int, data: bytes) -> None:
        if data:
            self._tell[stream](self._texts[stream].decode(data))

    def _dropped(self) -> None:
        """Before the command began it is tried again; afterwards the link is lost, and what was held is output."""
        self.close()
        if not self._begun:
            self._again = Deadline.after(AGAIN_SECONDS)
            return
        self._say(0, self._pending)
        self._lost = Deadline.after(LINK_SECONDS)


def _read(stream: int) -> bytes:
    try:
        return os.read(stream, CHUNK)
    except BlockingIOError:
        return b""
