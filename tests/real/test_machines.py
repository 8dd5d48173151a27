"""Real guests on workers in processes of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requires

from kzram_ci.base import clock
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.cli.main import main
from kzram_ci.model.layout import CellFile

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]
ROOT = Path(__file__).resolve().parents[2]
PLAN = """\
name: machines
kernels: [stock]
machine: {memory: 256M, cpus: 1}
tests:
  short: {workload: anonmutate, args: {pages: 2048, mutators: 1}, zram: {size: 128M}, fault: {kind: failslab},
          stop: {recompressions: 100}, duration: 60s, expect: {floors: {recompressions: 100}}}
  press: {workload: pressure, zram: {size: 512M}, duration: SECONDS}
"""


@pytest.fixture(autouse=True)
def cluster() -> None:
    for name in ("distributed", "cryptography"):
        try:
            __import__(name)
        except ImportError:
            requires.lacking("cluster", f"no {name}")


def test_the_smallest_plan_passes_on_two_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["run", "smoke", "--scheduler", "local:2", "--jobs", "2", "--runs", str(tmp_path), "--no-history"])
    assert code == 0, capsys.readouterr()
    (run,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (row,) = map(json.loads, (run / "results.jsonl").read_text().splitlines())
    assert row["judgement"]["verdict"] == "ok"
    assert row["evidence"]["counters"]["recompressions"] >= 1000
    assert (run / row["directory"] / CellFile.CONSOLE).stat().st_size > 1000


def test_threads_one_worker_and_four_give_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "machines.yaml"
    plan.write_text(PLAN.replace("SECONDS", "5s"))
    found = {}
    for name, words in (("threads", ()), ("one", ("--scheduler", "local:1")), ("four", ("--scheduler", "local:4"))):
        runs = tmp_path / name
        code = main(["run", str(plan), *words, "--runs", str(runs), "--no-history"])
        assert code in (0, 3), capsys.readouterr()  # what proves nothing is inconclusive, wherever it ran
        (run,) = (path for path in runs.iterdir() if path.is_dir())
        rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
        assert sorted(row["id"] for row in rows) == ["stock/press", "stock/short"], "each of them once"
        found[name] = {row["id"]: same(row) for row in rows}, code
    assert found["one"] == found["four"] == found["threads"]


def same(row: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on where a cell ran."""
    judged = {name: row["judgement"][name] for name in ("outcome", "verdict")}
    return {**judged, **{name: row[name] for name in ("seed", "kernel_key", "setup_key", "accel", "expected")}}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_run_that_is_stopped_leaves_no_guest_on_any_worker(tmp_path: Path, number: signal.Signals) -> None:
    plan = tmp_path / "machines.yaml"
    plan.write_text(PLAN.replace("SECONDS", "600s"))
    env = {**os.environ, "HOME": str(tmp_path), "KZRAM_CACHE": str(cache_root()), "PYTHONPATH": str(ROOT)}
    env["PYTHONFAULTHANDLER"] = "1"  # what it did, should it not end
    argv = (sys.executable, "-m", "kzram_ci", "run", str(plan), "--test", "press", "--scheduler", "local:2")
    with (tmp_path / "out").open("wb") as out:
        run = subprocess.Popen(argv, cwd=tmp_path, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        until(lambda: list(tmp_path.glob("runs/*/cells/*/cell.json")) and ours(tmp_path, b"qemu-system"), run, tmp_path)
        run.send_signal(number)
        code = ended(run)
    finally:
        run.kill()
        run.wait()
    assert code == (-number if number is signal.SIGKILL else 130), (tmp_path / "out").read_text()
    deadline = Deadline.after(120)
    while ours(tmp_path, b""):
        assert not deadline.expired(), ours(tmp_path, b"")
        clock.sleep(0.2)


def ended(run: "subprocess.Popen[bytes]") -> int:
    """How it ended. A run that does not is made to say where it stands."""
    try:
        return run.wait(timeout=120)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGABRT)
        return run.wait(timeout=30)


def until(true: Callable[[], object], run: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    deadline = Deadline.after(900)  # it may have to build the kernel
    while not true():
        assert run.poll() is None and not deadline.expired(), (tmp_path / "out").read_text()
        clock.sleep(0.2)


def ours(home: Path, word: bytes) -> list[bytes]:
    """The command lines of all processes that came of a run with this home, and have a word in them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes())
        except OSError:
            continue  # gone meanwhile
    return [line for line in found if line and word in line]
