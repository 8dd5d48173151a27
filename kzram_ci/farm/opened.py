"""A run's way to other machines: a client of a scheduler, or a scheduler and workers of this host's own."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.farm import security
from kzram_ci.farm.address import Address, address_of, checked
from kzram_ci.farm.builds import MOST, Builders
from kzram_ci.farm.client import FarmExecutor, Terms
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.events import Listener, Note
from kzram_ci.model.machine import Accel
from kzram_ci.run.elsewhere import Elsewhere
from kzram_ci.run.pool import Budget, host_budget

CONNECT_SECONDS = 30.0
CLOSE_SECONDS = 10.0
WORKER_SECONDS = 60.0  # for the first worker of our own to come up
_STEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmRequest:
    """A scheduler as a command line names it. Of local workers: guests at a time, their virtual CPUs; 0: the host's."""

    scheduler: str
    tls: str = ""
    insecure: bool = False
    jobs: int = 0
    cpus: int = 0

    def address(self) -> Address:
        """Where it is, if the way there is safe. Raises UserError."""
        return checked(address_of(self.scheduler), tls=self.tls, insecure=self.insecure)


@contextmanager
def opened(request: FarmRequest, context: KernelContext, accel: Accel | None) -> Iterator[Elsewhere]:
    """Other machines, for as long as a run wants them. Raises UserError, InfraError, Interrupted."""
    distributed = security.needed()
    address = request.address()
    if not address.loopback and not context.shelf.stores.write:
        raise UserError(f"workers of {address} take kernels from a store", hint="--store URL, which they can read")
    with ExitStack() as stack:
        if address.local:
            client = stack.enter_context(
                _own(distributed, address, host_budget(request.jobs, request.cpus), context.listener)
            )
        else:
            words = {"security": security.of_directory(request.tls)} if address.scheme == "tls" else {}
            client = stack.enter_context(_client(distributed, str(address), words))
        context.listener(Note(subject="scheduler", text=_dashboard(client, here=address.local)))
        terms = Terms(
            shelf=context.shelf,
            listener=context.listener,
            cache=context.cache,
            here=address.local,
            accel=accel,
        )
        executor = FarmExecutor(client, terms)
        stack.callback(executor.shutdown, cancel_futures=True)
        if address.local or not context.shelf.stores.write:
            yield Elsewhere(executor=executor, room=executor.room, here=address.local)
            return
        ahead = Builders(client=client, executor=executor, context=context)
        yield Elsewhere(executor=executor, room=executor.room, builds=MOST, ahead=ahead)


@contextmanager
def _client(distributed: Any, address: Any, words: dict[str, Any]) -> Iterator[Any]:
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name="kzram-ci", **words)
    except (OSError, ValueError, TimeoutError) as error:
        raise InfraError(f"no scheduler answers at {address}: {error}", hint="dask scheduler starts one") from error
    try:
        yield client
    finally:
        _closed(client)


def _closed(thing: Any) -> None:
    """Let a client or a cluster go. Left to itself it waits for its connections for as long as they last."""
    with suppress(Exception):  # of whatever kind a broken connection is
        thing.close(timeout=CLOSE_SECONDS)


def _dashboard(client: Any, *, here: bool) -> str:
    """Where the scheduler shows itself, or what that takes: the host that has the scheduler needs bokeh."""
    link = str(client.dashboard_link or "")
    if not here:
        return f"dashboard: {link}, if that host has bokeh" if link else "no dashboard"
    if importlib.util.find_spec("bokeh") is None:
        return "no dashboard: bokeh is not installed (pip install 'kzram-ci[dashboard]')"
    return f"dashboard: {link}"


@contextmanager
def _own(distributed: Any, address: Address, budget: Budget, listener: Listener) -> Iterator[Any]:
    """A scheduler in this process and workers beside it; all talk by TLS, with certificates of their own."""
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as name, ExitStack() as stack:
        directory = Path(name)
        certificates = security.throw_away(directory)
        stack.enter_context(security.patient())
        cluster = distributed.LocalCluster(
            n_workers=0,
            processes=False,
            host="127.0.0.1",
            protocol="tls://",
            security=certificates,
            dashboard_address="127.0.0.1:0",
            silence_logs=False,
        )
        stack.callback(_closed, cluster)
        client = stack.enter_context(_client(distributed, cluster, {"security": certificates}))
        children: list[proc.Child] = []
        stack.callback(lambda: [proc.stop(child) for child in children])
        for number in range(1, address.workers + 1):
            argv = _argv(cluster.scheduler_address, directory, budget, address.workers, number)
            with (directory / f"worker-{number}.log").open("wb") as log:
                children.append(proc.spawn(argv, stdout=log, stderr=log, env=security.PATIENT))
        _wait(client, children, directory)
        listener(Note(subject="scheduler", text=f"{address.workers} workers on this host"))
        yield client


def _argv(address: str, directory: Path, budget: Budget, workers: int, number: int) -> tuple[str, ...]:
    """Each worker has its part of the host, and room for one guest at least."""
    return (
        *(sys.executable, "-m", "kzram_ci", "worker", address, "--tls", str(directory), "--name", f"local-{number}"),
        *("--jobs", str(max(1, budget.most // workers))),
        *("--cpus", str(max(1, budget.cpus // workers))),
        *("--memory", str(max(1, budget.memory_mib // workers))),
    )


def _wait(client: Any, children: list[proc.Child], directory: Path) -> None:
    """For the first worker; it goes on while the others come."""
    deadline = Deadline.after(WORKER_SECONDS)
    while not client.scheduler_info()["workers"]:
        with suppress(TimeoutError):
            client.wait_for_workers(1, timeout=_STEP_SECONDS)
        if proc.cancelled():
            raise Interrupted("interrupted before a worker was there")
        if dead := [number for number, child in enumerate(children, 1) if child.poll() is not None]:
            tail = proc.tail(directory / f"worker-{dead[0]}.log").strip().splitlines()
            raise InfraError(f"a worker on this host ended: {tail[-1] if tail else 'it said nothing'}")
        if deadline.expired():
            raise InfraError(f"no worker on this host came up within {WORKER_SECONDS:.0f} s")
