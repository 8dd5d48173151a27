"""Places of virtual CPUs: laws of the parts, whose turn it is, and threads of this process that pass for QEMU's."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.vm.placing import NAME, Placed, Turns, shares


@given(processors=st.lists(st.integers(0, 500), unique=True), cpus=st.integers(0, 20), turn=st.integers(0, 50))
def test_the_parts_are_all_and_have_none_in_common(processors: list[int], cpus: int, turn: int) -> None:
    parts = shares(processors, cpus, turn)
    if min(cpus, len(processors)) < 2:
        assert parts == ()
        return
    assert len(parts) == cpus
    different = set(parts)
    assert len(different) == min(cpus, len(processors))
    assert sorted(one for part in different for one in part) == sorted(processors)
    assert max(map(len, different)) - min(map(len, different)) <= 1


def test_the_turn_says_which_part_comes_first() -> None:
    assert shares((0, 1), 2, 0) == (frozenset({0}), frozenset({1}))
    assert shares((0, 1), 2, 1) == (frozenset({1}), frozenset({0}))
    assert shares((0, 1, 2, 3), 2, 0) == (frozenset({0, 2}), frozenset({1, 3}))
    assert shares((0, 1), 3, 0) == (frozenset({0}), frozenset({1}), frozenset({0}))


def test_a_guest_begins_where_the_fewest_do() -> None:
    turns = Turns(first=5)
    assert [turns.take(2) for _ in range(4)] == [1, 0, 1, 0]
    turns.give_back(2, 0)
    turns.give_back(2, 0)
    assert [turns.take(2) for _ in range(3)] == [0, 0, 1]
    assert turns.take(3) == 2, "guests of another size are counted for themselves"


@contextmanager
def named(name: str) -> Iterator[int]:
    """A thread of this process with a name; its number."""
    known, over, told = threading.Event(), threading.Event(), list[int]()

    def work() -> None:
        told.append(threading.get_native_id())
        Path(f"/proc/self/task/{told[0]}/comm").write_text(name)
        known.set()
        over.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert known.wait(60)
        yield told[0]
    finally:
        over.set()
        thread.join()


def test_virtual_cpus_are_placed_and_nothing_else_is() -> None:
    have = os.sched_getaffinity(0)
    with ExitStack() as stack:
        cpus = [stack.enter_context(named(NAME.format(number=number))) for number in range(2)]
        other = stack.enter_context(named("worker"))
        turns = Turns(first=0)
        placed = Placed(os.getpid(), 2, turns)
        places = [os.sched_getaffinity(cpu) for cpu in cpus]
        if len(have) > 1:
            assert not places[0] & places[1]
            assert places[0] | places[1] == have
            assert turns.take(2) == 1, "the first has its turn"
            placed.leave()
            placed.leave()
            assert turns.take(2) == 0, "it gave it back, once"
        else:
            assert places == [have, have]
        assert os.sched_getaffinity(other) == have


def test_a_guest_that_is_gone_or_small_is_no_news() -> None:
    for pid, cpus in ((2**22 + 1, 2), (os.getpid(), 1)):
        Placed(pid, cpus).leave()
