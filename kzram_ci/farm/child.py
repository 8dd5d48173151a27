"""The process of one cell, or of one build, on a worker: `python -m kzram_ci.farm.child DIRECTORY`.

It reads the parcel that its worker put there, tells on standard output, a line of JSON each, and leaves what it returns
beside the parcel. Both are pickles: they never leave the machine, and the directory is the worker's own.
"""

from __future__ import annotations

import json
import math
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import kzram_ci
from kzram_ci.base import clock, proc
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.farm.messages import event_of, render
from kzram_ci.farm.parcel import Order, Parcel, brought, unpack
from kzram_ci.kernel import source
from kzram_ci.kernel.sandbox import required
from kzram_ci.kernel.workshop import KernelContext, image_of, keys_of
from kzram_ci.model.events import BuildProgress, CellProgress, Event, Listener, Note
from kzram_ci.model.evidence import CellResult
from kzram_ci.results.layout import CellDir
from kzram_ci.run.cell_run import run_cell
from kzram_ci.run.stages import STAGE_SECONDS, QemuBoot
from kzram_ci.store.shared import Shelf, Stores, stores_of
from kzram_ci.vm import accel

PARCEL, RETURNED, CELL, OWN = "parcel", "returned", "cell", "own"
PROGRESS_SECONDS = 1.0  # between two looks at the counters of a cell, at least


def main(directory: Path) -> int:
    """Run the cell of a directory, or build its kernel."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: proc.cancel_all())
    parcel: Parcel | Order = pickle.loads((directory / PARCEL).read_bytes())
    ended: CellResult | str | BaseException
    pace = parcel.pace if isinstance(parcel, Parcel) else 0.0
    listener = _teller(sys.stdout.write, sys.stdout.flush, max(PROGRESS_SECONDS, pace))
    try:
        if parcel.version != kzram_ci.__version__:
            words = f"the worker has kzram-ci {kzram_ci.__version__}, the run {parcel.version}"
            raise UserError(words, hint="install one version")
        ended = (
            _build(parcel, directory / OWN, listener)
            if isinstance(parcel, Order)
            else _run(parcel, directory / CELL, listener)
        )
    except Exception as error:
        ended = error
    (directory / RETURNED).write_bytes(_pickled(ended))
    return 0


def _run(parcel: Parcel, place: Path, listener: Listener) -> CellResult:
    """Here, with what this machine has: its cache, its stores beside those of the run, its accelerator."""
    cache, cell = cache_root(), parcel.job.cell
    job = replace(parcel.job, place=CellDir(path=place, relative=parcel.job.place.relative))
    boot = parcel.boot
    if not parcel.here:
        shelf = Shelf(_merged(parcel.stores, stores_of()))
        job = brought(replace(parcel, job=job), cache, shelf, lambda text: listener(Note(subject=cell.id, text=text)))
    if isinstance(boot, QemuBoot):
        boot = replace(boot, cache=cache)
        wanted, deadline = parcel.accel or cell.machine.accel, Deadline.after(STAGE_SECONDS)
        job = replace(job, accel=accel.choose(wanted, cell.machine.arch, cache=cache, deadline=deadline))
    return run_cell(job, boot, listener)


def _build(order: Order, own: Path, listener: Listener) -> str:
    """The kernel into the store of the run; "" or why it is not the kernel that is asked for.

    Where a source or a tool is another here, so is the key: nothing is built then that would be no use to the run.
    """
    shelf = Shelf(Stores(write=order.stores.write, read=order.stores.read))
    unpack(order.own, own)
    library = Library(roots=(own, *Library().roots[1:]))
    context = KernelContext(listener=listener, shelf=shelf, sandbox=required(order.sandbox), library=library)
    tree = source.fetch(order.spec.source, context.begin())
    (key, _), *_rest = keys_of(order.spec, (tree,), context)
    if key != order.key:
        return "another source or compiler"
    image_of(order.spec, tree, context)
    return "" if shelf.put(context.cache / "kernels" / key, lambda text: None) else "its store cannot be written"


def _merged(ours: Stores, own: Stores) -> Stores:
    """A worker only reads: the run's store first, then the worker's own."""
    urls = (ours.write, *ours.read, own.write, *own.read)
    return Stores(read=tuple(dict.fromkeys(url for url in urls if url)))


def _teller(write: Callable[[str], object], flush: Callable[[], object], pace: float) -> Listener:
    lock, last = threading.Lock(), [-math.inf]

    def tell(event: Event) -> None:
        message = event_of(event)
        if message is None:
            return
        with lock:
            if isinstance(message, CellProgress | BuildProgress):
                if clock.monotonic() - last[0] < pace:
                    return
                last[0] = clock.monotonic()
            write(json.dumps(render(message)) + "\n")
            flush()

    return tell


def _pickled(ended: CellResult | str | BaseException) -> bytes:
    """An error that cannot be pickled is its words."""
    try:
        data = pickle.dumps(ended)
        pickle.loads(data)
        return data
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(ended).__name__}: {ended}"))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
