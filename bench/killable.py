"""Commands that can be killed and gone on with: what they leave on the disk, and fakes with which they take seconds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
import git_tree
from house import OOPS, House
from tiny_source import write_tree

from kzram_ci.bisect.session import store as bisections
from kzram_ci.trial.session import store as trials

Found = dict[str, Any]
PLAN = """\
name: whole
kernels: [{{name: k, arch: x86_64, source: {{kind: git, path: {repo}, ref: {ref}}}, config: [tiny]}}]
machine: {{accel: tcg, memory: 64M, cpus: 1}}
tests:
  race: {{workload: anonmutate, duration: 5s, expect: {{floors: {{vmstat.pswpout: 1}}}}}}
"""
GOOD, BAD = "/* FAKE pass */\n", f"/*\nFAKE oops {OOPS}\n*/\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One of the commands. `asked`: the file that says that there is something to go on with.

    `finished` reads what was done and must stay as it is, `ended` what all of it came to.
    """

    asked: str
    resume: str
    finished: Callable[[Path], Found]
    ended: Callable[[Path], Found]
    fakes: Callable[[House], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is killed, and what goes on with it, in a house."""

    house: House
    kind: Kind
    start: tuple[str, ...]
    resume: tuple[str, ...]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, runs: Path, words: tuple[str, ...], *, out: int | None = None) -> subprocess.Popen[bytes]:
        """Start it in the house; its results are in `runs`, its words in a file, or in `out`."""
        argv = (sys.executable, "-m", "kzram_ci", *words, "--runs", str(runs))
        with (self.house.path / "out").open("ab") as log:
            child = subprocess.Popen(
                argv, cwd=self.house.path, env=self.house.env, stdin=subprocess.DEVNULL,
                stdout=log if out is None else out, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.running[:] = [child]
        return child

    def go_on(self, runs: Path) -> subprocess.Popen[bytes]:
        """Go on with what is in `runs`; begin where it died before it had written what it was asked.

        By its name: what died after its last word is finished, and goes on to nothing but its exit code.
        """
        there = [str(path.parent) for path in runs.glob(f"*/{self.kind.asked}")]
        return self.begin(runs, (*self.resume, *there) if there else self.start)

    def finished(self, runs: Path) -> Found:
        """What was done."""
        return self.kind.finished(runs)

    def ended(self, runs: Path) -> Found:
        """What it came to."""
        return self.kind.ended(runs)


def _cells(runs: Path) -> Found:
    """What is finished, by cell; a torn last line of a file that was killed does not count."""
    found = {}
    for path in sorted(runs.glob("*/results.jsonl")):
        for line in path.read_text().split("\n")[:-1]:
            one = json.loads(line)
            found[one["id"]] = one
    return found


def verdicts(runs: Path) -> Found:
    """Outcome and verdict of each cell."""
    return {name: (one["judgement"]["outcome"], one["judgement"]["verdict"]) for name, one in _cells(runs).items()}


def _boots(runs: Path) -> Found:
    """The boots of a bisection or trial."""
    found: Found = {}
    for path in sorted(runs.glob("*/state.json")):
        facts = json.loads(path.read_text())
        found |= {f"{path.parent.name}/{boot['directory']}": boot for boot in facts.get("boots", ())}
    return found


def _culprit(runs: Path) -> Found:
    """Commits to blame, and whether the bad end heals without."""
    found = {}
    for path in sorted(runs.glob(f"*/{bisections.ASKED}")):
        session = bisections.load(path.parent)
        answer, revert = session.facts.answer, session.facts.revert
        found["bisect"] = (answer and (str(answer.kind), answer.commits), revert and revert.heals)
    return found


def _fixed(runs: Path) -> Found:
    """The answer of a trial, as a whole and by test."""
    found: Found = {}
    for path in sorted(runs.glob(f"*/{trials.ASKED}")):
        findings = trials.load(path.parent).findings()
        found |= {"answer": str(findings.answer), "done": findings.facts.done}
        found |= {test.test.id: str(test.standing.answer) for test in findings.tests}
    return found


def _fake_run(house: House) -> tuple[str, ...]:
    house.plan(good="FAKE pass", bad=f"FAKE oops {OOPS}", failing="FAKE fail")
    return ("run", "whole.yaml")


def _step(number: int) -> dict[str, str]:
    """The files of a commit; the culprit can be taken back alone."""
    return {"fake": BAD} if number == 4 else {"a": f"int a{number};\n", **({} if number else {"fake": GOOD})}


def _fake_bisect(house: House) -> tuple[str, ...]:
    """Six commits, of which the fourth brings a crash."""
    repo = house.path / "linux"
    write_tree(repo)
    git_tree.git(repo, "init", "-q", "-b", "main")
    names = [git_tree.commit(repo, f"a: step {n}", **_step(n)) for n in range(7)]
    (house.path / "whole.yaml").write_text(PLAN.format(repo=repo, ref="main"))
    return ("bisect", "whole.yaml", "--repo", str(repo), "--good", names[0], "--bad", names[-1], "--jobs", "2")


def _fake_try(house: House) -> tuple[str, ...]:
    """A crash, and a series of two patches of which the second takes it away."""
    repo = house.path / "linux"
    write_tree(repo)
    git_tree.git(repo, "init", "-q", "-b", "main")
    base = git_tree.commit(repo, "base", fake=BAD)
    git_tree.commit(repo, "a: rename\n\nIt is clearer.", a="int renamed;\n")
    git_tree.commit(repo, "a: do not crash\n\nIt is better.", fake=GOOD)
    mails = git_tree.git(repo, "format-patch", "--stdout", "--thread", f"{base}..main")
    (house.path / "fix.mbox").write_text(f"{mails}\n")
    (house.path / "whole.yaml").write_text(PLAN.format(repo=repo, ref=base))
    sandbox = ("--no-sandbox",) if shutil.which("bwrap") is None else ()
    return ("try", "fix.mbox", "--plan", "whole.yaml", "--base", "k", "--jobs", "2", *sandbox)


KINDS = {
    "run": Kind(asked="plan.json", resume="run --resume", finished=_cells, ended=verdicts, fakes=_fake_run),
    "bisect": Kind(
        asked=bisections.ASKED, resume="bisect --resume", finished=_boots, ended=_culprit, fakes=_fake_bisect
    ),
    "try": Kind(asked=trials.ASKED, resume="try --resume", finished=_boots, ended=_fixed, fakes=_fake_try),
}


def command_of(words: tuple[str, ...], what: str, work: Path, cache: Path | None = None) -> Command:
    """The user's command in a house with real tools, or a kind of command in one with fakes."""
    kind = KINDS[words[0] if words else what]
    usual = Path(os.environ.get("KZRAM_CACHE") or Path.home() / ".cache/kzram-ci")
    house = House(work / "house", cache or (usual if words else work / "cache"))
    if words:
        house.env["PATH"] = os.environ["PATH"]
    return Command(house=house, kind=kind, start=words or kind.fakes(house), resume=tuple(kind.resume.split()))
