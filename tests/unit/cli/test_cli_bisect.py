"""The command from words to answer: a real repository and a real plan, simulated kernels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from answer_schemas import check
from bisect_lab import Repo, SimLab

from kzram_ci.bisect import run as bisect_run
from kzram_ci.bisect.reports.model import LOG
from kzram_ci.bisect.session import store
from kzram_ci.cli.main import main

PLAN = """\
name: flaky
kernels: [{name: k, base: stock}]
tests:
  race:
    workload: anonmutate
    stop: {zram.writestall: 5}
    expect: {outcome: oops, oops: {types: [null_deref], function: ^obj_}, floors: {zram.writestall: 5}}
  other:
    workload: pressure
    stop: {vmstat.pswpout: 5}
"""
Bisect = Callable[..., int]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "linux", 12)


@pytest.fixture
def lab(repo: Repo) -> SimLab:
    return SimLab(culprit=5, rate=0.7, numbers={name: number for number, name in enumerate(repo.names)})


@pytest.fixture
def bisect(repo: Repo, lab: SimLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bisect:
    (tmp_path / "flaky.yaml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bisect_run, "local_runner", lambda *given: lab)

    def run(*words: str) -> int:
        return main(("bisect", *words))

    return run


FULL = ("flaky.yaml", "--repo", "linux", "--good", "v0", "--bad", "main", "--test", "race")


def test_it_answers_and_the_log_replays(
    bisect: Bisect, repo: Repo, lab: SimLab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bisect(*FULL) == 0
    out, err = capsys.readouterr()
    assert f"culprit: {repo.names[5][:12]} area: make it v5" in out
    assert f'Fixes: {repo.names[5][:12]} ("area: make it v5")' in out
    assert "looking for the oops that the plan expects" in err
    where = store.newest(Path("runs"))
    assert {"bisection.json", "state.json", "plan.yaml", "git-bisect.log", "junit.xml", "report.html", "boots"} <= {
        path.name for path in where.iterdir()
    }
    said = repo.git("bisect", "replay", str(where.absolute() / LOG))
    assert f"{repo.names[5]} is the first bad commit" in said
    repo.git("bisect", "reset")
    assert bisect("log") == 0
    assert capsys.readouterr().out == (where / LOG).read_text()


def test_what_the_bad_ends_source_tells_ends_it_before_any_build(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real runner: this history compresses a page once, so one test of two has a floor that cannot be reached."""
    (tmp_path / "flaky.yaml").write_text(
        PLAN.replace("base: stock}", "base: stock, series: []}") + "    expect: {floors: {vmstat.pswpout: 5}}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    assert main(("bisect", *FULL)) == 4
    out, _ = capsys.readouterr()
    why, fix = out.splitlines()[:2]
    assert why.startswith(
        f"the bad end {repo.names[-1][:12]} cannot be tested: zram.writestall cannot be reached: zram"
    )
    assert fix == "fix: --test other, or give another --bad"
    assert not list((tmp_path / "cache").glob("slots/*"))
    assert main(("bisect", *FULL[:-1], "other", "--quiet")) == 4  # it is built then: these files are no kernel
    assert "cannot be reached" not in capsys.readouterr().out


def test_again_boots_nothing(bisect: Bisect, lab: SimLab) -> None:
    assert bisect(*FULL) == 0
    boots = len(lab.boots)
    assert bisect("--resume") == 0
    assert len(lab.boots) == boots


def test_status_and_json(bisect: Bisect, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert bisect(*FULL, "--json", "--quiet") == 0
    data = json.loads(capsys.readouterr().out)
    check("bisect", data)
    assert data["answer"]["commits"] == [repo.names[5]]
    assert data["done"] is True
    assert bisect("status") == 0
    assert repo.names[5][:12] in capsys.readouterr().out
    assert bisect("status", str(store.newest(Path("runs")))) == 0


def test_marks(bisect: Bisect, repo: Repo, lab: SimLab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.host = lambda: "QEMU is missing"
    assert bisect(*FULL) == 69
    assert "go on with: kzram-ci bisect --resume runs/" in capsys.readouterr().err
    lab.host = lambda: ""
    assert bisect("mark", repo.names[4][:10], "good") == 0
    assert bisect("mark", repo.names[6], "bad") == 0
    assert bisect("mark", "feed", "bad") == 2
    assert "no commits of this bisection begin with 'feed'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        bisect("mark", repo.names[4][:10], "dunno")
    assert stop.value.code == 2
    assert "invalid choice: 'dunno'" in capsys.readouterr().err
    assert bisect("resume") == 0
    assert {number for number, name in enumerate(repo.names) if name in lab.builds} <= {4, 5, 6, 12}


def test_contradicting_marks(bisect: Bisect, repo: Repo, lab: SimLab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.host = lambda: "QEMU is missing"
    bisect(*FULL)
    assert bisect("mark", repo.names[6], "good") == 0
    assert bisect("mark", repo.names[4], "bad") == 2
    assert "contradict" in capsys.readouterr().err
    assert bisect("status") == 0  # the mark that contradicts was not kept


def test_paths_after_two_dashes(bisect: Bisect, capsys: pytest.CaptureFixture[str]) -> None:
    assert bisect(*FULL, "--", "sound") == 2
    assert "that touches sound" in capsys.readouterr().err
    assert bisect(*FULL, "--", "mm") == 0
    assert len(store.load(store.newest(Path("runs"))).start.graph.names) < 12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no plan"),
        (("flaky.yaml",), "--repo and --good and --bad missing"),
        (
            ("flaky.yaml", "--repo", "linux", "--good", "v0", "--bad", "main"),
            "2 tests: race, other; a bisection boots one",
        ),
        ((*FULL, "--kernel", "nope"), "no kernel of flaky matches 'nope'"),
        ((*FULL[:-1], "nope"), "no test of flaky matches 'nope'; it has race, other"),
        ((*FULL[:-1], "other"), "k/other cannot tell good from bad"),
        ((*FULL, "--confidence", "2"), "--confidence 2.0 is not a probability"),
        ((*FULL, "--signature", ""), "--signature is empty"),
        ((*FULL, "--resume"), "--resume takes plan, repository and range"),
        (("--resume", "nowhere"), "nowhere is not a bisection"),
        ((*FULL[:3], "--good", "main", "--bad", "v0", "--test", "race"), "bad v0 is an ancestor of good main"),
    ],
)
def test_errors_come_before_any_build(
    bisect: Bisect, lab: SimLab, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert bisect(*words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not lab.builds
    assert not Path("runs").exists()


def test_exit_codes(bisect: Bisect, lab: SimLab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.culprit = 99
    assert bisect(*FULL) == 1
    assert "does not show the wanted crash" in capsys.readouterr().out
    lab.everywhere = True
    assert bisect(*FULL) == 1
    assert "the good end" in capsys.readouterr().out
    lab.everywhere, lab.culprit, lab.unbuildable = False, 5, frozenset({12})
    assert bisect(*FULL) == 4
    assert "12 does not compile" in capsys.readouterr().out
    lab.unbuildable = frozenset({5, 6})
    assert bisect(*FULL) == 3
    assert "one of 3 commits" in capsys.readouterr().out


def test_the_good_end_first(bisect: Bisect, lab: SimLab, repo: Repo) -> None:
    assert bisect(*FULL) == 0
    assert repo.names[0] not in lab.builds[:2]
    lab.builds.clear()
    assert bisect(*FULL, "--good-first") == 0
    assert lab.builds[:2] == [repo.names[12], repo.names[0]]
    lab.everywhere = True
    lab.builds.clear()
    assert bisect(*FULL, "--good-first") == 1
    assert lab.builds == [repo.names[12], repo.names[0]]  # a good end that is bad: nothing else is built


def test_uncommitted_changes_are_in_the_report(
    bisect: Bisect, lab: SimLab, repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo.path / "Makefile").write_text("# changed\n")
    assert bisect(*FULL, "--quiet") == 0
    assert "uncommitted changes to 1 file in linux are not part" in capsys.readouterr().err
    assert "uncommitted changes" in (store.newest(Path("runs")) / "report.html").read_text()


def test_help_has_examples(bisect: Bisect, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bisect("--help")
    assert "examples:" in capsys.readouterr().out
