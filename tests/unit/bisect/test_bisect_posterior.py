"""What observations make of the probabilities."""

import pytest
from bisect_histories import CLEAN, CRASH, begin, infected, line, name, saw
from hypothesis import given, settings
from hypothesis import strategies as st

from kzram_ci.base.errors import UserError
from kzram_ci.bisect.belief.decide import Done, next_step
from kzram_ci.bisect.belief.model import Bisection, Observation, same_bytes
from kzram_ci.bisect.belief.posterior import posterior

NO_EVIDENCE = (
    Observation.OTHER,
    Observation.INCONCLUSIVE,
    Observation.INFRA,
    Observation.UNBUILDABLE,
    Observation.UNBOOTABLE,
    Observation.SKIP,
)
CROSSED = [(), (0,), (1,), (0,), (2, 3), (3,), (4, 5), (5, 4), (6, 7)]


@st.composite
def dags(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """Commit 0 is the good end, the last one descends from all."""
    parents: list[tuple[int, ...]] = [()]
    for commit in range(1, draw(st.integers(2, 9))):
        older = st.lists(st.integers(0, commit - 1), min_size=1, max_size=2, unique=True)
        parents.append(tuple(draw(older)))
    tips = set(range(len(parents))) - {parent for mine in parents for parent in mine}
    return [*parents, tuple(sorted(tips))]


@st.composite
def bisections(draw: st.DrawFn) -> Bisection:
    parents = draw(dags())
    state = begin(parents)
    what = st.sampled_from([CRASH, CLEAN, *NO_EVIDENCE])
    for commit, one in draw(st.lists(st.tuples(st.integers(0, len(parents) - 1), what), max_size=12)):
        state = saw(state, commit, one)
    return state


def bad(state: Bisection, commit: int) -> float:
    return posterior(state).bad(state.graph.node(name(commit)))


@given(bisections())
@settings(max_examples=150, deadline=None)
def test_probabilities_sum_to_one(state: Bisection) -> None:
    belief = posterior(state)
    assert sum(belief.each()) + belief.none == pytest.approx(1.0)
    assert all(-1e-12 <= one <= 1.0 + 1e-12 for one in belief.each())
    assert sum(one.size for one in belief.classes) == state.graph.candidates


@given(bisections())
@settings(max_examples=100, deadline=None)
def test_a_descendant_is_at_least_as_probably_bad(state: Bisection) -> None:
    belief, graph = posterior(state), state.graph
    for node in range(graph.candidates):
        for parent in graph.parents[node]:
            assert belief.bad(node) >= belief.bad(parent) - 1e-9


@given(bisections(), st.sampled_from(NO_EVIDENCE), st.data())
@settings(max_examples=100, deadline=None)
def test_what_is_no_evidence_moves_nothing(state: Bisection, what: Observation, data: st.DataObject) -> None:
    commit = data.draw(st.sampled_from(state.graph.names))
    before = posterior(state)
    after = posterior(saw(state, int(commit, 16), what))
    assert after.each() == pytest.approx(before.each())
    assert after.none == pytest.approx(before.none)


@given(bisections())
@settings(max_examples=100, deadline=None)
def test_order_does_not_matter(state: Bisection) -> None:
    turned = Bisection(graph=state.graph, seen=tuple(reversed(state.seen)))
    assert posterior(turned).each() == pytest.approx(posterior(state).each())


@given(bisections())
@settings(max_examples=60, deadline=None)
def test_a_decision_is_made_whatever_was_seen(state: Bisection) -> None:
    step = next_step(state)
    if not isinstance(step, Done):
        assert step.times >= 1
        assert step.commit in state.graph.numbers


def test_a_crash_makes_a_commit_worse_and_clean_boots_better_one_by_one() -> None:
    state = saw(begin(line(16)), 16, CRASH, times=3)
    assert bad(saw(state, 8, CRASH), 8) > 0.99
    doubts = [bad(saw(state, 8, CLEAN, times=clean), 8) for clean in range(6)]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] == pytest.approx(0.5)
    assert doubts[5] < 0.05


def test_the_rate_is_learnt_so_a_rare_crash_needs_more_clean_boots() -> None:
    often = saw(begin(line(16)), 16, CRASH, times=4)
    rarely = saw(often, 16, CLEAN, times=36)
    assert bad(saw(rarely, 8, CLEAN, times=5), 8) > 5 * bad(saw(often, 8, CLEAN, times=5), 8)
    assert posterior(often).rate_bad() > 0.8
    assert 0.05 < posterior(rarely).rate_bad() < 0.2


def test_a_crash_of_the_good_end_is_evidence_for_no_culprit() -> None:
    state = saw(begin(line(16)), 16, CRASH, times=3)
    assert posterior(saw(state, 0, CRASH)).none > 0.9
    assert posterior(saw(state, 0, CLEAN, times=3)).none < posterior(state).none


def test_a_commit_with_its_parents_bytes_is_not_the_culprit() -> None:
    state = same_bytes(begin(line(4)), name(2), name(1))
    each = posterior(state).each()
    assert each[1] == 0.0
    assert each[0] == pytest.approx(each[2])


def test_results_are_shared_between_commits_with_the_same_bytes() -> None:
    state = same_bytes(saw(begin(line(16)), 16, CRASH, times=3), name(9), name(8))
    state = saw(state, 8, CLEAN, times=4)
    assert bad(state, 9) == pytest.approx(bad(state, 8))
    assert bad(state, 8) < 0.1
    assert bad(saw(state, 9, CRASH), 8) > 0.8


def test_marks_are_certain() -> None:
    state = saw(begin(line(8)), 4, Observation.MARK_GOOD)
    assert posterior(state).each()[:4] == (0.0,) * 4
    state = saw(state, 6, Observation.MARK_BAD)
    each = posterior(state).each()
    assert each[4] == pytest.approx(0.5)
    assert each[5] == pytest.approx(0.5)
    assert posterior(state).none == 0.0


def test_marks_that_contradict_each_other_are_the_users_error() -> None:
    state = saw(saw(begin(line(8)), 3, Observation.MARK_BAD), 5, Observation.MARK_GOOD)
    with pytest.raises(UserError, match="contradict"):
        posterior(state)
    with pytest.raises(UserError, match="contradict"):
        next_step(state)


@pytest.mark.parametrize("culprit", range(1, len(CROSSED)))
def test_in_a_dag_a_clean_side_acquits_its_own_ancestors_only(culprit: int) -> None:
    state, sick = begin(CROSSED), infected(CROSSED, culprit)
    for commit in range(len(CROSSED)):
        state = saw(state, commit, CRASH if commit in sick else CLEAN, times=12)
    each = posterior(state).each()
    assert each.index(max(each)) == state.graph.node(name(culprit))
    assert max(each) > 0.99
