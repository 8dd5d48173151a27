"""Races as trials: what is counted, what is pooled, and what a number of them proves."""

import random
from dataclasses import dataclass, replace
from math import ceil, comb, exp, log, log1p, sqrt
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.model.evidence import Gains
from kzram_ci.verdict import races
from kzram_ci.verdict.races import Tally


def test_a_race_is_a_grown_class_or_a_refused_write() -> None:
    assert races.tally({"grew_class": 7, "recompressions": 9000}) == Tally(races=7, lost=0)
    guard = {"reuse_refused_write": 3, "grew_class": 0, "reuse_refused": 8}
    assert races.tally(guard) == Tally(races=3, lost=0)
    assert races.tally(guard, names=("reuse_refused",)) == Tally(races=8, lost=0)
    assert races.tally({"recompressions": 9000, "grew": 5}) is None
    assert races.tally({"recompressions": 9000, "overruns": 1}) is None


def test_an_overrun_is_a_race_though_the_last_sample_is_older() -> None:
    seen = races.tally({"grew_class": 0, "overruns": 1})
    assert seen == Tally(races=1, lost=1)


def test_no_races_prove_nothing() -> None:
    nothing = Tally(races=0, lost=0)
    assert nothing.bound() is None
    assert races.phrase(nothing) == "0 overruns in 0 races: nothing was at stake, nothing is proved"


def test_the_phrase_says_races_bound_bursts_and_control() -> None:
    seen = Tally(races=1212, lost=0)
    control = Tally(races=33, lost=31, boots=3)
    assert races.phrase(seen) == "0 overruns in 1,212 races (95 % bound 0.25 %)"
    assert races.phrase(seen, control, "unstable") == (
        "0 overruns in 1,212 races (95 % bound 0.25 %); unstable lost 31 of 33 in 3 boots (at least 82 %)"
    )
    burst = Tally(races=1212, lost=0, design_effect=1.5)
    assert races.phrase(burst) == ("0 overruns in 1,212 races (95 % bound 0.37 %; they came in bursts, counted as 808)")
    assert races.phrase(Tally(races=1, lost=1)).startswith("1 overrun in 1 race ")


@given(st.integers(0, 5000), st.integers(0, 50), st.floats(1.0, 40.0), st.integers(0, 5000), st.integers(0, 50))
def test_more_races_never_prove_less(a: int, lost: int, effect: float, b: int, more: int) -> None:
    one = Tally(races=a + lost, lost=lost, design_effect=effect)
    other = Tally(races=b + more, lost=more, design_effect=1.0)
    both = races.pooled([one, other])
    assert both is not None
    assert (both.races, both.lost, both.boots) == (one.races + other.races, lost + more, 2)
    assert 1.0 <= both.design_effect <= effect + 1e-9
    parts = (one, other)
    assert both.races / both.design_effect <= sum(part.races / part.design_effect for part in parts) + 1e-6
    assert both.lost / both.design_effect <= sum(part.lost / part.design_effect for part in parts) + 1e-6
    assert 0 <= one.trials <= one.races
    bound, least = one.bound(), one.at_least()
    if bound is not None and least is not None:
        assert 0.0 <= least <= lost / one.races + 1e-9
        assert lost / one.races <= bound + 1e-9 <= 1.0 + 1e-9
    if not lost and one.races:
        grown = Tally(races=one.races * 2, lost=0, design_effect=effect).bound()
        assert grown is not None
        assert bound is None or grown <= bound


@given(st.integers(1, 300), st.integers(0, 300), st.floats(1.0, 40.0))
def test_bursts_never_sharpen_what_is_known(lost: int, won: int, effect: float) -> None:
    """Neither the bound of a pass nor the rate of a control: what counts as fewer trials says less of both."""
    plain, burst = Tally(races=lost + won, lost=lost), Tally(races=lost + won, lost=lost, design_effect=effect)
    limits = (plain.at_least(), burst.at_least(), plain.bound(), burst.bound())
    assert None not in limits
    assert limits[1] <= limits[0] + 1e-9  # type: ignore[operator]
    assert limits[3] >= limits[2] - 1e-9  # type: ignore[operator]


def gains(values: list[int]) -> Gains:
    found = Gains()
    for value in values:
        found = found.and_then(value)
    return found


