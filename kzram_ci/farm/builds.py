"""Kernels built on workers: ahead of the run, which takes them from the store by their keys.

The run does not depend on it. A worker that has another compiler or version of a package would build another kernel,
and says so; what does not come to the store is built on the run's own host.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import kzram_ci
from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import KzramError
from kzram_ci.base.library import Library
from kzram_ci.base.values import dataclass
from kzram_ci.farm import there
from kzram_ci.farm.client import FarmExecutor
from kzram_ci.farm.parcel import Order, Packed, pack
from kzram_ci.kernel import source
from kzram_ci.kernel.workshop import BUILD_SECONDS, KernelContext, keys_of
from kzram_ci.model.events import Note
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DebianSource, RemoteGit, RemoteTarball

MOST = 16  # kernels at a time: each worker builds one
OWN_BYTES = 16 << 20  # of series and fragments, packed: what is larger is something else
WORKER_SECONDS = 30.0  # for a worker to come
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Builders:
    """`Elsewhere.ahead`, by a client of dask."""

    client: Any
    executor: FarmExecutor
    context: KernelContext

    def __call__(self, spec: KernelSpec) -> None:
        """Have a kernel in the store, if a worker can build it; what stands in the way is for the run's own build."""
        if spec.source.ready or not isinstance(spec.source, DebianSource | RemoteGit | RemoteTarball):
            return  # a tree of this host
        try:
            with _asking:  # one at a time: kernels of one source would fetch it at once
                tree = source.fetch(spec.source, self.context.begin())
                (key, built), *_rest = keys_of(spec, (tree,), self.context)
            if built or self.context.shelf.digests("kernels", key, self._tell(spec)) is not None:
                return
        except KzramError:
            return
        order = Order(
            spec=spec,
            key=key,
            stores=self.context.shelf.stores,
            version=kzram_ci.__version__,
            own=_own(self.context.library),
            sandbox=self.context.sandbox,
        )
        if why := self._ordered(order):
            self._tell(spec)(f"not built on a worker: {why}")

    def _tell(self, spec: KernelSpec) -> Any:
        return lambda text: self.context.listener(Note(subject=spec.name, text=text))

    def _ordered(self, order: Order) -> str:
        """Why it is not in the store, "" when it is. Gives up with the run."""
        patience = Deadline.after(WORKER_SECONDS)
        while not (cpus := self.executor.least("cpu")):
            if proc.cancelled() or patience.expired():
                return "there is no worker"
            _pause.wait(_LOOK_SECONDS)
        needs = {"build": 1.0, "cpu": cpus}
        task = self.client.submit(
            there.build, order, self.executor.topic, key=f"kernel-{self.client.id}-{order.key}",
            resources=needs, retries=1, priority=10,
        )  # fmt: skip
        deadline = Deadline.after(BUILD_SECONDS)
        while not task.done():
            if proc.cancelled() or deadline.expired() or not self.executor.room():
                task.cancel()
                return "given up"
            _pause.wait(_LOOK_SECONDS)
        try:
            return str(task.result(timeout=60))
        except Exception as error:  # a lost worker, a broken connection, its disk: all the same here
            return str(error) or type(error).__name__


def _own(library: Library) -> tuple[Packed, ...]:
    """The kernels/ of the working directory, where that is not the project itself; no more than makes sense."""
    folder = library.roots[0] / "kernels"
    if library.roots[0] in library.roots[1:] or not folder.is_dir():
        return ()
    packed, _ = pack(folder)
    found = tuple(replace(one, path=f"kernels/{one.path}") for one in packed)
    return found if sum(len(one.data) for one in found) <= OWN_BYTES else ()


_asking = threading.Lock()
_pause = threading.Event()  # never set
