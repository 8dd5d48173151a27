"""What is killed, hung up or not listened to goes on to the same end: bisections, trials and runs, as a user has them.

bench/kill.py does the same at random moments, as many as there is time for.
"""

import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from house import House

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "bench"))
from killable import Command, Found, command_of

pytestmark = pytest.mark.timeout(600)
SECONDS = 240.0


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def boots(command: Command, runs: Path) -> int:
    """How many boots are on the disk; 0 while the file is not there."""
    return len(command.finished(runs))


@pytest.mark.parametrize(
    ("what", "number"), [("bisect", signal.SIGKILL), ("try", signal.SIGKILL), ("bisect", signal.SIGHUP)]
)
def test_after_some_boots(what: str, number: signal.Signals, tmp_path: Path) -> None:
    command = command_of((), what, tmp_path)
    runs = tmp_path / "runs"
    child = command.begin(runs, command.start)
    until(lambda: boots(command, runs) >= 2, "two boots")
    os.kill(child.pid, number)
    code = child.wait(timeout=SECONDS)
    assert code == (-number if number == signal.SIGKILL else 130)
    until(lambda: not command.house.ours(), f"the end of {command.house.ours()}")
    before = command.finished(runs)
    assert len(before) >= 2
    assert command.go_on(runs).wait(timeout=SECONDS) == 0
    after: Found = command.finished(runs)
    assert {name: after[name] for name in before} == before, "what was finished is kept as it was"
    other = tmp_path / "other"
    assert command.begin(other, command.start).wait(timeout=SECONDS) == 0
    assert command.ended(runs) == command.ended(other)
    assert command.house.ours() == []


def test_a_full_pipe_on_standard_output_holds_up_no_cell(tmp_path: Path) -> None:
    """The run is whole on the disk while nobody reads its table; it ends when somebody does."""
    house = House(tmp_path / "house", tmp_path / "cache")
    house.plan(good="FAKE pass")
    reader, writer = os.pipe()
    os.write(writer, b"x" * fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096))
    argv = (sys.executable, "-m", "kzram_ci", "run", "whole.yaml")
    with (house.path / "err").open("wb") as err:
        child = subprocess.Popen(
            argv, cwd=house.path, env=house.env, stdin=subprocess.DEVNULL, stdout=writer, stderr=err
        )
    os.close(writer)

    def drawn() -> bool:
        page = next((house.path / "runs").glob("*/report.html"), None)
        return (
            page is not None
            and house.results_so_far("good")
            and page.stat().st_mtime_ns >= page.with_name("results.jsonl").stat().st_mtime_ns
        )

    until(drawn, "the reports")
    with open(reader, "rb") as rest:
        text = rest.read().decode()
    assert child.wait(timeout=SECONDS) == 0
    assert "2 cells: 2 ok" in text
    assert house.ours() == []


def test_two_runs_and_a_build_at_once_on_one_cache(tmp_path: Path) -> None:
    """Each kernel is built once, by whoever comes first; the others wait for it and take it."""
    house = House(tmp_path / "house", tmp_path / "cache")
    house.plan(good="FAKE pass\nNAP", late="FAKE pass")
    for name in ("good", "late"):
        source = {"kind": "directory", "path": str(house.path / "trees" / name)}
        kernel = {"name": name, "arch": "x86_64", "source": source, "config": ["tiny"]}
        (house.path / "kernels" / f"{name}.yaml").write_text(json.dumps(kernel))
    first = house.start("whole.yaml", "--runs", "first")
    second = house.start("whole.yaml", "--runs", "second")
    argv = (sys.executable, "-m", "kzram_ci", "build", "good", "late")
    built = subprocess.run(argv, cwd=house.path, env=house.env, capture_output=True, timeout=SECONDS, check=False)
    assert (first.wait(timeout=SECONDS), second.wait(timeout=SECONDS), built.returncode) == (0, 0, 0), built.stderr
    assert house.builds() == 2
    for name in ("first", "second"):
        (path,) = (house.path / name).glob("*/results.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert sorted(one["id"] for one in lines) == ["good/more", "good/race", "late/more", "late/race"]
        assert {one["judgement"]["outcome"] for one in lines} == {"pass"}
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "history.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert house.ours() == []
