"""The range as a DAG."""

import pytest
from bisect_histories import begin, line, name, text

from kzram_ci.base.errors import UserError
from kzram_ci.bisect.belief.graph import Graph, parse

#     1 - 2 ------ 5      5 merges 4 into 2
# 0 <             /
#     3 - 4 -----
FORK = [(), (0,), (1,), (0,), (3,), (2, 4)]


def reach(graph: Graph, commit: int) -> set[str]:
    return {graph.names[node] for node in graph.members(graph.reach[graph.node(name(commit))])}


def test_a_line_reaches_all_that_is_older() -> None:
    graph = begin(line(4)).graph
    assert graph.candidates == 4
    assert reach(graph, 3) == {name(1), name(2), name(3)}
    assert reach(graph, 0) == set()  # the good end cannot be the culprit, and no candidate makes it bad


def test_a_merge_reaches_both_sides_and_a_side_not_the_other() -> None:
    graph = begin(FORK).graph
    assert reach(graph, 2) == {name(1), name(2)}
    assert reach(graph, 4) == {name(3), name(4)}
    assert reach(graph, 5) == {name(commit) for commit in (1, 2, 3, 4, 5)}


def test_first_parent_takes_the_merged_side_off_the_history() -> None:
    rows = f"{name(5)} {name(2)} {name(4)}\n{name(2)} {name(1)}\n{name(1)} {name(0)}"
    graph = parse(rows, bad=name(5), goods=[name(0)], first_parent=True)
    assert graph.candidates == 3
    assert reach(graph, 5) == {name(1), name(2), name(5)}
    assert name(4) not in graph.numbers


def test_several_goods_bound_the_range() -> None:
    # 3 is good as well: only its descendants 4 and 5, and the other side, are left.
    graph = begin(FORK, goods=(0, 3)).graph
    assert graph.candidates == 4
    assert reach(graph, 4) == {name(4)}
    assert reach(graph, 3) == set()


def test_path_limits_may_take_the_bad_end_off_the_list() -> None:
    rows = f"{name(3)} {name(1)}\n{name(1)} {name(0)}"
    graph = parse(rows, bad=name(9), goods=[name(0)])
    assert graph.bad >= graph.candidates
    assert reach(graph, 9) == {name(1), name(3)}


def test_lines_read_back_to_the_same_graph() -> None:
    graph = begin(FORK).graph
    assert parse("\n".join(graph.lines()), bad=name(5), goods=[name(0)]) == graph


@pytest.mark.parametrize(
    ("rows", "goods", "words"),
    [
        ("", [0], "no commit between"),
        (text(line(3)), [2], "lies inside the range"),
        (f"{name(1)} {name(0)}\n{name(2)} {name(1)}", [0], "topological"),
    ],
)
def test_ranges_that_cannot_be(rows: str, goods: list[int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(rows, bad=name(3), goods=map(name, goods))


def test_an_unknown_commit_is_the_users_error() -> None:
    with pytest.raises(UserError, match="not part of this bisection"):
        begin(line(3)).graph.node(name(77))
