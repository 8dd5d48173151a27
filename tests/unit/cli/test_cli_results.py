"""report, history, compare and repro, on real run directories."""

import argparse
import json
import os
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.base.errors import UserError
from kzram_ci.cli.main import main
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import REPORTS
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.provenance import Provenance
from kzram_ci.results import rundir
from kzram_ci.results.again import listed
from kzram_ci.results.history import Record, history_at
from kzram_ci.results.trails import trails


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="kzram-ci")
    import_module(f"kzram_ci.cli.{words[0]}").add_parser(parser.add_subparsers())
    args = parser.parse_args(words)
    code: int = args.func(args)
    return code


@pytest.fixture(autouse=True)
def _no_history_but_the_test_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def made(root: Path, results: tuple[CellResult, ...]) -> Path:
    run = rundir.create(root, samples.PLAN)
    for result in results:
        run.finish(result)
    return run.path


@pytest.mark.parametrize("command", ["report", "history", "compare", "repro", "cache"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(command, "--help")
    assert stopped.value.code == 0
    assert f"example: kzram-ci {command}" in capsys.readouterr().out


def test_report_renders_everything_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path, samples.results())
    for name in REPORTS:
        assert not (path / name).exists()
    assert run("report", str(path)) == 0
    assert all((path / name).is_file() for name in REPORTS)
    out = capsys.readouterr().out
    assert f"junit.xml: {path}/junit.xml" in out
    assert f"{path}/cells/unstable.anonmutate/oops-1.txt" in out
    assert run("report", str(path), "--exit-code") == 1


def test_report_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path, samples.results()[:1])
    assert run("report", str(path), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [item["judgement"]["outcome"] for item in found] == ["pass", *["not-run"] * 6]


def test_compare_directories_and_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = made(tmp_path / "a", samples.results())
    worse = samples.result(samples.PLAN.cells[0], Outcome.OOPS, Verdict.FINDING, oopses=(samples.OOPS,))
    after = made(tmp_path / "b", (worse, *samples.results()[1:]))
    assert run("compare", str(before), str(before)) == 0
    assert capsys.readouterr().out == "no change in 7 cells\n"
    assert run("compare", str(before), str(after), "--fail-on-regression") == 1
    assert capsys.readouterr().out.startswith("regressed  stock/anonmutate: passed, recompressions 51,234")
    assert run("compare", str(after), str(before), "--fail-on-regression", "--json") == 0
    assert [change["kind"] for change in json.loads(capsys.readouterr().out)] == ["fixed"]
    database = tmp_path / "h.sqlite"
    history = history_at(database)
    history.add_run(before.name, samples.PLAN, before)
    for result in samples.results():
        history.add_result(before.name, result)
    assert run("compare", before.name, str(after), "--database", str(database)) == 1
    assert "regressed  stock/anonmutate" in capsys.readouterr().out
    with pytest.raises(UserError, match="no run nowhere"):
        run("compare", "nowhere", str(after), "--database", str(database))


@pytest.mark.parametrize(
    ("outcome", "verdict", "code", "kind"),
    [
        (Outcome.OOPS, Verdict.FINDING, 1, "regressed"),
        (Outcome.BUILD_FAILED, Verdict.ERROR, 1, "lost"),
        (Outcome.INFRA, Verdict.ERROR, 1, "lost"),
        (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, 1, "lost"),
        (Outcome.SKIPPED, Verdict.SKIPPED, 0, "changed"),
    ],
)
def test_whatever_was_ok_and_no_longer_is_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], outcome: Outcome, verdict: Verdict, code: int, kind: str
) -> None:
    before = made(tmp_path / "a", samples.results())
    after = made(tmp_path / "b", (samples.result(samples.PLAN.cells[0], outcome, verdict), *samples.results()[1:]))
    assert run("compare", str(before), str(after), "--fail-on-regression") == code
    assert capsys.readouterr().out.split()[0] == kind


def test_what_did_not_run_any_more_is_lost_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, stopped = made(tmp_path / "a", samples.results()), made(tmp_path / "b", samples.results()[1:])
    assert run("compare", str(before), str(stopped), "--fail-on-regression") == 1
    assert capsys.readouterr().out == (
        "lost       stock/anonmutate: passed, recompressions 51,234, overruns 0 -> not run\n"
    )


def record(run: str, verdict: Verdict, key: str = "k", setup: str = "s") -> Record:
    outcome = {Verdict.OK: Outcome.PASS, Verdict.FINDING: Outcome.OOPS}.get(verdict, Outcome.INFRA)
    result = samples.result(samples.PLAN.cells[0], outcome, verdict, key=key, setup_key=setup)
    return Record(run=run, plan="overrun", directory="", recorded="", result=result)


