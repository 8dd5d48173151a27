"""A trace of a run: spans by thread, in the format that trace viewers open."""

import json
import threading
from pathlib import Path

import pytest

from kzram_ci.base import clock, spans
from kzram_ci.base.errors import UserError
from kzram_ci.base.spans import mark, past, recording, span


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    at = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: at[0])
    return at


def events(path: Path) -> list[dict[str, object]]:
    return list(json.loads(path.read_text())["traceEvents"])


def test_spans_have_their_begin_their_length_and_their_facts(tmp_path: Path, now: list[float]) -> None:
    with recording(tmp_path / "trace.json"):
        now[0] += 1
        with span("cell a/b", "cell", kernel="stock"):
            now[0] += 0.5
            with span("judge", "judge"):
                now[0] += 0.25
        past("workload", "guest", 101.0, 0.125)
        mark("BUG: NULL deref", "oops", cell="a/b")
    shown = {str(event["name"]): event for event in events(tmp_path / "trace.json")}
    assert (shown["cell a/b"]["ts"], shown["cell a/b"]["dur"]) == (1_000_000, 750_000)
    assert (shown["judge"]["ts"], shown["judge"]["dur"]) == (1_500_000, 250_000)
    assert (shown["workload"]["ts"], shown["workload"]["dur"]) == (1_000_000, 125_000)
    assert shown["cell a/b"]["args"] == {"kernel": "stock"}
    assert (shown["BUG: NULL deref"]["ph"], shown["BUG: NULL deref"]["ts"]) == ("i", 1_750_000)


def test_each_worker_has_a_track_with_its_name(tmp_path: Path) -> None:
    together = threading.Barrier(3, timeout=60)

    def work() -> None:
        with span("boot", "boot"):
            together.wait()

    with recording(tmp_path / "trace.json"):
        workers = [threading.Thread(target=work, name=f"cell_{number}") for number in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    found = events(tmp_path / "trace.json")
    names = {event["args"]["name"] for event in found if event["ph"] == "M"}  # type: ignore[index]
    assert names == {"cell_0", "cell_1", "cell_2"}
    assert sum(event["ph"] == "X" for event in found) == 3


def test_a_block_that_fails_is_recorded_and_the_file_is_whole(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), recording(tmp_path / "trace.json"), span("boot", "boot"):
        raise RuntimeError
    assert [event["name"] for event in events(tmp_path / "trace.json") if event["ph"] == "X"] == ["boot"]


def test_without_a_recording_nothing_is_kept(tmp_path: Path) -> None:
    with span("boot", "boot"):
        mark("oops", "oops")
    with recording(None), span("boot", "boot"):
        pass
    with recording(tmp_path / "trace.json"):
        pass
    assert events(tmp_path / "trace.json") == []


def test_memory_is_bounded_and_what_is_left_out_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "MOST", 10)
    with recording(tmp_path / "trace.json"):
        for _ in range(25):
            mark("x", "x")
    assert len([event for event in events(tmp_path / "trace.json") if event["ph"] == "i"]) == 10
    assert json.loads((tmp_path / "trace.json").read_text())["otherData"] == {"lost": 15}


def test_a_file_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    ran = []
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError), recording(file / "trace.json"):
        ran.append(1)
    assert not ran
