"""`run --bisect-run`: git takes 1 to 127 for "bad", so nothing but a judged kernel may end like that."""

from __future__ import annotations

from pathlib import Path

import pytest

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted, KzramError, UserError
from kzram_ci.cli import run
from kzram_ci.cli.main import main
from kzram_ci.kernel import filetree

PLAN = """\
name: race
kernels: [{name: k, base: stock}]
tests:
  race: {workload: anonmutate, expect: {outcome: oops, oops: {types: [null_deref]}}}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "race.yaml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("code", [0, 1, 125, 128])
def test_judged_kernels_keep_their_codes(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(run, "_execute", lambda *given: ())
    monkeypatch.setattr(run, "_show", lambda run: None)
    monkeypatch.setattr(run, "exit_code", lambda results, bisect: code if bisect else 77)
    assert main(("run", "race.yaml", "--bisect-run")) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("no compiler"), 128),
        (InfraError("no disk"), 128),
        (KzramError("a defect"), 128),
        (RuntimeError("a worse defect"), 128),
        (Interrupted("Ctrl-C"), 130),
    ],
)
def test_errors_abort_the_bisection(monkeypatch: pytest.MonkeyPatch, error: Exception, code: int) -> None:
    def fail(*given: object) -> None:
        raise error

    monkeypatch.setattr(run, "_execute", fail)
    monkeypatch.setattr(run, "_show", lambda run: None)
    assert main(("run", "race.yaml", "--bisect-run")) == code


@pytest.mark.parametrize(
    "words", [("nope.yaml",), ("race.yaml", "--nonsense"), ("race.yaml", "--kernel", "directory:nope")]
)
def test_words_that_fit_nothing_abort_the_bisection(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("run", *words, "--bisect-run")) == 128
    assert capsys.readouterr().err


@pytest.mark.parametrize("tracked", [True, False])
def test_results_within_the_tree_are_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tracked: bool
) -> None:
    if tracked:
        git.run("init", "--quiet", str(tmp_path), deadline=Deadline.after(60))
    (tmp_path / "Makefile").write_text("all:\n")

    def scan() -> dict[str, str]:
        return filetree.scan(tmp_path, cache=tmp_path.parent / "cache", deadline=Deadline.after(60))

    before = scan()
    monkeypatch.setattr(run, "_execute", lambda *given: ())
    monkeypatch.setattr(run, "_show", lambda run: None)
    main(("run", "race.yaml", "--bisect-run", "--runs", "runs", "--no-history"))
    assert list((tmp_path / "runs").glob("*-race-*/plan.json"))
    assert scan() == before


def test_help_is_no_error() -> None:
    assert main(("run", "--bisect-run", "--help")) == 0


def test_an_expected_oops_turns_good_and_bad_round(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "_execute", lambda *given: ())
    monkeypatch.setattr(run, "_show", lambda run: None)
    main(("run", "race.yaml", "--bisect-run"))
    assert "k/race: the plan expects an oops: a commit that shows it is good" in capsys.readouterr().err
