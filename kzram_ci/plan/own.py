"""What a plan gets wrong about a test that it brings itself, as far as the plan alone tells. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from kzram_ci.model.cell import Cell
from kzram_ci.model.workload import KSELFTEST, KUNIT, OWN_TESTS, Fault

GOES_WITH = {
    "run": ("script",),
    "files": ("script",),
    "programs": ("script", KSELFTEST),
    "results": ("script", KSELFTEST),
    "suites": (KUNIT,),
    "collections": (KSELFTEST,),
    "test_timeout": (KSELFTEST,),
}
Wrong = tuple[tuple[str, ...], str]  # (path of the field within the test, what is wrong)


def own_faults(cell: Cell, args: Mapping[str, Any]) -> Iterator[Wrong]:
    """What is wrong with the cell of such a test, or with words of one that stand in another's."""
    work = cell.workload
    if (own := work.own) is None:
        return
    for name, wanted in GOES_WITH.items():
        if getattr(own, name) and work.program not in wanted:
            yield (
                (name,),
                f"`{name.replace('_', '-')}` goes with `workload: {' or '.join(wanted)}`, and this is {work.program}",
            )
    if work.program not in OWN_TESTS:
        return
    if work.program == "script" and not own.run:
        yield ("workload",), "a script needs `run`: its program and arguments, such as ./repro.sh --fast"
    if work.program == KSELFTEST and not own.collections:
        yield ("workload",), "kselftest needs `collections`, such as [size, timers:posix_timers]"
    if args:
        how = "takes its arguments in `run`" if work.program == "script" else "takes no arguments"
        yield ("args",), f"{work.program} {how}"
    if work.uid and not work.readers:
        yield ("uid",), f"{work.program} runs as root: a script can change that itself"
    if work.fault.kind is not Fault.NONE and not work.zram.present:
        yield ("fault",), "faults are injected into zram's allocations: add `zram:`, such as {size: 256M}"
    yield from _places(own.results)


def _places(results: tuple[str, ...]) -> Iterator[Wrong]:
    """Results are kept by their paths: two must not be one, nor one the folder of another."""
    places: dict[str, str] = {}
    for name in results:
        place = posixpath.normpath("/" + name.lstrip("/"))
        clash = next(
            (
                other
                for other, at in places.items()
                if at == place or at.startswith(place + "/") or place.startswith(at + "/")
            ),
            None,
        )
        if clash is not None:
            yield ("results",), f"{name} and {clash} would be kept in one place: name one of them differently"
        places[name] = place