def test_bursts_are_told_from_independent_races() -> None:
    rng = random.Random(7)
    spread = [sum(rng.random() < 0.02 for _ in range(100)) for _ in range(400)]
    bursts = [8 * value for value in spread]
    assert races.design_effect(gains(spread)) < 1.3
    assert 6.0 < races.design_effect(gains(bursts)) < 11.0
    assert races.design_effect(gains([0] * 100)) == 1.0
    assert races.design_effect(gains([5, 0, 0])) == 5.0  # too few samples for a variance: each is one burst
    assert races.design_effect(gains(spread[:200]) + gains(spread[200:])) == races.design_effect(gains(spread))
    seen = races.tally({"grew_class": sum(bursts)}, {"grew_class": gains(bursts)})
    assert seen is not None
    assert seen.trials == int(sum(bursts) / seen.design_effect)


def test_a_boot_that_lost_is_at_least_one_accident() -> None:
    burst = {"grew_class": gains([0, 1, 12, 1])}
    lost = races.tally({"grew_class": 14, "overruns": 3}, burst)
    assert lost == Tally(races=14, lost=3, design_effect=3.0)
    assert races.pooled([Tally(races=4, lost=1), Tally(races=24, lost=12, design_effect=12.0)]) == Tally(
        races=28, lost=13, boots=2, design_effect=6.5
    )


@pytest.mark.parametrize("luck", [0.5, 0.05, 0.001])
def test_needed_and_luck_are_one_question(luck: float) -> None:
    control = Tally(races=33, lost=31)
    count = races.needed(control, luck)
    assert count is not None
    reached = races.luck_of(control, Tally(races=count, lost=0))
    assert reached is not None
    assert reached <= luck * 1.01
    if count > 1:
        missed = races.luck_of(control, Tally(races=count - 1, lost=0))
        assert missed is not None
        assert missed > luck


def test_a_control_that_lost_nothing_gives_no_measure() -> None:
    assert races.needed(Tally(races=500, lost=0), 0.01) is None
    assert races.luck_of(Tally(races=500, lost=0), Tally(races=9, lost=0)) is None
    assert races.luck_of(Tally(races=9, lost=9), Tally(races=9, lost=1)) is None
    assert races.luck_of(Tally(races=9, lost=9), Tally(races=0, lost=0)) is None
    with pytest.raises(ValueError, match="cannot be asked for"):
        races.needed(Tally(races=9, lost=9), 0.0)


@pytest.mark.parametrize("luck", [0.05, 0.01])
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4, 0.9])
def test_an_unfixed_kernel_passes_no_more_often_than_stated(rate: float, luck: float) -> None:
    """Exact, over every result that a control of 40 races can have."""
    trials, passes = 40, 0.0
    for lost in range(trials + 1):
        chance = comb(trials, lost) * rate**lost * (1 - rate) ** (trials - lost)
        count = races.needed(Tally(races=trials, lost=lost), luck)
        passes += chance * ((1 - rate) ** count if count is not None else 0.0)
    assert passes <= luck


class TestStoppedByALoss:
    """Boots that end at a loss: the number of races is what varies."""

    RATE, BOOTS, ROUNDS = 0.15, 5, 3000

    @pytest.fixture(scope="class")
    @classmethod
    def samples(cls) -> list[Tally]:
        """The pooled tallies of many controls of so many boots, each ended by its first loss."""
        rng = random.Random(11)
        found = []
        for _ in range(cls.ROUNDS):
            ends = [int(log(1.0 - rng.random()) / log1p(-cls.RATE)) + 1 for _ in range(cls.BOOTS)]
            found.append(
                races.pooled([Tally(races=end, lost=1, stopped=True) for end in ends]) or Tally(races=0, lost=0)
            )
        return found

    def test_the_rate_is_right_on_average_and_the_naive_one_is_not(self, samples: list[Tally]) -> None:
        rates = [rate for one in samples if (rate := one.rate()) is not None]
        assert len(rates) == self.ROUNDS
        assert abs(mean(rates) - self.RATE) < 0.004
        assert mean(one.lost / one.races for one in samples) > self.RATE + 0.02

    def test_the_rate_is_told_beside_the_counts(self) -> None:
        stopped = Tally(races=16, lost=4, boots=3, stopped=True)
        assert races.lost_words(stopped, "unstable") == "unstable lost 4 of 16 in 3 boots (20 %, at least 9 %)"
        assert races.lost_words(replace(stopped, stopped=False), "x") == "x lost 4 of 16 in 3 boots (at least 9 %)"

    def test_one_loss_alone_says_nothing_of_the_rate_but_bounds_it(self) -> None:
        one = Tally(races=20, lost=1, stopped=True)
        assert one.rate() is None
        assert (one.at_least() or 0.0) == pytest.approx(1.0 - 0.95 ** (1 / 20))  # P(N <= 20) = 5 %
        assert (one.bound() or 0.0) == pytest.approx(1.0 - 0.05 ** (1 / 19))  # P(N >= 20) = 5 %
        assert Tally(races=1, lost=1, stopped=True).bound() == 1.0
        assert Tally(races=20, lost=1).rate() == 1 / 20

    @pytest.mark.parametrize("confidence", [0.95, 0.9])
    def test_the_interval_covers_as_often_as_it_says(self, samples: list[Tally], confidence: float) -> None:
        """Of each end alone. Monte Carlo error: four standard deviations; discreteness only makes it cover more."""
        error = 4.0 * sqrt(confidence * (1 - confidence) / self.ROUNDS)
        under = mean((one.at_least(confidence) or 0.0) <= self.RATE for one in samples)
        over = mean((one.bound(confidence) or 1.0) >= self.RATE for one in samples)
        assert under >= confidence - error
        assert over >= confidence - error
        assert min(under, over) <= confidence + 0.035  # and is not wide for nothing


