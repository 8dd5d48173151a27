"""On a worker: a cell in a process of its own, for as long as it is wanted."""

from __future__ import annotations

import json
import os
import pickle
import selectors
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kzram_ci.base import files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted
from kzram_ci.farm.child import CELL, PARCEL, RETURNED
from kzram_ci.farm.messages import Began, Failed, Message, parse, render
from kzram_ci.farm.parcel import Order, Parcel, Returned, pack
from kzram_ci.model.evidence import CellResult

CELL_SECONDS = 24 * 3600.0  # a cell's own deadlines are far below; this one is for a process that forgot them
LOOK_SECONDS = 0.3  # how often a wait looks whether the cell is still wanted
STOP_SECONDS = 20.0  # for a cell to end its guests, before it is killed and its guardian does
_LINE_BYTES = 1 << 20
_TAIL_BYTES = 4096
_running: set[str] = set()  # by their keys


def cell(parcel: Parcel, topic: str) -> Returned:
    """What a scheduler has a worker do: raises InfraError only, for which another try may help.

    A cell that is not wanted any more is stopped as by the operator: the run was stopped, its client or scheduler is
    gone, or this worker closes and the scheduler has given the cell to another.
    """
    from distributed import get_worker

    worker = get_worker()
    name, key = str(worker.name), str(worker.get_current_task())

    def tell(message: Message) -> None:
        worker.log_event(topic, render(message))

    def wanted() -> bool:
        return _wanted(worker, key)

    tell(Began(cell=parcel.job.cell.id, worker=name))
    _running.add(key)
    try:
        return run(parcel, name, tell, wanted)
    except InfraError as error:
        tell(Failed(cell=parcel.job.cell.id, worker=name, why=str(error)))
        raise InfraError(f"worker {name}: {error.message}", hint=error.hint) from error
    finally:
        _running.discard(key)


def build(order: Order, topic: str) -> str:
    """A kernel into the store; "" or why not. Raises InfraError only, as `cell` does."""
    from distributed import get_worker

    worker = get_worker()
    key = str(worker.get_current_task())
    _running.add(key)
    try:
        with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as scratch:
            directory = Path(scratch)
            (directory / PARCEL).write_bytes(pickle.dumps(order))
            ended = _process(
                directory,
                lambda message: worker.log_event(topic, render(message)),
                lambda: _wanted(worker, key),
            )
    finally:
        _running.discard(key)
    if isinstance(ended, InfraError):
        raise ended
    return ended if isinstance(ended, str) else str(ended)


def running() -> int:
    """How many cells this worker has not ended yet."""
    return len(_running)


def run(parcel: Parcel, name: str, tell: Callable[[Message], None], wanted: Callable[[], bool]) -> Returned:
    """The cell in a process of its own. Raises InfraError when that process or this machine failed."""
    prefix = proc.temporary_prefix()
    with files.disk_errors("cannot make room for a cell"), tempfile.TemporaryDirectory(prefix=prefix) as scratch:
        directory = Path(scratch)
        (directory / PARCEL).write_bytes(pickle.dumps(parcel))
        ended = _process(directory, tell, wanted)
        if isinstance(ended, InfraError):
            raise ended
        if isinstance(ended, Interrupted):  # a signal from elsewhere: the run itself would not ask for the answer
            raise InfraError("a cell was interrupted on its worker")
        packed, left_out = pack(directory / CELL)
        assert not isinstance(ended, str)  # which is the answer to an order
        if isinstance(ended, CellResult):
            return Returned(worker=name, result=ended, files=packed, left_out=left_out)
        return Returned(worker=name, error=ended, files=packed, left_out=left_out)


def _process(
    directory: Path, tell: Callable[[Message], None], wanted: Callable[[], bool]
) -> CellResult | str | BaseException:
    log = directory / "log"
    with log.open("wb") as err:
        argv = (sys.executable, "-m", "kzram_ci.farm.child", str(directory))
        child = proc.spawn(argv, stdout=proc.PIPE, stderr=err)
    try:
        _follow(child, tell, wanted, Deadline.after(CELL_SECONDS))
    finally:
        code = proc.stop(child, grace=STOP_SECONDS)
        if child.stdout is not None:
            child.stdout.close()
    left = directory / RETURNED
    if left.is_file() and code == 0:
        found: CellResult | str | BaseException = pickle.loads(left.read_bytes())
        return found
    if not wanted():
        raise InfraError("a cell was stopped with its worker")
    how = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
    lines = proc.tail(log, _TAIL_BYTES).strip().splitlines()
    raise InfraError(f"the process of a cell {how}{f': {lines[-1][:200]}' if lines else ''}")


def _follow(child: proc.Child, tell: Callable[[Message], None], wanted: Callable[[], bool], deadline: Deadline) -> None:
    """Pass on what it tells until it closes its output, or is not wanted any more."""
    assert child.stdout is not None
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while wanted() and not deadline.expired():
            if not selector.select(LOOK_SECONDS):
                continue
            data = os.read(child.stdout.fileno(), 1 << 16)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            pending = pending[-_LINE_BYTES:]
            for line in lines:
                if (message := _message(line)) is not None:
                    tell(message)


def _message(line: bytes) -> Message | None:
    try:
        return parse(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _wanted(worker: Any, key: str) -> bool:
    """Whether the scheduler still waits for this task. Without a scheduler a worker closes itself, within a minute."""
    state = worker.state.tasks.get(key)
    alive = worker.status.name in ("running", "paused")
    return alive and state is not None and state.state in ("executing", "long-running")
