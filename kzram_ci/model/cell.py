"""One cell of a plan's matrix: everything a run of it needs, as a value."""

from __future__ import annotations

from kzram_ci.base.values import dataclass
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.machine import MachineSpec
from kzram_ci.model.measure import Against, Target
from kzram_ci.model.workload import WorkloadSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class OopsWanted:
    """Which oops counts as the expected one. Empty fields match anything; patterns are full regexes."""

    types: tuple[str, ...] = ()  # words of the oops vocabulary
    function: str = ""  # of the oops, or of any reliable frame of it
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the plan says the kernel does.

    `outcome` is "pass" or "oops"; "derived" while the kernel's source, which decides it, is not known. `floors` and
    `ceilings` are (counter, bound) pairs: a pass below a floor is inconclusive (no proof), above a ceiling a finding.
    For an expected oops the floors must hold as well.
    """

    outcome: str = "pass"
    oops: OopsWanted = OopsWanted()
    floors: tuple[tuple[str, int], ...] = ()
    ceilings: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a cell is when the mechanism map derives the outcome of `expect`; fields as in `Cell`.

    `amplified`: the plan names no fault injection, the map's is taken.
    """

    machine: MachineSpec
    workload: WorkloadSpec
    expect: Expectation
    repeats: int = 1
    control: bool = False
    skip: str = ""
    amplified: bool = False
    evidence: Against | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`id` is stable across runs of the same plan: built from axis values, never from positions.

    `repeats`: an expected pass must pass that often; an expected oops has that many tries to appear.
    `control`: the cell proves the plan can tell good from bad; if it fails, the report says so on top.
    `evidence`: of an expected pass that ends by evidence. `measured`: such cells are measured by this one, so it makes
    all its tries. `target`: what its control asks of it, once that is known.
    `cases`: of a cell whose expectation is derived, one each for pass and oops; the kernel's source decides.
    """

    id: str
    kernel: KernelSpec
    test: str
    axes: tuple[tuple[str, str], ...] = ()
    machine: MachineSpec = MachineSpec()
    workload: WorkloadSpec
    expect: Expectation = Expectation()
    seed: int = 1
    repeats: int = 1
    control: bool = False
    skip: str = ""  # reason; non-empty: never run
    cases: tuple[Case, ...] = ()
    evidence: Against | None = None
    measured: bool = False
    target: Target | None = None


def evidence_of(cell: Cell) -> tuple[Against, ...]:
    """By which evidence a cell ends, in each of its cases."""
    found = (cell.evidence, *(case.evidence for case in cell.cases))
    return tuple(dict.fromkeys(one for one in found if one is not None and not cell.skip))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A validated plan, expanded. `controls`: results of an earlier run, of controls that its cells ask for."""

    name: str
    description: str = ""
    path: str = ""
    text: str = ""
    cells: tuple[Cell, ...]
    boot_retries: int = 2
    jobs: int = 0  # 0: as many as the host carries
    controls: tuple[CellResult, ...] = ()

    def kernels(self) -> tuple[KernelSpec, ...]:
        """The kernels the cells use, each once, in the order of first use."""
        return tuple({cell.kernel.name: cell.kernel for cell in self.cells if not cell.skip}.values())
