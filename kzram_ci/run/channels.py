"""What a boot can be heard on: each channel is asked without waiting and answers with inputs of the state machine."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kzram_ci.base import proc
from kzram_ci.base.errors import InfraError
from kzram_ci.guest.control import ControlPort
from kzram_ci.guest.kernel_lines import KernelLines
from kzram_ci.oops import StreamParser
from kzram_ci.run.boot_state import (
    ConsoleRead,
    ControlFlooded,
    HostFailed,
    Input,
    MonitorEvent,
    OopsFound,
    OperatorStop,
)
from kzram_ci.vm.console import Console
from kzram_ci.vm.qemu import Machine

DISK_RESERVE_BYTES = 32 << 20
DISK_EVERY = 100  # polls between two looks at the disk


class Channel(Protocol):
    """One way to hear of a boot."""

    def poll(self) -> Sequence[Input]:
        """What is new. Never waits."""

    def close(self) -> None:
        """Let go of sockets and files."""


class ConsoleChannel:
    """The kernel's log: its oopses, and the facts in single lines."""

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        self._console = Console(path, limit_bytes=limit_bytes)
        self._lines = KernelLines()
        self._parser = StreamParser()
        self._finished = False

    def poll(self) -> list[Input]:
        """What is new in the log."""
        data = b"" if self._finished else self._console.poll()
        return self._take(data) if data else []

    def finish(self) -> list[Input]:
        """The rest of the log. What comes later does not count: sysrq's stacks are our doing, not the kernel's."""
        if self._finished:
            return []
        found = [given for data in self._console.drain() for given in self._take(data)]
        self._finished = True
        self._lines.finish()
        return [*found, self._read(), *(OopsFound(oops=oops) for oops in self._parser.finish())]

    def _take(self, data: bytes) -> list[Input]:
        self._lines.feed(data)
        return [self._read(), *(OopsFound(oops=oops) for oops in self._parser.feed(data))]

    def _read(self) -> ConsoleRead:
        return ConsoleRead(bytes=self._console.bytes, flooded=self._console.flooded, facts=self._lines.facts)

    def close(self) -> None:
        """Close the log."""
        self._console.close()


class ControlChannel:
    """The guest's own port. A log of it that cannot be written ends the boot, not what is known of it."""

    def __init__(self, port: ControlPort, *, limit_bytes: int) -> None:
        self._port = port
        self._limit = limit_bytes

    def poll(self) -> list[Input]:
        """The guest's messages."""
        try:
            found: list[Input] = [*self._port.poll()]
        except InfraError as error:
            return [HostFailed(why=str(error))]
        return [*found, ControlFlooded()] if self._port.bytes > self._limit else found

    def finish(self) -> list[Input]:
        """All that is left, up to the limit."""
        found: list[Input] = []
        while (more := self.poll()) and not isinstance(more[-1], ControlFlooded | HostFailed):
            found += more
        return [*found, *more]

    def close(self) -> None:
        """Close the port."""
        self._port.close()


class MonitorChannel:
    """QEMU's own events."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def poll(self) -> list[Input]:
        """Events since the last call."""
        return [MonitorEvent(name=str(event.get("event", ""))) for event in self._machine.events()]

    def close(self) -> None:
        """The monitor is the machine's."""


class HostChannel:
    """The operator's wish to stop, and a disk that fills up."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._polls = 0

    def poll(self) -> list[Input]:
        """QEMU drops console bytes silently when the disk is full: look in time."""
        found: list[Input] = [OperatorStop()] if proc.cancelled() else []
        self._polls += 1
        if self._polls % DISK_EVERY == 1 and shutil.disk_usage(self._directory).free < DISK_RESERVE_BYTES:
            found.append(HostFailed(why=f"the disk that holds {self._directory} is full"))
        return found

    def close(self) -> None:
        """Nothing is open."""
