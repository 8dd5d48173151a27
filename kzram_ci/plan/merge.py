"""Fields of defaults, tests, axis values and overrides, laid over each other, and the values they make. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kzram_ci.model.cell import Case, Cell, Expectation, OopsWanted
from kzram_ci.model.machine import Accel, Dump, MachineSpec, Snapshot
from kzram_ci.model.measure import Against
from kzram_ci.model.root import RootKind, RootSpec
from kzram_ci.model.workload import KUNIT, OWN_TESTS, Fault, FaultSpec, FilesystemSpec, OwnTest, WorkloadSpec, ZramSpec

if TYPE_CHECKING:
    from pydantic import BaseModel

    from kzram_ci.plan.cell_schema import Fields

Data = dict[str, Any]

INITRAMFS = "initramfs"
SUITE = "trixie"  # of Debian, unless a plan names one
DERIVED = "derived"  # the outcome that the kernel's source decides
MOUNTED = "fs.mounted"  # counter: the guest found the mount that the plan asks for, by the kernel's own word
CASES = ("pass", "oops")  # what it may be; the order of `Cell.cases`
EVIDENCE = "evidence"  # among the counters of `stop`
OWN_WORDS = ("run", "files", "programs", "results", "collections")  # lists of words about tests of the plan's own
OWN_FIELDS = (*OWN_WORDS, "suites", "test_timeout")
_EXPECT = frozenset({"outcome", "oops", "floors", "ceilings"})
_NOT_FIELDS = frozenset(
    {"description", "kernels", "axes", "kernel", "line", "variant", "arch", "test", "derived", "axes_"}
)
_MACHINE = {
    "memory": "memory_mib",
    "cpus": "cpus",
    "disk": "disk_mib",
    "cmdline": "cmdline",
    "qemu_args": "qemu_args",
    "boot_timeout": "boot_seconds",
    "console_limit": "console_limit_mib",
    "dump_limit": "dump_limit_mib",
}


def written(model: BaseModel) -> Data:
    """As `model_dump(exclude_unset=True)`, for which pydantic would first make a serializer of every model."""
    given = model.model_fields_set
    fields = type(model).model_fields.items()
    return {name: _plain(getattr(model, name)) for name, field in fields if name in given and not field.exclude}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_plain(below) for below in value]
    return written(value) if hasattr(value, "model_fields_set") else value


def as_data(fields: Fields) -> Data:
    """What was written, and nothing else. An override's expectation, flat in the file, goes under `expect`."""
    data = {name: value for name, value in written(fields).items() if name not in _NOT_FIELDS}
    flat = {name: data.pop(name) for name in list(data) if name in _EXPECT}
    return {**data, "expect": flat} if flat else data


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> Data:
    """`over` laid on `under`: mappings merge key by key, null removes, everything else replaces."""
    result = dict(under)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            below = below if isinstance(below, dict) else {}
            result[key] = merge(_KEPT[key](below, value) if key in _KEPT else below, value)
        else:
            result[key] = value
    return result


def merge_all(layers: Iterable[Mapping[str, Any]]) -> Data:
    """All layers laid on each other, later ones on top."""
    data: Data = {}
    for layer in layers:
        data = merge(data, layer)
    return data


def _kept_expectation(below: Data, over: Data) -> Data:
    """Floors and ceilings that prove a pass say nothing about a crash: another outcome starts afresh."""
    if "outcome" in over and (over["outcome"] or "pass") != below.get("outcome", "pass"):
        return {}
    return below


def _kept_filesystem(below: Data, over: Data) -> Data:
    """Options of one kind of file system say nothing to another."""
    return {} if over.get("kind", below.get("kind")) != below.get("kind") else below


_KEPT: dict[str, Callable[[Data, Data], Data]] = {
    "expect": _kept_expectation,
    "filesystem": _kept_filesystem,
    "rootfs": _kept_filesystem,
}


def case(data: Data, outcome: str) -> Data:
    """The fields of a derived cell for one of CASES: floors, ceilings and oops of a test are about its pass."""
    expect = {**data["expect"], "outcome": outcome} if outcome == "pass" else {"outcome": outcome}
    return {**data, "expect": expect}


def case_of(cell: Cell, *, amplified: bool) -> Case:
    """What differs between the cases of one cell."""
    return Case(
        machine=cell.machine,
        workload=cell.workload,
        expect=cell.expect,
        repeats=cell.repeats,
        control=cell.control,
        skip=cell.skip,
        amplified=amplified,
        evidence=cell.evidence,
    )


