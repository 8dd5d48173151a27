"""After how long a boot with the series is given up, by what the plan wants and the kernel without it showed."""

from dataclasses import replace

import pytest

from kzram_ci.model.cell import Cell, Expectation
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.outcome import Outcome
from kzram_ci.model.source import ImageSource
from kzram_ci.model.workload import WorkloadSpec
from kzram_ci.trial import model
from kzram_ci.trial.decide import Side
from kzram_ci.trial.idle import idle_limits
from kzram_ci.trial.model import BootRecord
from kzram_ci.verdict.crashes import Crash

SPEC = KernelSpec(name="k", source=ImageSource(path="/boot/k"))
CRASH = BootRecord(
    test="swap", side=Side.BEFORE, number=1, seed=1, outcome=Outcome.OOPS, ready=True, worked=8.0,
    crashes=(Crash(signature="s", title="t"),),
)  # fmt: skip


def wants(*floors: tuple[str, int], seconds: int = 300) -> model.Test:
    cell = Cell(
        id="k/swap", kernel=SPEC, test="swap", workload=WorkloadSpec(program="p", duration_s=seconds),
        expect=Expectation(floors=floors),
    )  # fmt: skip
    return model.Test(id="swap", cell=cell)


@pytest.mark.parametrize(
    ("test", "crashes", "limits"),
    [
        (wants(("recompressions", 10_000)), (8.0,), {"recompressions": 16.0}),
        (wants(("recompressions", 10_000)), (2.0,), {"recompressions": 10.0}),
        (wants(("recompressions", 10_000)), (40.0, 8.0, 60.0), {"recompressions": 16.0}),  # the soonest crash counts
        (wants(("rare", 100)), (8.0,), {"rare": 21.0}),  # so that none at all is not chance
        (wants(("rare", 5), ("often", 9_000)), (8.0,), {"often": 16.0}),  # 5 in 300 s may all come late
        (wants(("often", 9_000), seconds=12), (8.0,), {}),  # it ends before
        (wants(("overruns", 1_000), ("none", 0)), (8.0,), {}),
        (wants(("workload.rounds", 9_000)), (8.0,), {}),  # may be told at the end, all at once
        (wants(("recompressions", 10_000)), (), {}),  # how long it takes to begin is not known
        (wants(), (8.0,), {}),
    ],
)
def test_when_it_is_over(test: model.Test, crashes: tuple[float, ...], limits: dict[str, float]) -> None:
    assert dict(idle_limits(test, [replace(CRASH, worked=seconds) for seconds in crashes])) == limits


def test_only_what_crashed_without_the_series_in_this_test_says_how_soon() -> None:
    test = wants(("recompressions", 10_000))
    others = (
        replace(CRASH, side=Side.AFTER), replace(CRASH, test="direct"), replace(CRASH, crashes=()),
        replace(CRASH, ready=False), replace(CRASH, outcome=Outcome.INFRA),
    )  # fmt: skip
    assert idle_limits(test, others) == ()
