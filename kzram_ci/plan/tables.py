"""The tables that plans are read with: lines and variants of kernels, workloads. Rows of the user's own come first."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from kzram_ci.base.grammar.problems import Problems
from kzram_ci.base.grammar.read import read_document
from kzram_ci.base.library import Kind, Library
from kzram_ci.plan.lines import LINES, VARIANTS, Axes, axes_of
from kzram_ci.plan.workloads import Workloads, workloads_of

Stamps = tuple[tuple[Path, int, int], ...]  # a file's path, and what tells its content apart from others


def axes(library: Library) -> Axes:
    """The lines and variants of kernels. Raises GrammarErrors with positions."""
    return _axes(_stamps(library, f"kernels/{LINES}", f"kernels/{VARIANTS}"))


def workloads(library: Library) -> Workloads:
    """The workloads of the guest and their arguments. Raises GrammarErrors with positions."""
    return _workloads(_stamps(library, "rootfs/workloads.yaml"))


def kernel_names(library: Library) -> tuple[str, ...]:
    """Every kernel there is: those with a file of their own, and every variant on every line."""
    return tuple(sorted({*library.names(Kind.KERNEL), *axes(library).names()}))


def _stamps(library: Library, *places: str) -> Stamps:
    """All files at these places, those that win first."""
    ranked = sorted(
        (rank, path) for place in places for rank, path in enumerate(library.all(place))
    )  # a root's own tables belong together
    stamps = ((path, path.stat()) for _, path in ranked)
    return tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in stamps)


@lru_cache(maxsize=4)
def _axes(stamps: Stamps) -> Axes:
    problems = Problems()
    result = axes_of([read_document(path, problems) for path, _, _ in stamps], problems)
    problems.raise_if_any()
    return result


@lru_cache(maxsize=4)
def _workloads(stamps: Stamps) -> Workloads:
    problems = Problems()
    result = workloads_of([read_document(path, problems) for path, _, _ in stamps], problems)
    problems.raise_if_any()
    return result