def machine(cell: Data, arch: str, cmdline: tuple[str, ...] = ()) -> MachineSpec:
    """The machine of a cell, with the root of its programs; what is not set keeps the model's default.

    `cmdline`: words before those of the plan.
    """
    data, rootfs = cell.get("machine", {}), cell.get("rootfs", {})
    given = {_MACHINE[name]: value for name, value in data.items() if name in _MACHINE}
    for name in ("cmdline", "qemu_args"):
        given[name] = tuple(given.get(name, ()))
    given["cmdline"] = (*cmdline, *given["cmdline"])
    accel, snapshot = Accel(data.get("accel", "auto")), Snapshot(data.get("snapshot", "auto"))
    dump, root = Dump(data.get("dump", "never")), _root(rootfs)
    return MachineSpec(arch=arch, accel=accel, snapshot=snapshot, dump=dump, root=root, **given)


def _root(data: Data) -> RootSpec | None:
    """The root of programs; None for our initramfs, which is also what an empty mapping means."""
    kind = data.get("kind", "debian" if {"suite", "packages"} & set(data) else "image" if "path" in data else INITRAMFS)
    if kind == INITRAMFS:
        return None
    if kind == RootKind.IMAGE:
        return RootSpec(kind=RootKind.IMAGE, path=data.get("path", ""))
    return RootSpec(kind=RootKind.DEBIAN, suite=data.get("suite", SUITE), packages=tuple(data.get("packages", ())))


def workload(data: Data) -> WorkloadSpec:
    """The workload of a cell; `data` has a `workload`."""
    zram, fault = dict(data.get("zram", {})), dict(data.get("fault", {}))
    if "size" in zram:
        zram["size_mib"] = zram.pop("size")
    own = own_test(data)
    if data["workload"] in OWN_TESTS:
        zram["present"] = "zram" in data or "filesystem" in data
    fault["kind"] = Fault(fault.get("kind", "none"))
    given: Data = {name: data[name] for name in ("readers", "uid") if name in data}
    if "kind" in (filesystem := data.get("filesystem", {})):
        given["filesystem"] = FilesystemSpec(**{name: _frozen(value) for name, value in filesystem.items()})
        zram.setdefault("swap", False)
    if "duration" in data:
        given["duration_s"] = round(data["duration"])
    if "sample" in data:
        given["sample_ms"] = round(data["sample"] * 1000)
    return WorkloadSpec(
        program=data["workload"],
        args=arguments(data.get("args", {})),
        zram=ZramSpec(**zram),
        fault=FaultSpec(**fault),
        stop=tuple((name, bound) for name, bound in data.get("stop", {}).items() if name != EVIDENCE),
        own=own,
        **given,
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def own_test(data: Data) -> OwnTest | None:
    """What a plan brings itself; None where it names nothing of that kind."""
    if data["workload"] not in OWN_TESTS and not any(data.get(name) for name in OWN_FIELDS):
        return None
    words = {name: tuple(data.get(name, ())) for name in OWN_WORDS}
    return OwnTest(**words, suites=data.get("suites", ""), test_timeout=round(data.get("test_timeout", 0)))


def own_cmdline(work: WorkloadSpec) -> tuple[str, ...]:
    """What a test of the kernel's own asks of its command line."""
    if work.program != KUNIT or work.own is None:
        return ()
    # enable: since 6.0, and ignored before
    return ("kunit.enable=1", *((f"kunit.filter_glob={work.own.suites}",) if work.own.suites else ()))


def arguments(args: Mapping[str, Any]) -> tuple[str, ...]:
    """Words of a command line, sorted by option, so that their order in the file does not matter."""
    words: list[str] = []
    for name, value in sorted(args.items()):
        if value is False:
            continue
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return tuple(words)


def against(data: Data) -> Against | None:
    """By which evidence a cell ends; None for one that ends otherwise, or that is expected to crash."""
    asked = data.get("stop", {}).get(EVIDENCE)
    if asked is None or data.get("expect", {}).get("outcome", "pass") == "oops":
        return None
    return Against(luck=asked["luck"], races=asked.get("races") or "")


def expectation(data: Data, *, mounted: bool = False) -> Expectation:
    """What is expected of a cell. `mounted`: its file system must be there, or what it did was done elsewhere."""
    floors = {**data.get("floors", {}), **({MOUNTED: 1} if mounted else {})}
    oops = data.get("oops", {})
    return Expectation(
        outcome=data.get("outcome", "pass"),
        oops=OopsWanted(
            types=tuple(oops.get("types", ())), function=oops.get("function", ""), title=oops.get("title", "")
        ),
        floors=tuple(floors.items()),
        ceilings=tuple(data.get("ceilings", {}).items()),
    )
