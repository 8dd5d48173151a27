"""QEMU's monitor behind a plain, synchronous face; the asyncio client lives in one thread of its own."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted

Message = dict[str, Any]
_POLL_SECONDS = 0.02
_TURNS = 100  # of the event loop, in which it reads what a dead process left; a greeting takes a handful
_END_SECONDS = 2.0  # a process that ends closes its connections first


class Monitor:
    """Listens on a Unix socket for one QEMU. Events queue up until they are asked for."""

    def __init__(self, path: str) -> None:
        """Start to listen at once, so that QEMU finds the socket. Raises InfraError."""
        from qemu.qmp import QMPClient

        # The library reports a vanished QEMU as a warning; for us that is an ordinary end.
        logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
        self._events: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        self._collector: asyncio.Task[None] | None = None
        try:
            self._client: Any = QMPClient("kzram")
            self._submit(self._client.start_server(path)).result(timeout=10)
        except Exception as error:
            self.close()
            raise InfraError(f"cannot listen for QEMU's monitor on {path}: {error}") from error

    def _submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def accept(self, alive: Callable[[], bool], deadline: Deadline) -> bool:
        """Wait until QEMU has connected and greeted; False when it died before.

        Raises InfraError at the deadline, Interrupted.
        """
        pending = self._submit(self._accept())
        while True:
            try:
                pending.result(timeout=_POLL_SECONDS)
                return True
            except FutureTimeout:
                if not alive() and not pending.done():
                    pending.cancel()
                    return False
            except Exception as error:
                if _ended_soon(alive, deadline):
                    return False
                raise InfraError(f"QEMU's monitor does not speak QMP: {error or type(error).__name__}") from error
            if proc.cancelled():
                pending.cancel()
                raise Interrupted("interrupted while QEMU started")
            if deadline.expired():
                pending.cancel()
                raise InfraError("QEMU started, but its monitor never answered", hint="is the host overloaded?")

    def greeted(self) -> bool:
        """Whether a QEMU that is gone had greeted: what it said may be in the socket still, on a busy host."""

        async def turns() -> None:
            for _ in range(_TURNS):
                await asyncio.sleep(0)

        with suppress(FutureTimeout):
            self._submit(turns()).result(timeout=_END_SECONDS)
        return self._client.greeting is not None

    async def _accept(self) -> None:
        await self._client.accept()
        self._collector = asyncio.create_task(self._collect())

    async def _collect(self) -> None:
        async for message in self._client.events:
            self._events.put(dict(message))

    def events(self) -> tuple[Message, ...]:
        """What QEMU reported since the last call, in order."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._events.get_nowait())
        return tuple(found)

    def execute(self, command: str, arguments: Message | None = None, *, deadline: Deadline) -> Any:
        """Run a command. Raises InfraError when QEMU refuses, is gone, or does not answer in time."""
        pending = self._submit(self._client.execute(command, arguments))
        try:
            return pending.result(timeout=deadline.remaining() + 0.001)
        except FutureTimeout as error:
            pending.cancel()
            raise InfraError(f"QEMU did not answer {command} in time") from error
        except Exception as error:
            raise InfraError(f"QEMU's monitor failed at {command}: {error}") from error

    def give(self, name: str, descriptor: int, deadline: Deadline) -> None:
        """Hand an open file over to QEMU, which knows it by a name then; ours stays open. Raises InfraError."""

        async def send() -> None:
            self._client.send_fd_scm(descriptor)

        try:
            self._submit(send()).result(timeout=deadline.remaining() + 0.001)
        except Exception as error:
            raise InfraError(f"cannot hand {name} over to QEMU: {error or type(error).__name__}") from error
        self.execute("getfd", {"fdname": name}, deadline=deadline)

    def close(self) -> None:
        """Let go of the socket and end the thread; safe to call twice."""
        if self._loop.is_closed():
            return
        with suppress(Exception):  # a connection that broke raises again here
            self._submit(self._shut()).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()

    async def _shut(self) -> None:
        client = getattr(self, "_client", None)
        if client is not None:
            with suppress(Exception):
                await asyncio.wait_for(client.disconnect(), timeout=3)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def wait_until(ready: Callable[[], bool], deadline: Deadline) -> bool:
    """Poll `ready` until it holds or the deadline passes."""
    while not ready():
        if deadline.expired():
            return False
        clock.sleep(_POLL_SECONDS)
    return True


def _ended_soon(alive: Callable[[], bool], deadline: Deadline) -> bool:
    """Whether QEMU ends: its connection is closed a moment before its process is gone."""
    until = deadline.within(_END_SECONDS)
    while alive():
        if until.expired() or proc.cancelled():
            return False
        clock.sleep(_POLL_SECONDS)
    return True
