"""The control of a cell that ends by evidence: found by a rule, missing where the plan is read."""

from dataclasses import replace
from typing import Any

import pytest
from builders import a_cell, a_kernel

from kzram_ci.base.library import Library
from kzram_ci.kernel import mechanism
from kzram_ci.model.cell import Case, Cell, Expectation, evidence_of
from kzram_ci.model.measure import Against
from kzram_ci.model.source import DirectorySource
from kzram_ci.plan.controls import assigned, control_of, lacking
from kzram_ci.plan.tables import axes

ASKS = Against(luck=0.01)


def crashing(name: str, *series: str, **fields: Any) -> Cell:
    return a_cell(kernel=a_kernel(name, series=series), expect=Expectation(outcome="oops"), **fields)


def asking(name: str = "fixed", *series: str, **fields: Any) -> Cell:
    return a_cell(kernel=a_kernel(name, series=series or ("bug", "fix")), evidence=ASKS, **fields)


class TestRule:
    def test_the_same_test_with_the_same_values_of_the_axes(self) -> None:
        mine = asking(axes=(("compressor", "zstd"),))
        others = (
            crashing("bad", test="other", axes=mine.axes),
            crashing("bad", axes=(("compressor", "lzo"),)),
            crashing("bad"),
        )
        assert control_of(mine, others) is None
        same = crashing("bad", axes=mine.axes)
        assert control_of(mine, (*others, same)) == same

    def test_the_same_source_and_architecture(self) -> None:
        bad = crashing("bad")
        other = replace(bad, kernel=replace(bad.kernel, source=DirectorySource(path="/other")))
        arm = replace(bad, kernel=replace(bad.kernel, arch="arm64"))
        assert control_of(asking(), (other, arm)) is None
        assert control_of(asking(), (other, arm, bad)) == bad

    def test_one_that_is_skipped_or_expected_to_pass_is_no_measure(self) -> None:
        assert control_of(asking(), (replace(crashing("bad"), skip="not here"), asking("other"))) is None

    def test_those_marked_as_control_then_the_nearest_kernel_then_the_first(self) -> None:
        mine = asking()
        far, near, twin = crashing("far", "bug", "x", "y"), crashing("near", "bug"), crashing("twin", "bug")
        assert control_of(mine, (far, near, twin)) == near
        assert control_of(mine, (far, twin, near)) == twin
        marked = replace(far, control=True)
        assert control_of(mine, (marked, near, twin)) == marked


class TestPlan:
    def test_cells_learn_their_control_and_controls_that_they_measure(self) -> None:
        bad, mine, plain = crashing("bad", "bug"), asking(), a_cell(kernel=a_kernel("plain"))
        given = assigned((mine, bad, plain))
        assert [cell.measured for cell in given] == [False, True, False]
        assert given[0].evidence == replace(ASKS, control="bad/t")
        assert given[2] == plain

    def test_a_cell_without_a_control_is_wrong_and_a_skipped_one_is_not(self) -> None:
        mine = asking()
        ((cell, text),) = lacking((mine, a_cell(kernel=a_kernel("other")), replace(asking("not"), skip="not here")))
        assert cell == mine
        assert text.startswith(
            "evidence needs a control: no other kernel of this source is expected to crash in test t"
        )

    @pytest.mark.parametrize(("series", "outcome"), [((), "pass"), (("unstable",), "oops")])
    def test_of_a_derived_cell_the_case_that_passes_has_the_control(
        self, series: tuple[str, ...], outcome: str
    ) -> None:
        """Whichever of the two it turns out to be, with the facts of its source."""
        plain = asking()
        cases = tuple(
            Case(machine=plain.machine, workload=plain.workload, expect=expect, evidence=own, control=own is None)
            for expect, own in ((Expectation(), ASKS), (Expectation(outcome="oops"), None))
        )
        expect = Expectation(outcome="derived")
        mine = a_cell(kernel=a_kernel("mine", series=series), expect=expect, cases=cases, evidence=ASKS)
        other = a_cell(kernel=a_kernel("other"), expect=expect, cases=cases, evidence=ASKS)
        first, second = assigned((mine, other))
        assert not list(lacking((mine,)))  # it may be one that crashes, and then needs none
        assert evidence_of(first) == (replace(ASKS, control="other/t"),)
        assert (first.measured, second.measured) == (True, True)
        facts = axes(Library()).facts("6.12")
        assert facts is not None
        found = mechanism.decided(first, facts)
        assert found.expect.outcome == outcome
        assert found.evidence == (replace(ASKS, control="other/t") if outcome == "pass" else None)
