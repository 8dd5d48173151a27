"""`kzram-ci run` from plan to JUnit and exit code, as a user has it: a process, a real make on a toy tree, a fake QEMU.

Also killed in the middle: nothing of it may be left running, nothing that was finished may be lost, and `--resume` must
come to the same verdicts as a run that nobody disturbed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requires
from junitparser import JUnitXml
from tiny_source import write_tree

ROOT = Path(__file__).resolve().parents[3]
FAKE = ROOT / "tests" / "support" / "fake_qemu.py"
OOPS = ROOT / "tests" / "golden" / "oops" / "general-protection.log"
SECONDS = 120.0
PLAN = """\
name: whole
kernels:
{kernels}
machine: {{accel: tcg, memory: 64M, cpus: 1}}
tests:
  race: {{workload: anonmutate, duration: 5s, expect: {{ceilings: {{overruns: 0}}}}}}
  more: {{workload: pressure, duration: 5s}}
expect:
  - {{kernel: '*', test: race, repeats: 1}}
{expect}
"""


@dataclass(kw_only=True)
class Done:
    """What a run left: exit code, words, its directory."""

    code: int
    out: str
    path: Path

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        return {one["id"]: one for one in map(json.loads, (self.path / "results.jsonl").read_text().splitlines())}

    @property
    def verdicts(self) -> dict[str, tuple[str, str]]:
        return {name: (one["judgement"]["outcome"], one["judgement"]["verdict"]) for name, one in self.results.items()}

    @property
    def junit(self) -> JUnitXml:
        return JUnitXml.fromfile(str(self.path / "junit.xml"))


class House:
    """A working directory with kernels, plans and a QEMU of its own."""

    def __init__(self, path: Path, cache: Path) -> None:
        self.path = path
        tools = path / "bin"
        tools.mkdir(parents=True)
        make = f'echo "$*" >>{path / "make-calls"}\nexec {requires.tool("make")} "$@"'
        for name, body in (("qemu-system-x86_64", f'exec {sys.executable} -S {FAKE} "$@"'), ("make", make)):
            (tools / name).write_text(f"#!/bin/sh\n{body}\n")
            (tools / name).chmod(0o755)
        (path / "kernels" / "config").mkdir(parents=True)
        (path / "kernels" / "config" / "tiny.config").write_text("CONFIG_B=y\n")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("KZRAM", "FAKE"))}
        self.env |= {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "KZRAM_CACHE": str(cache),
            "HOME": str(path),  # also the mark of every process of ours: make's get it too
        }

    def plan(self, *, expect: str = "", **kernels: str) -> None:
        """A plan of two tests on kernels; a kernel is what the words in its source say."""
        for name, words in kernels.items():
            tree = write_tree(self.path / "trees" / name)
            (tree / "fake.c").write_text(f"/* {name}\n{words}\n*/\n")
        row = "  - {{name: {0}, arch: x86_64, source: {{kind: directory, path: trees/{0}}}, config: [tiny]}}"
        text = PLAN.format(kernels="\n".join(row.format(name) for name in kernels), expect=expect)
        (self.path / "whole.yaml").write_text(text)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        with (self.path / "out").open("wb") as out:
            return subprocess.Popen(
                (sys.executable, "-m", "kzram_ci", "run", *words),
                cwd=self.path,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, child: "subprocess.Popen[bytes]") -> Done:
        code = child.wait(timeout=SECONDS)
        runs = sorted((self.path / "runs").glob("*")) if (self.path / "runs").is_dir() else []
        return Done(code=code, out=(self.path / "out").read_text(), path=runs[-1] if runs else Path())

    def run(self, *words: str) -> Done:
        return self.finish(self.start(*words))

    def ours(self) -> list[str]:
        """Every process that came of this house: its HOME is in their environment."""
        mark, found = f"HOME={self.path}".encode(), []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue  # gone meanwhile
        return [line for line in found if line]

    def builds(self) -> int:
        return (self.path / "make-calls").read_text().count("bzImage")

    def results_so_far(self, kernel: str) -> bool:
        """Whether both cells of a kernel are on disk."""
        text = "".join(path.read_text() for path in (self.path / "runs").glob("*/results.jsonl"))
        return all(f'"{kernel}/{test}"' in text for test in ("race", "more"))

    def until(self, true: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < end, f"{what}: never; {(self.path / 'out').read_text()[-2000:]}"
            time.sleep(0.02)


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
        gate = house.path / "gate"
        house.plan(early="FAKE pass", late=f"FAKE oops {OOPS}\nMAKE-WAIT {gate}")
        child = house.start("whole.yaml", "--make-jobs", "1")
        house.until(lambda: Path(f"{gate}.waiting").exists(), "the build of the second kernel")
        house.until(
            lambda: house.results_so_far("early"),
            "the cells of the first kernel",
        )
        killed = self.kill(house, child)
        assert set(killed.results) == {"early/race", "early/more"}
        gate.touch()
        self.resumed_like_an_undisturbed_run(house, killed)

    def test_in_a_boot(self, house: House) -> None:
        gate = house.path / "gate"
        house.plan(quick="FAKE pass", slow=f"FAKE pass\nGUEST-WAIT {gate}")
        child = house.start("whole.yaml", "--jobs", "4")
        house.until(lambda: Path(f"{gate}.waiting").exists(), "the boot of the second kernel")
        house.until(
            lambda: house.results_so_far("quick"),
            "the cells of the first kernel",
        )
        killed = self.kill(house, child)
        assert set(killed.results) == {"quick/race", "quick/more"}
        gate.touch()
        self.resumed_like_an_undisturbed_run(house, killed)


class TestInterrupted:
    def test_ctrl_c_keeps_what_is_done_and_can_be_gone_on_with(self, house: House) -> None:
        gate = house.path / "gate"
        house.plan(first="FAKE pass", second=f"FAKE pass\nGUEST-WAIT {gate}")
        child = house.start("whole.yaml", "--jobs", "4")
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