@dataclass(frozen=True)
class Bursty:
    """A kernel whose races come in bursts that are lost or won as one."""

    size: int  # races of a burst
    rate: float  # bursts that are lost
    density: float  # bursts in a sample, on average

    def boot(self, rng: random.Random, *, until_races: int = 0, ends: float = 0.0) -> Tally:
        """One boot, until so many races, or until a loss crashes it (with probability `ends`)."""
        increments: list[int] = []
        seen, lost = 0, 0
        while True:
            gained = 0
            for _ in range(self._poisson(rng)):
                gained += self.size
                if rng.random() < self.rate:
                    lost += self.size
                    if rng.random() < ends:
                        return self._tally(seen + gained, lost, [*increments, gained], stopped=True)
            seen += gained
            increments.append(gained)
            if until_races and seen >= until_races:
                return self._tally(seen, lost, increments)

    def _poisson(self, rng: random.Random) -> int:
        count, product, limit = 0, rng.random(), exp(-self.density)
        while product > limit:
            count, product = count + 1, product * rng.random()
        return count

    @staticmethod
    def _tally(seen: int, lost: int, increments: list[int], stopped: bool = False) -> Tally:
        one = races.tally({"grew_class": seen, "overruns": lost}, {"grew_class": gains(increments)})
        assert one is not None
        return replace(one, stopped=stopped)


KERNELS = (
    Bursty(size=1, rate=0.3, density=4.0),
    Bursty(size=12, rate=0.5, density=1.0),
    Bursty(size=12, rate=0.9, density=0.3),
    Bursty(size=40, rate=0.15, density=2.0),
    Bursty(size=4, rate=0.05, density=0.5),
)


def share_of_passes(kernel: Bursty, luck: float, *, rounds: int = 600, heed: bool = True) -> float:
    """The whole way: three boots of a control that end as they crash, the races this asks for, a boot of so many.

    The kernel under test has the control's rate. It runs until the races it was told, and passes when it lost none and
    its own design effect leaves as many trials as are needed. `heed`: that races come in bursts.
    """
    rng, passes = random.Random(5), 0
    for _ in range(rounds):
        boots = [kernel.boot(rng, ends=0.7) for _ in range(3)]
        control = races.pooled(boots if heed else [replace(boot, design_effect=1.0) for boot in boots])
        assert control is not None
        wanted = races.needed(control, luck)
        assert wanted is not None
        told = ceil(wanted * (kernel.size if heed else 1.0))
        seen = kernel.boot(rng, until_races=min(4000, told), ends=1.0)
        passes += not seen.lost and (seen.trials if heed else seen.races) >= wanted
    return passes / rounds


@pytest.mark.parametrize("luck", [0.05, 0.02])
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_a_kernel_as_bad_as_its_control_passes_no_more_often_than_stated(kernel: Bursty, luck: float) -> None:
    error = 3.0 * sqrt(luck * (1 - luck) / 600)  # Monte Carlo
    assert share_of_passes(kernel, luck) <= luck + error


def test_it_would_if_bursts_were_not_heeded() -> None:
    assert share_of_passes(KERNELS[1], 0.05, heed=False) > 0.3
