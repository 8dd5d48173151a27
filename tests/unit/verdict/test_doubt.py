"""Where one boot more tells most: the interval, what is open, and that the rule spends time better than turns do."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from builders import a_cell

from kzram_ci.model.evidence import BootCounts, CellResult, Judgement
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.verdict import doubt
from kzram_ci.verdict.doubt import Candidate, Known, choose, gain, is_open, known, width, worth

CELL = a_cell("t")


def result(outcome: Outcome = Outcome.PASS, verdict: Verdict = Verdict.OK, **fields: Any) -> CellResult:
    given: dict[str, Any] = {"kernel_key": "k1", "setup_key": "s1", "attempts": 1, "seconds": 10.0, **fields}
    word = Judgement(outcome=outcome, verdict=verdict)
    return CellResult(id="k/t", kernel="k", test="t", judgement=word, **given)


OK = result()
FOUND = result(Outcome.OOPS, Verdict.FINDING)
UNCLEAR = result(Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE)


class TestInterval:
    def test_it_is_the_whole_line_before_any_boot_and_narrows(self) -> None:
        assert width(0, 0) == 1.0
        widths = [width(0, n) for n in range(60)]
        assert widths == sorted(widths, reverse=True)
        assert width(0, 60) < doubt.NARROW < width(0, 20)

    @pytest.mark.parametrize(("events", "trials", "expected"), [(0, 10, 0.2172), (5, 10, 0.5529), (10, 10, 0.2172)])
    def test_jeffreys_interval_as_published(self, events: int, trials: int, expected: float) -> None:
        assert width(events, trials) == pytest.approx(expected, abs=2e-3)

    def test_the_middle_is_wider_than_the_ends(self) -> None:
        assert width(5, 10) > width(1, 10) > width(0, 10)


class TestWorth:
    def test_new_before_flaky_before_steady_at_one_price(self) -> None:
        new, flaky, steady = Known(trials=1), Known(events=2, trials=6), Known(trials=30)
        assert gain(new) > gain(flaky) > gain(steady) > 0

    def test_the_cheaper_of_two_alike(self) -> None:
        assert worth(Known(trials=3, seconds=10)) == pytest.approx(6 * worth(Known(trials=3, seconds=60)))

    def test_a_boot_that_runs_counts_already(self) -> None:
        assert gain(Known(trials=1), running=2) == pytest.approx(gain(Known(events=0.5, trials=3)))

    def test_boots_that_never_tell_anything_are_worth_less_and_less(self) -> None:
        assert gain(Known(unclear=1)) < gain(Known())
        assert gain(Known(unclear=50)) < gain(Known(trials=10))

    def test_only_what_fits_is_chosen(self) -> None:
        long, short = Candidate(id="a", known=Known(seconds=50)), Candidate(id="b", known=Known(trials=3, seconds=5))
        assert choose([long, short], 60) == "b"
        assert choose([replace(long, known=Known(seconds=5)), short], 60) == "a"
        assert choose([long], 49) == ""
        assert choose([], 99) == ""


class TestKnown:
    def test_boots_of_this_kernel_count_in_full_and_those_of_others_for_a_few(self) -> None:
        others = [replace(OK, kernel_key="k0")] * 40
        found = known([*others, OK, replace(OK, attempts=2)], 99.0)
        assert found.trials == pytest.approx(3 + doubt.CARRY)
        assert found.seconds == pytest.approx(100 / 11)
        assert known([*others[:2], OK], 99.0).trials == 3.0
        assert known((), 99.0) == Known(seconds=99.0)

    def test_crashes_of_each_boot_count(self) -> None:
        boots = (BootCounts(crashed=True), BootCounts(crashed=True), BootCounts())
        found = known([replace(FOUND, attempts=3, each=boots), UNCLEAR], 9.0)
        assert (found.events, found.trials, found.unclear) == (2.0, 3.0, 1)

    def test_errors_of_the_host_are_no_boots(self) -> None:
        lost = result(Outcome.LOST, Verdict.ERROR)
        assert known([lost], 9.0).trials == 0.0

    def test_flaky_is_both_on_one_kernel_in_one_set_up(self) -> None:
        assert known([OK, FOUND], 9.0).flaky
        assert not known([OK, replace(FOUND, kernel_key="k2")], 9.0).flaky


class TestOpen:
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            ([OK], True),
            ([UNCLEAR], True),
            ([], False),
            ([FOUND], False),
            ([result(Outcome.INFRA, Verdict.ERROR)], False),
            ([result(Outcome.SKIPPED, Verdict.SKIPPED)], False),
            ([result(Outcome.OOPS, Verdict.OK, expected="oops")], False),
            ([OK, FOUND], True),  # flaky
        ],
    )
    def test_a_question_that_no_boot_changes_is_closed(self, now: list[CellResult], expected: bool) -> None:
        assert is_open(CELL, now, known(now, 9.0)) is expected

    def test_a_crash_that_did_not_always_come_is_open(self) -> None:
        came = result(Outcome.OOPS, Verdict.OK, expected="oops")
        past = result(Outcome.PASS, Verdict.FINDING, expected="oops")
        assert is_open(CELL, [came], known([past, came], 9.0))

    def test_sixty_passes_are_enough(self) -> None:
        assert not is_open(CELL, [OK], known([OK] * 60, 9.0))


def night(seconds: float, *, greedy: bool, seed: int) -> dict[str, tuple[int, int]]:
    """A night of three steady cells that are known, one new and one flaky: (events, boots) of each at its end."""
    chance = random.Random(seed)
    rates = {"steady1": 0.0, "steady2": 0.0, "steady3": 0.0, "new": 0.0, "flaky": 0.4}
    costs = {"steady1": 20.0, "steady2": 20.0, "steady3": 60.0, "new": 20.0, "flaky": 20.0}
    seen = {"steady1": (0, 25), "steady2": (0, 25), "steady3": (0, 25), "new": (0, 1), "flaky": (2, 5)}
    turns = list(rates)
    while True:
        candidates = [
            Candidate(id=name, known=Known(events=events, trials=trials, seconds=costs[name]))
            for name, (events, trials) in seen.items()
        ]
        if greedy:
            name = choose(candidates, seconds)
        else:
            name = turns[0] if costs[turns[0]] <= seconds else ""
            turns.append(turns.pop(0))
        if not name:
            return seen
        seconds -= costs[name]
        events, trials = seen[name]
        seen[name] = (events + (chance.random() < rates[name]), trials + 1)


@pytest.mark.parametrize("seed", range(5))
def test_time_goes_to_the_new_and_the_flaky_and_leaves_less_doubt_than_turns(seed: int) -> None:
    spent, turns = night(1200, greedy=True, seed=seed), night(1200, greedy=False, seed=seed)
    assert spent["new"][1] > 15
    assert spent["flaky"][1] > 20
    assert spent["steady3"][1] == 25
    assert max(width(*one) for one in spent.values()) < max(width(*one) for one in turns.values())
    assert sum(width(*one) for one in spent.values()) < sum(width(*one) for one in turns.values())
