"""The guest's own port: JSON lines about counters, corruption and the end. Garbage is counted, never fatal."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.base.errors import InfraError

READ_BYTES = 1 << 16
POLL_BYTES = 1 << 22  # at most this much in one poll, so that a chatty guest cannot hold the caller
LINE_BYTES = 1 << 20  # the guest's lines are a few KiB; more without a newline is garbage
KEPT = 100  # corruptions and errors kept; the rest is in control.log


class Report:
    """What the guest has said so far. Pure: bytes in, fields out."""

    def __init__(self, nonce: str, on_counters: Callable[[Mapping[str, int]], None]) -> None:
        self.booted = False
        self.ready = False
        self.release = ""
        self.stop_why = ""
        self.ran_seconds = 0.0  # of the workload, by the guest's clock
        self.exit_code: int | None = None
        self.counters: dict[str, int] = {}
        self.corruptions: list[str] = []
        self.errors: list[str] = []
        self.garbage = 0
        self._nonce = nonce
        self._on_counters = on_counters
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere."""
        *lines, rest = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(rest) > LINE_BYTES:
            self.garbage += 1
            rest = b""
        self._partial = rest

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("ev"), str):
            self.garbage += 1
            return
        handler = getattr(self, f"_on_{message['ev']}", None)
        if handler is not None:
            handler(message)

    def _on_boot(self, message: Mapping[str, Any]) -> None:
        self.booted = True
        self.release = str(message.get("release", ""))

    def _on_ready(self, message: Mapping[str, Any]) -> None:
        self.booted = self.ready = True

    def _on_sample(self, message: Mapping[str, Any]) -> None:
        counters = message.get("counters")
        if isinstance(counters, dict):
            self._count(counters)

    def _on_progress(self, message: Mapping[str, Any]) -> None:
        """The workload's own figures, under a prefix of their own so that they cannot forge the kernel's."""
        self._count({f"workload.{name}": value for name, value in message.items() if name not in ("ev", "t")})

    def _count(self, counters: Mapping[str, Any]) -> None:
        whole = {str(k): v for k, v in counters.items() if isinstance(v, int) and not isinstance(v, bool)}
        self.counters.update(whole)
        self._on_counters(self.counters)

    def _on_corruption(self, message: Mapping[str, Any]) -> None:
        where = f"page {message.get('page')} offset {message.get('offset')}"
        text = f"{where}: expected {message.get('expected')}, got {message.get('got')}"
        self._keep(self.corruptions, text)

    def _on_error(self, message: Mapping[str, Any]) -> None:
        self._keep(self.errors, str(message.get("text", "")) or "unnamed error")

    def _on_stop(self, message: Mapping[str, Any]) -> None:
        self.stop_why = str(message.get("why", ""))
        ran = message.get("ran_ms", 0)
        self.ran_seconds = ran / 1000 if isinstance(ran, int) else 0.0

    def _on_exit(self, message: Mapping[str, Any]) -> None:
        code = message.get("code")
        if message.get("nonce") != self._nonce or not isinstance(code, int) or isinstance(code, bool):
            self._keep(self.errors, "exit token with a wrong nonce or code")
            return
        self.exit_code = code

    def _keep(self, where: list[str], text: str) -> None:
        if len(where) < KEPT:
            where.append(text[:500])


class ControlPort:
    """Listens on a Unix socket, keeps every byte in a log, feeds a `Report`."""

    def __init__(self, path: str, log: Path, report: Report) -> None:
        """Raises InfraError when it cannot listen."""
        self.report = report
        self._connection: socket.socket | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(path)
            self._listener.listen(1)
        except OSError as error:
            self._listener.close()
            raise InfraError(f"cannot listen for the guest on {path}: {error.strerror or error}") from error
        self._listener.setblocking(False)
        self._log = log.open("ab", buffering=0)

    def poll(self) -> bool:
        """Read what is there without waiting; whether there was anything."""
        if self._connection is None:
            try:
                self._connection = self._listener.accept()[0]
            except BlockingIOError:
                return False
            self._connection.setblocking(False)
        total = 0
        while total < POLL_BYTES:
            try:
                data = self._connection.recv(READ_BYTES)
            except (BlockingIOError, ConnectionResetError):
                break
            if not data:
                break
            total += len(data)
            with files.disk_errors("cannot write control.log"):
                self._log.write(data)
            self.report.feed(data)
        return total > 0

    def close(self) -> None:
        """Close sockets and log."""
        for thing in (self._connection, self._listener, self._log):
            if thing is not None:
                thing.close()
