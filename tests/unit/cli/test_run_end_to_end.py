"""`kzram-ci run` from plan to JUnit and exit code, as a user has it: a process, a real make on a toy tree, a fake QEMU.

Also killed in the middle: nothing of it may be left running, nothing that was finished may be lost, and `--resume` must
come to the same verdicts as a run that nobody disturbed.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from answer_schemas import check
from house import OOPS, Done, House


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: the guest is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def house(tmp_path: Path, cache: Path) -> House:
    return House(tmp_path / "house", cache)


def test_from_plan_to_junit(house: House) -> None:
    """Two kernels, one of them with a crash that the plan expects in one test only."""
    house.plan(good="FAKE pass", bad=f"FAKE oops {OOPS}", expect="  - {kernel: bad, test: race, outcome: oops}")
    done = house.run("whole.yaml", "--trace", "trace.json")
    assert done.verdicts == {
        "good/race": ("pass", "ok"),
        "good/more": ("pass", "ok"),
        "bad/race": ("oops", "ok"),
        "bad/more": ("oops", "finding"),
    }
    assert done.code == 1
    assert {name: (suite.tests, suite.failures, suite.errors) for suite in done.junit for name in [suite.name]} == {
        "good": (2, 0, 0),
        "bad": (2, 1, 0),
    }
    (failure,) = [case.result[0] for suite in done.junit for case in suite if case.result]
    assert "general protection" in (failure.message or "")
    for name in ("plan.yaml", "environment.json", "report.html", "summary.md", "kcidb.json"):
        assert (done.path / name).stat().st_size > 0
    cell = done.path / "cells" / "bad.more"
    assert {"console.log", "control.log", "qemu.txt", "cell.json", "counters.json", "repro.sh"} <= set(os.listdir(cell))
    assert list(cell.glob("oops-*.txt"))
    assert "bad/more" in done.out
    trace = json.loads((house.path / "trace.json").read_text())["traceEvents"]
    spans = {event["name"]: event for event in trace if event["ph"] == "X"}
    assert {"plan", "root file system", "kernel good", "configure", "make", "boot", "judge", "draw the reports"} <= set(
        spans
    )
    assert {f"cell {cell}" for cell in done.verdicts} <= set(spans)
    tracks = {event["tid"]: event["args"]["name"] for event in trace if event["ph"] == "M"}
    assert tracks[spans["boot"]["tid"]].startswith("cell") and tracks[spans["make"]["tid"]].startswith("build")
    assert any(event["cat"] == "oops" for event in trace if event["ph"] == "i")
    assert house.ours() == []
    builds = house.builds()
    assert builds == 2
    assert house.run("whole.yaml").verdicts == done.verdicts
    assert house.builds() == builds, "what is built is not built again"


def test_each_trouble_is_its_own_verdict_and_the_worst_one_is_the_exit_code(house: House) -> None:
    house.plan(failing="FAKE fail", broken="#error\nFAKE pass", unfit="FAKE error-at-start")
    done = house.run("whole.yaml")
    assert done.verdicts == {
        **dict.fromkeys(("failing/race", "failing/more"), ("fail", "finding")),
        **dict.fromkeys(("broken/race", "broken/more"), ("build-failed", "error")),
        **dict.fromkeys(("unfit/race", "unfit/more"), ("infra", "error")),
    }
    assert done.code == 1
    assert {str(suite.name): (suite.failures, suite.errors) for suite in done.junit} == {
        "failing": (2, 0),
        "broken": (0, 2),
        "unfit": (0, 2),
    }
    assert "Traceback" not in done.out
    assert house.run("whole.yaml", "--kernel", "broken").code == 4
    consoles = {path: path.stat().st_mtime_ns for path in done.path.glob("cells/*/console.log")}
    again = house.run("--resume", str(done.path))
    assert (again.code, Done(code=1, out="", path=done.path).verdicts) == (1, done.verdicts)
    assert consoles
    assert {path: path.stat().st_mtime_ns for path in consoles} == consoles, "what is finished is not run again"


class TestKilled:
    """kill -9 leaves no time for anything: what was finished is on disk, and the guardian ends the rest."""

    def kill(self, house: House, child: "subprocess.Popen[bytes]") -> Done:
        os.kill(child.pid, signal.SIGKILL)
        done = house.finish(child)
        assert done.code == -signal.SIGKILL
        house.until(lambda: not house.ours(), f"the end of {house.ours()}")
        return done

    def resumed_like_an_undisturbed_run(self, house: House, killed: Done) -> None:
        before = killed.results
        again = house.run("--resume", str(killed.path))
        other = house.run("whole.yaml", "--runs", "others")
        undisturbed = Done(code=other.code, out=other.out, path=next((house.path / "others").iterdir()))
        assert again.path == killed.path
        assert again.verdicts == undisturbed.verdicts
        assert again.code == undisturbed.code
        assert {name: again.results[name] for name in before} == before, "what was finished is kept as it was"
        lines = (killed.path / "results.jsonl").read_text().splitlines()
        assert len(lines) == len(again.results), "each cell once"
        assert sum(suite.tests for suite in again.junit) == len(again.results)
        assert house.ours() == []

    def test_in_a_build(self, house: House) -> None:
        """Also what the compiler had written to TMPDIR is gone: it died without a chance to remove it."""
        gate = house.path / "gate"
        house.env["TMPDIR"] = str(house.path / "tmp")
        (house.path / "tmp").mkdir()
        house.plan(early="FAKE pass", late=f"FAKE oops {OOPS}\nMAKE-WAIT {gate}")
        child = house.start("whole.yaml", "--make-jobs", "1")
        house.until(lambda: Path(f"{gate}.waiting").exists(), "the build of the second kernel")
        house.until(lambda: bool(list((house.path / "tmp").glob("*/cc*.s"))), "a file of its compiler")
        house.until(
            lambda: house.results_so_far("early"),
            "the cells of the first kernel",
        )
        killed = self.kill(house, child)
        assert set(killed.results) == {"early/race", "early/more"}
        house.until(lambda: not os.listdir(house.path / "tmp"), f"the end of {os.listdir(house.path / 'tmp')}")
        gate.touch()
        self.resumed_like_an_undisturbed_run(house, killed)

    def test_in_a_boot(self, house: House) -> None:
        gate = house.path / "gate"
        house.plan(quick="FAKE pass", slow=f"FAKE pass\nGUEST-WAIT {gate}")
        child = house.start("whole.yaml", "--jobs", "4", "--cpus", "8")
        house.until(lambda: Path(f"{gate}.waiting").exists(), "the boot of the second kernel")
        house.until(
            lambda: house.results_so_far("quick"),
            "the cells of the first kernel",
        )
        killed = self.kill(house, child)
        assert set(killed.results) == {"quick/race", "quick/more"}
        gate.touch()
        self.resumed_like_an_undisturbed_run(house, killed)


def test_more_guests_than_their_virtual_cpus_allow_are_told_of(house: House) -> None:
    house.plan(quick="FAKE pass")
    done = house.run("whole.yaml", "--jobs", "4", "--cpus", "1")
    told = "kzram-ci: 4 guests at a time were asked for; with 1 virtual CPU there is room for 1, with --cpus 2 for 2\n"
    assert told in done.out
    assert "were asked for" not in house.run("whole.yaml", "--jobs", "4", "--cpus", "2").out


class TestInterrupted:
    def test_ctrl_c_keeps_what_is_done_and_can_be_gone_on_with(self, house: House) -> None:
        gate = house.path / "gate"
        house.plan(first="FAKE pass", second=f"FAKE pass\nGUEST-WAIT {gate}")
        child = house.start("whole.yaml", "--jobs", "4", "--cpus", "8")
        house.until(lambda: Path(f"{gate}.waiting").exists(), "the boot of the second kernel")
        os.kill(child.pid, signal.SIGINT)
        done = house.finish(child)
        assert done.code == 130
        assert "Traceback" not in done.out
        assert house.ours() == []
        assert sum(suite.tests for suite in done.junit) == 4, "complete on disk"
        last = done.out.splitlines()[-1]
        before = len(done.results)
        count = f"{before} of 4 cells done"
        assert last == f"kzram-ci: interrupted, {count}; to go on: kzram-ci run --resume runs/{done.path.name}"
        assert "before the cell started" not in (done.path / "summary.md").read_text() + done.out
        gate.touch()
        again = house.run("--resume")
        assert again.path == done.path
        assert again.code == 0
        assert (f"({before + 1}/4)" in again.out, "(1/4)" in again.out) == (True, before == 0)
        assert "no unfinished run in runs" in house.run("--resume").out
        assert set(again.verdicts.values()) == {("pass", "ok")}


def test_a_reader_that_stalls_holds_up_no_cell(house: House) -> None:
    """As a terminal stopped by Ctrl-S: standard error is a pipe that is full from the start and never read."""
    house.plan(good="FAKE pass")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    with (house.path / "out").open("wb") as out:
        child = subprocess.Popen(
            (sys.executable, "-m", "kzram_ci", "run", "whole.yaml"),
            cwd=house.path, env=house.env, stdin=subprocess.DEVNULL, stdout=out, stderr=writing, start_new_session=True,
        )  # fmt: skip
    os.close(writing)
    try:
        done = house.finish(child)
    finally:
        os.close(reading)
    assert done.code == 0
    assert done.verdicts == {"good/race": ("pass", "ok"), "good/more": ("pass", "ok")}
    assert "good" in done.out, "the table is standard output's"
    assert house.ours() == []


def test_a_budget_is_spent_on_repeats_and_the_end_says_only_what_changed(house: House) -> None:
    house.plan(good="FAKE pass")
    assert house.run("whole.yaml").code == 0
    began = time.monotonic()
    done = house.run("whole.yaml", "--budget", "20s", "--since-last-good", "--jobs", "1")
    assert done.code == 0
    assert time.monotonic() - began < 60
    assert set(done.verdicts.values()) == {("pass", "ok")}
    assert {"good/race", "good/more", "good/race/again=2"} <= set(done.results)
    seeds = [one["seed"] for one in done.results.values()]
    assert len(seeds) == len(set(seeds))
    assert "no change in 2 cells since " in done.out.splitlines()[-1]
    assert "repeat" in json.loads((done.path / "environment.json").read_text())["budget"]
    assert len(done.junit) == 1


def test_json_for_programs(house: House) -> None:
    house.plan(good="FAKE pass", bad=f"FAKE oops {OOPS}")
    done = house.run("whole.yaml", "--json", "--quiet", "--kernel", "bad", "--kernel", "good", "--test", "race")
    told = json.loads(done.out[done.out.index("{\n") :])
    check("run", told)
    assert (told["exit_code"], done.code) == (1, 1)
    assert Path(told["run"]).name == done.path.name
    assert {one["id"]: one["judgement"]["outcome"] for one in told["results"]} == {
        "good/race": "pass",
        "bad/race": "oops",
    }
