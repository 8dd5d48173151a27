"""A cell on its way to a worker and what comes back: values, and the files of its directory."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.cache import complete
from kzram_ci.base.errors import InfraError
from kzram_ci.base.values import dataclass
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import Accel
from kzram_ci.run.job import BootStage, CellJob
from kzram_ci.store.index import KEY, KINDS, shared
from kzram_ci.store.shared import Shelf, Stores, Tell

MOST_BYTES = 256 << 20  # of one file that comes back, packed: a memory dump can be larger, and stays out


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A cell, ready to run on another machine. `cache`: where paths in it lead on the machine it is from.

    `here`: what it needs is on this host, and nothing else is looked for. `accel`: in place of the plan's. `pace`:
    seconds between two looks at its counters, at least; many cells share a scheduler.
    """

    job: CellJob
    boot: BootStage
    cache: str
    stores: Stores
    version: str
    here: bool = False
    accel: Accel | None = None
    pace: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A kernel to build on a worker and to leave in the store, if it comes to be the one with this key there.

    `own`: series, fragments and tables of the run's working directory, which win over those that ship.
    """

    spec: KernelSpec
    key: str
    stores: Stores
    version: str
    own: tuple[Packed, ...] = ()
    sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A file of a cell's directory, by its path there."""

    path: str
    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """How a cell ended on a worker: with a result, or an error that another try would not change."""

    worker: str
    result: CellResult | None = None
    error: BaseException | None = None
    files: tuple[Packed, ...] = ()
    left_out: tuple[str, ...] = ()


def pack(directory: Path) -> tuple[tuple[Packed, ...], tuple[str, ...]]:
    """All plain files below a directory, and the names of those that are too large to travel."""
    found, large = [], []
    with files.disk_errors(f"cannot read {directory}"):
        for path in sorted(directory.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            name, status = path.relative_to(directory).as_posix(), path.stat()
            data = zlib.compress(path.read_bytes(), 1) if status.st_size <= 4 * MOST_BYTES else b""
            if len(data) > MOST_BYTES or (status.st_size and not data):
                large.append(name)
                continue
            found.append(Packed(path=name, data=data, executable=bool(status.st_mode & 0o100)))
    return tuple(found), tuple(large)


def unpack(packed: tuple[Packed, ...], directory: Path) -> None:
    """Write them below a directory, and nowhere else. Raises InfraError."""
    with files.disk_errors(f"cannot write {directory}"):
        for one in packed:
            parts = one.path.split("/")
            if any(part in ("", ".", "..") for part in parts) or "\0" in one.path:
                raise InfraError(f"a worker sent a file with the name {one.path!r}")
            target = directory.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.write_bytes(zlib.decompress(one.data))
            if one.executable:
                target.chmod(0o755)


def at_home(result: CellResult, job: CellJob, left_out: tuple[str, ...]) -> CellResult:
    """The result, with the paths of this machine in place of the worker's."""
    dump = result.evidence.dump
    if dump is None:
        return result
    if CellFile.VMCORE in left_out:
        why = f"the memory ({dump.bytes >> 20} MiB) is too large to come back from the worker"
        return replace(result, evidence=replace(result.evidence, dump=None, dump_missing=why))
    return replace(result, evidence=replace(result.evidence, dump=replace(dump, vmlinux=job.kernel.vmlinux)))


def paths_of(job: CellJob) -> tuple[str, ...]:
    """The files of the machine a job is from that it needs."""
    kernel, rootfs = job.kernel, job.rootfs
    return tuple(
        path for path in (kernel.image, kernel.vmlinux, kernel.modules, kernel.config, rootfs.path, rootfs.disk) if path
    )


def place_of(path: str, cache: Path) -> tuple[str, str, str] | None:
    """Kind, key and name of what a path in the cache leads to; None for what no store can hold."""
    if not Path(path).is_relative_to(cache):
        return None
    kind, _, rest = Path(path).relative_to(cache).as_posix().partition("/")
    key, _, name = rest.partition("/")
    held = kind in KINDS and KEY.fullmatch(key) and (name == "modules" or shared(kind, name))
    return (kind, key, name) if held else None


def bound_here(job: CellJob, cache: Path) -> str:
    """Why a cell can only run on the machine whose files it names; "" where it can go anywhere."""
    machine, own = job.cell.machine, job.cell.workload.own
    if machine.shares:
        return "it shares a directory of this host"
    if any("/" in word for word in machine.qemu_args):
        return "its qemu_args name a path of this host"
    if own is not None and own.sent:
        return "it sends files of this host"
    outside = next((path for path in paths_of(job) if place_of(path, cache) is None), "")
    return f"{outside} is not in a store" if outside else ""


def sent_off(job: CellJob, cache: Path, shelf: Shelf, tell: Tell) -> None:
    """Have all that a job needs in the store. Raises InfraError, UserError, Interrupted."""
    for kind, key in sorted({place[:2] for path in paths_of(job) if (place := place_of(path, cache)) is not None}):
        if not shelf.put(cache / kind / key, tell):
            raise InfraError(f"{kind}/{key} could not be left in {shelf.stores.write}")


def brought(parcel: Parcel, cache: Path, shelf: Shelf, tell: Tell) -> CellJob:
    """The job with paths of this machine, all it needs fetched. Raises InfraError, UserError, Interrupted."""
    if parcel.here:
        return parcel.job

    def local(path: str) -> str:
        if not path or (place := place_of(path, Path(parcel.cache))) is None:
            return path
        kind, key, name = place
        entry = cache / kind / key
        if not complete(entry) and not shelf.get(entry, tell):
            raise InfraError(f"no store has {kind}/{key}, which this worker lacks")
        return str(entry / name)

    kernel, rootfs = parcel.job.kernel, parcel.job.rootfs
    return replace(
        parcel.job,
        kernel=replace(
            kernel,
            image=local(kernel.image),
            vmlinux=local(kernel.vmlinux),
            modules=local(kernel.modules),
            config=local(kernel.config),
        ),
        rootfs=replace(rootfs, path=local(rootfs.path), disk=local(rootfs.disk)),
    )