def test_flaky_means_different_verdicts_on_the_same_kernel() -> None:
    ok, bad, broken = Verdict.OK, Verdict.FINDING, Verdict.ERROR
    (line,) = trails([record("1", ok), record("2", ok), record("3", broken), record("4", bad), record("5", ok)])
    assert (line.trail, line.flake_rate, line.runs, line.last_run) == ("..eF.", 0.25, 5, "5")
    (line,) = trails([record("1", ok), record("2", ok), record("3", bad, "new"), record("4", bad, "new")])
    assert line.flake_rate == 0.0
    (line,) = trails([record("1", ok), record("2", bad, "new")])
    assert line.flake_rate is None
    changed = [record("1", ok), record("2", ok), record("3", bad, setup="new"), record("4", bad, setup="new")]
    (line,) = trails(changed)  # another root file system, say: a change, not chance
    assert line.flake_rate == 0.0
    (line,) = trails([record("1", bad), record("2", ok), record("3", ok)], last=2)
    assert (line.trail, line.flake_rate) == ("..", 0.0)


def test_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = tmp_path / "h.sqlite"
    assert run("history", "--database", str(database)) == 0
    assert "nothing recorded" in capsys.readouterr().out
    history = history_at(database)
    for number in range(3):
        history.add_run(f"run-{number}", samples.PLAN, tmp_path)
        for result in samples.results():
            history.add_result(f"run-{number}", result)
    assert run("history", "unstable/*", "--database", str(database)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["plan", "cell", "runs", "ok", "crashed", "flaky", "trend", "outcomes", "trail"]
    assert lines[1].split() == [
        "overrun",
        "unstable/anonmutate",
        "3",
        "3/3",
        "(29-100%)",
        "3/3",
        "(29-100%)",
        "0%",
        "-",
        "3",
        "oops",
        "...",
    ]
    assert run("history", "--plan", "overrun", "--json", "--database", str(database)) == 0
    assert len(json.loads(capsys.readouterr().out)) == 7
    assert run("history", "unstabel/anonmutate", "--database", str(database)) == 0
    out = capsys.readouterr().out
    assert out.startswith("no cell matches 'unstabel/anonmutate'; 7 cells recorded in ")
    assert out.endswith("did you mean unstable/anonmutate?\n")
    assert run("history", "--plan", "overrum", "--database", str(database)) == 0
    assert "did you mean overrun?" in capsys.readouterr().out


def test_history_shows_each_result_and_the_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = tmp_path / "h.sqlite"
    history = history_at(database)
    commit = "0123456789abcdef0123456789abcdef01234567"
    made_of = Provenance(source="directory:../linux", version="6.13", identity="x", commit=commit, dirty=True)
    for number in range(3):
        history.add_run(f"run-{number}", samples.PLAN, tmp_path / f"run-{number}")
        if number < 2:
            for result in samples.results():
                history.add_result(f"run-{number}", replace(result, provenance=made_of if number else None))
            history.add_result(f"run-{number}", samples.results()[0])  # again: the last one counts
    assert run("history", "saved-clen/anonmutate", "--database", str(database)) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("saved-clen/anonmutate of overrun:")
    assert lines[at + 1].split() == ["date", "run", "result", "kernel", "source"]
    date, newest, older = r" *\d{4}-\d\d-\d\d \d\d:\d\d +", lines[at + 2], lines[at + 3]
    kernel = r"FINDING: crashed +6\.12\.117 f00dfeedf00d +"
    assert re.fullmatch(date + r"run-1 +" + kernel + r"directory:\.\./linux 0123456789ab \(dirty\)", newest)
    assert re.fullmatch(date + r"run-0 +" + kernel + "not recorded", older)
    assert run("history", "saved-clen/anonmutate", "--json", "--database", str(database)) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert [(one["run"], one["commit"], one["dirty"]) for one in found["results"]] == [
        ("run-0", "", False),
        ("run-1", commit, True),
    ]
    assert run("history", "--runs", "--database", str(database)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines[1:]] == ["run-2", "run-1", "run-0"]
    assert "none" in lines[1]
    assert "3 ok, 2 FINDING, 1 INCONCLUSIVE, 1 skipped" in lines[2]
    assert run("history", "--runs", "--json", "--plan", "overrun", "--database", str(database)) == 0
    assert [one["run"] for one in json.loads(capsys.readouterr().out)] == ["run-0", "run-1", "run-2"]


def test_repro_prints_or_takes_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path, ())
    run_result = samples.results()[3]
    (path / run_result.directory / "qemu.txt").write_text("qemu-system-x86_64 -m 768\n")
    rundir.open_run(path).finish(run_result)
    assert run("repro", str(path), "unstable.directmutate.algorithm=lz4", "--print") == 0
    out = capsys.readouterr().out
    assert f"kzram-ci run --cell=unstable/directmutate/algorithm=lz4 {path}/plan.json" in out
    assert "qemu-system-x86_64 -m 768" in out
    called = []
    monkeypatch.setattr(os, "execv", lambda program, argv: called.append((program, argv)))
    run("repro", str(path), run_result.id)
    assert called == [("/bin/sh", ("/bin/sh", str(path / run_result.directory / "repro.sh")))]
    with pytest.raises(UserError, match=r"no cell 'unstabel/anonmutate' in this run.*did you mean unstable/anonmutate"):
        run("repro", str(path), "unstabel/anonmutate")


