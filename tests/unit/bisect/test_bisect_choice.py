"""Which cell a bisection boots, also of a plan for several architectures."""

from pathlib import Path

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.bisect.session.choice import choose_cell
from kzram_ci.model.cell import Plan
from kzram_ci.plan.load import load_plan
from kzram_ci.run.selection import plan_of

TESTS = "tests: {t: {workload: anonmutate, duration: 10s}}\n"


@pytest.fixture
def both(tmp_path: Path) -> Plan:
    path = tmp_path / "p.yaml"
    path.write_text(f"name: p\nkernels: [stock, unstable]\narch: [x86_64, arm64]\n{TESTS}")
    return load_plan(path, Library())


def test_a_kernel_of_a_plan_is_meant_without_its_architecture() -> None:
    cell, others = choose_cell(plan_of("overrun", ("arm64",)), "unstable", "anonmutate-window")
    assert (cell.id, cell.machine.arch) == ("unstable-arm64/anonmutate-window", "arm64")
    assert {other.machine.arch for other in others} == {"arm64"}


@pytest.mark.parametrize(("kernel", "arch"), [("unstable", "x86_64"), ("unstable-arm64", "arm64")])
def test_of_several_architectures_the_name_says_which(both: Plan, kernel: str, arch: str) -> None:
    cell, _ = choose_cell(both, kernel, "")
    assert (cell.kernel.name, cell.kernel.arch) == (kernel, arch)


def test_a_pattern_for_several_kernels_is_refused(both: Plan) -> None:
    with pytest.raises(UserError, match=r"--kernel un\* matches 2 kernels: unstable, unstable-arm64; fix: name one"):
        choose_cell(both, "un*", "")
