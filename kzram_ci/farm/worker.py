"""A worker: it connects to a scheduler, says what it has, and boots what it is given until either is gone."""

from __future__ import annotations

import asyncio
import platform
import tempfile
from contextlib import suppress
from typing import Any

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.base.values import dataclass
from kzram_ci.farm import security, there
from kzram_ci.farm.address import address_of, checked

CONNECT_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_CLOSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRequest:
    """What a worker has: guests at a time, virtual CPUs and memory in MiB for them, architectures it can run."""

    scheduler: str
    vms: int
    cpus: int
    memory_mib: int
    archs: tuple[str, ...]
    tls: str = ""
    insecure: bool = False
    name: str = ""

    @property
    def resources(self) -> dict[str, float]:
        """As the scheduler counts them."""
        kinds = {f"vm-{arch}": float(self.vms) for arch in self.archs}
        return {"vm": float(self.vms), "build": 1.0, "cpu": float(self.cpus), "memory": float(self.memory_mib), **kinds}


def serve(request: WorkerRequest) -> str:
    """Work until the operator or the scheduler ends it; why it ended. Raises UserError, InfraError."""
    distributed = security.needed()
    address = checked(address_of(request.scheduler), tls=request.tls, insecure=request.insecure)
    words: dict[str, Any] = {"host": "127.0.0.1"} if address.loopback else {}
    if address.scheme == "tls":
        words["security"] = security.of_directory(request.tls)
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as scratch:
        words |= {
            "nthreads": request.vms + 1,  # and a build
            "resources": request.resources,
            "name": request.name or platform.node(),
            "local_directory": scratch,
            "memory_limit": 0,  # guests are processes of their own; the resource `memory` counts them
            "dashboard_address": "127.0.0.1:0",
            "death_timeout": CONNECT_SECONDS,
        }
        return asyncio.run(_serve(distributed, str(address), words))


async def _serve(distributed: Any, address: str, words: dict[str, Any]) -> str:
    try:
        connecting = asyncio.ensure_future(distributed.Worker(address, **words))
        while not connecting.done():
            if proc.cancelled():
                return "interrupted"
            await asyncio.wait({connecting}, timeout=_LOOK_SECONDS)
        worker = connecting.result()
    except (OSError, ValueError, TimeoutError) as error:
        raise InfraError(f"no scheduler answers at {address}: {error}") from error
    while not proc.cancelled() and worker.status.name in ("running", "paused", "init"):
        await asyncio.sleep(_LOOK_SECONDS)
    why = "interrupted" if proc.cancelled() else "the scheduler is gone"
    with suppress(Exception):  # of whatever kind a broken connection is
        # Cells are stopped because it closes: the scheduler has given them to others by then.
        await asyncio.wait_for(worker.close(executor_wait=False, timeout=_CLOSE_SECONDS), 2 * _CLOSE_SECONDS)
    deadline = Deadline.after(2 * there.STOP_SECONDS)
    while there.running() and not deadline.expired():
        clock.sleep(_LOOK_SECONDS)
    return why