def test_a_list_of_cells_is_whole_or_tells_how_many_more_there_are(tmp_path: Path) -> None:
    path = made(tmp_path, samples.results())
    with pytest.raises(UserError) as caught:
        run("repro", str(path), "nothing-like-it")
    assert all(result.id in str(caught.value) for result in rundir.open_run(path).results())
    assert listed(["a", "b", "c"], most=3) == "a, b, c"
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"


@pytest.mark.parametrize(
    ("command", "word", "says"),
    [
        ("history", "--last=0", "argument --last: 0 is out of bounds: 1 or more"),
        ("history", "--last=-3", "argument --last: -3 is out of bounds: 1 or more"),
        ("history", "--port=-1", "argument --port: -1 is out of bounds: 0 or more"),
        ("history", "--port=65536", "argument --port: 65536 is out of bounds: 65535 at most"),
        ("history", "--port=x", "argument --port: 'x' is not a whole number"),
        ("run", "--jobs=-1", "argument --jobs: -1 is out of bounds: 0 or more"),
        ("bisect", "--cpus=-1", "argument --cpus: -1 is out of bounds: 0 or more"),
        ("try", "--make-jobs=-1", "argument --make-jobs: -1 is out of bounds: 0 or more"),
        ("watch", "--jobs=-2", "argument --jobs: -2 is out of bounds: 0 or more"),
        ("worker", "--memory=-1", "argument --memory: -1 is out of bounds: 0 or more"),
        ("build", "--jobs=0", "argument -j/--jobs: 0 is out of bounds: 1 or more"),
        ("build", "--check-store=-1", "argument --check-store: -1 is out of bounds: 1 or more"),
    ],
)
def test_a_number_that_cannot_be(command: str, word: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main((command, word))
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("words", [("last-good", ""), ("", "last-good"), ("/", "/")])
def test_a_run_without_a_name_is_not_every_run(
    words: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "history.sqlite"
    history_at(file).add_run("run", samples.PLAN, tmp_path)
    history_at(file).add_result("run", samples.results()[0])
    assert main(("compare", "--database", str(file), *words)) == 2
    assert capsys.readouterr().err.startswith("kzram-ci: no run ")


def test_a_history_that_is_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("history", "--database", str(tmp_path))) == 2
    assert capsys.readouterr().err == f"kzram-ci: the history {tmp_path} is not a file; fix: --database FILE\n"


def test_history_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = ("--database", str(tmp_path / "h.sqlite"))
    path = made(tmp_path / "runs", samples.results())
    assert run("history", "import", str(path), *database) == 0
    assert capsys.readouterr().out == f"{path}: 7 results of {path.name}\n"
    assert run("history", "import", str(path), *database) == 0
    assert capsys.readouterr().out == f"{path}: 0 results of {path.name}, 7 known already\n"
    assert run("history", "import", str(path), "--json", *database) == 0
    assert json.loads(capsys.readouterr().out) == [{"path": str(path), "run": path.name, "new": 0, "known": 7}]
    for words in (("import",), ("a", "b"), ("serve", "x")):
        with pytest.raises(UserError):
            run("history", *words, *database)


def test_compare_with_the_last_good_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = tmp_path / "h.sqlite"
    words = ("--database", str(database))
    good = tuple(samples.result(cell) for cell in samples.PLAN.cells)
    history = history_at(database)
    worse = samples.result(samples.PLAN.cells[0], Outcome.OOPS, Verdict.FINDING, oopses=(samples.OOPS,))
    after = made(tmp_path / "b", (worse, *good[1:]))
    with pytest.raises(UserError, match="no good run of the plan overrun before"):
        run("compare", "last-good", str(after), *words)
    for name, results in (("20000101T000000Z-overrun-aaaaaa", good), ("20000102T000000Z-overrun-bbbbbb", (worse,))):
        history.add_run(name, samples.PLAN, tmp_path)
        for result in results:
            history.add_result(name, result)
    assert run("compare", "last-good", str(after), *words) == 0  # the night before found the same
    assert capsys.readouterr().out.startswith("regressed  stock/anonmutate: passed -> FINDING: crashed")
    assert run("compare", "last-good", str(after), "--fail-on-regression", *words) == 1


def test_report_annotations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path, samples.results())
    assert run("report", str(path), "--annotations", "--exit-code") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning"]
    assert not (path / "report.html").exists()
