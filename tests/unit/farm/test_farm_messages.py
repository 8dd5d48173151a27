import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.farm.child import _teller
from kzram_ci.farm.messages import Began, Failed, Message, event_of, parse, render
from kzram_ci.model.events import (
    BuildDone,
    BuildProgress,
    BuildStarted,
    CellOops,
    CellProgress,
    CellRetried,
    CellStarted,
    Note,
)

ALL: tuple[Message, ...] = (
    Began(cell="k/t", worker="w"),
    Failed(cell="k/t", worker="w", why="no disk"),
    CellProgress(cell="k/t", counters={"a": 1}),
    CellOops(cell="k/t", title="BUG"),
    CellRetried(cell="k/t", reason="silent"),
    Note(subject="k", text="x"),
    BuildStarted(kernel="k"),
    BuildProgress(kernel="k", done=1, total=2),
)


@pytest.mark.parametrize("message", ALL)
def test_a_message_comes_as_it_was_sent(message: Message) -> None:
    assert parse(json.loads(json.dumps(render(message)))) == message


def test_what_the_run_says_itself_is_not_passed_on() -> None:
    assert event_of(CellStarted(cell="c")) is None
    assert event_of(BuildDone(kernel="k", how="cached")) is None
    assert event_of(ALL[2]) == ALL[2]


def test_counters_are_told_at_a_pace_and_a_crash_at_once() -> None:
    told: list[str] = []
    tell = _teller(told.append, lambda: None, 3600.0)
    for message in (ALL[2], ALL[2], ALL[3], ALL[2]):
        tell(message)  # type: ignore[arg-type]  # all of them are events
    assert [parse(json.loads(line)) for line in told] == [ALL[2], ALL[3]]


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"kind": "CellDone"}, {"kind": "Note"}, {"kind": "Note", "value": {"subject": 1}}, {"kind": []}],
)
def test_what_no_worker_sends_is_dropped(data: Any) -> None:
    assert parse(data) is None


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_json_is_a_message_or_dropped(value: Any) -> None:
    for kind in ("Began", "CellProgress", "Note"):
        parse({"kind": kind, "value": value})
