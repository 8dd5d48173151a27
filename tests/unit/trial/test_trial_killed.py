"""A trial that is killed with signal 9, at any moment, goes on with --resume and comes to the same answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from trial_rig import BUG, Rig

from kzram_ci.base import clock
from kzram_ci.trial.session import store

FIXED = BUG.replace("CRASHES", "0")
# The command itself, on the rig's kernels and guests; a boot takes a moment, so that there is one to die in.
CHILD = """
import sys, time
from dataclasses import replace
from pathlib import Path
from trial_rig import Rig
from kzram_ci.cli.main import main
from kzram_ci.trial import run
rig = Rig.__new__(Rig)
rig.root, rig.told = Path(sys.argv[1]), []
rig.repo, rig.plan = rig.root / "linux", rig.root / "tiny.yaml"
def slow(job, deadline, listener, boot=rig.stages().boot):
    time.sleep(0.1)
    return boot(job, deadline, listener)
run.real_stages = lambda context, *how: (replace(rig.stages(), boot=slow), None)
sys.exit(main(["try", *sys.argv[2:]]))
"""


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return Rig(tmp_path)


def started(rig: Rig, *words: str) -> subprocess.Popen[bytes]:
    support, package = Path(__file__).resolve().parents[2] / "support", Path(store.__file__).resolve().parents[3]
    path = os.pathsep.join((str(support), str(package)))
    argv = (sys.executable, "-c", CHILD, str(rig.root), *words)
    return subprocess.Popen(
        argv, cwd=rig.root, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def progress(rig: Rig) -> tuple[int, int, int]:
    """Kernels and boots that are written down, and boots that were begun, of the only trial."""
    state = next((rig.root / "runs").glob("*-try-*/state.json"), None)
    if state is None:
        return -1, -1, -1
    facts = json.loads(state.read_text())
    begun = sum(1 for path in state.parent.glob("boots/*/*/*") if path.name.isdigit())
    return len(facts.get("builds", ())), len(facts.get("boots", ())), begun


def killed(rig: Rig, child: subprocess.Popen[bytes], *, builds: int = 0, boots: int = 0, inside: bool = False) -> None:
    """Kill it once so much is on disk; `inside`: while a boot is under way."""
    until = clock.monotonic() + 60.0
    while clock.monotonic() < until:
        have = progress(rig)
        if have[0] >= builds and have[1] >= boots and (not inside or have[2] > have[1]):
            break
        assert child.poll() is None, "it ended before it was to be killed"
        clock.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=30)
    assert child.stdout is not None
    child.stdout.close()


@pytest.mark.parametrize(
    ("builds", "boots", "inside"),
    [(0, 0, False), (1, 0, False), (2, 0, True), (2, 1, True), (2, 5, False), (2, 9, True)],
    ids=["before all", "between the kernels", "in the first boot", "in the second", "after five", "in the tenth"],
)
def test_it_goes_on(rig: Rig, builds: int, boots: int, inside: bool) -> None:
    path = rig.patch(FIXED)
    first = started(rig, str(path), "--plan", str(rig.plan), "--repo", str(rig.repo), "--jobs", "2")
    killed(rig, first, builds=builds, boots=boots, inside=inside)
    kept = store.load(store.newest(rig.root / "runs")).facts.boots
    second = started(rig, "--resume", "--json")
    out, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    data = json.loads(out)
    assert data["answer"] == "fixed" and data["tests"][0]["chance"] <= 0.01
    facts = store.load(Path(data["directory"])).facts
    assert facts.boots[: len(kept)] == kept  # what was known is not lost, nor done again
    numbers = [(boot.test, boot.side, boot.number) for boot in facts.boots]
    assert len(set(numbers)) == len(numbers)
    assert all((Path(data["directory"]) / boot.directory / "console.log").is_file() for boot in facts.boots)
    if inside:  # what the killed boot left is kept
        assert list(Path(data["directory"]).glob("boots/*/*/*-interrupted-1"))


def test_it_goes_on_after_three_deaths(rig: Rig) -> None:
    path = rig.patch(FIXED)
    words: tuple[str, ...] = (str(path), "--plan", str(rig.plan), "--repo", str(rig.repo))
    for boots in (2, 6, 11):
        killed(rig, started(rig, *words), builds=2, boots=boots, inside=True)
        words = ("--resume",)
    last = started(rig, "--resume", "--json")
    out, _ = last.communicate(timeout=120)
    assert last.returncode == 0 and json.loads(out)["answer"] == "fixed"
    (directory,) = (rig.root / "runs").glob("*-try-*")
    assert (directory / "report.txt").read_text().count("Tested-by") <= 1
