"""What a plan will cost before it runs: builds by what is cached, cells by their own limits. Pure."""

from __future__ import annotations

from collections.abc import Callable

from kzram_ci.base.values import dataclass
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.kernel import KernelSpec

# Orders of magnitude on two cores (docs/); for planning an hour, not for measuring.
FIRST_BUILD_SECONDS = 240.0
VARIANT_BUILD_SECONDS = 20.0  # differs from a kernel that is there in a handful of files
BOOT_SECONDS = 4.0  # start, set-up and power-off

# (key, cached); an empty key: not known
PlanBuild = Callable[[KernelSpec], tuple[str, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCost:
    """One kernel's build. `seconds` is an estimate, 0 when cached and for a ready kernel that is to be fetched."""

    kernel: str
    key: str
    cached: bool
    seconds: float


def unknown(spec: KernelSpec) -> tuple[str, bool]:
    """Used where the key is only known once the source is fetched: every kernel counts as not built."""
    return "", False


def build_costs(plan: Plan, plan_build: PlanBuild) -> tuple[BuildCost, ...]:
    """The cost of each kernel the plan's cells use; a variant is cheap once its like is there or comes first."""
    costs = []
    ready: set[tuple[object, ...]] = set()
    planned = [(spec, *plan_build(spec)) for spec in plan.kernels()]
    ready.update(_kind(spec) for spec, _, cached in planned if cached)
    for spec, key, cached in planned:
        seconds = VARIANT_BUILD_SECONDS if _kind(spec) in ready else FIRST_BUILD_SECONDS
        if cached or spec.source.ready:
            seconds = 0.0
        ready.add(_kind(spec))
        costs.append(BuildCost(kernel=spec.name, key=key, cached=cached, seconds=seconds))
    return tuple(costs)


def _kind(spec: KernelSpec) -> tuple[object, ...]:
    """Kernels of one kind share nearly all objects."""
    return spec.source, spec.arch, spec.make_vars


def cell_seconds(cell: Cell) -> float:
    """The longest a cell takes on a host that boots in good time: all repeats, each to its duration."""
    return 0.0 if cell.skip else cell.repeats * (BOOT_SECONDS + cell.workload.duration_s)


def stop_words(cell: Cell) -> str:
    """When a cell ends: `recompressions 50,000 & grew 200, or 120 s`."""
    bounds = [f"{name} {bound:,}" for name, bound in cell.workload.stop]
    if cell.evidence is not None:
        bounds.append(f"evidence {cell.evidence.luck:g} against {cell.evidence.control}")
    reached = " & ".join(bounds)
    time = f"{cell.workload.duration_s} s"
    return f"{reached}, or {time}" if reached else time


def expect_words(cell: Cell) -> str:
    """What a cell is expected to do, in a few words."""
    if cell.skip:
        return f"skip: {cell.skip}"
    floors = [f"{name} >= {bound:,}" for name, bound in cell.expect.floors]
    ceilings = [f"{name} <= {bound:,}" for name, bound in cell.expect.ceilings]
    return ", ".join((cell.expect.outcome, *floors, *ceilings))
