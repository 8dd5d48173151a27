"""`run --bisect-run`: git takes 1 to 127 for "bad", so nothing but a judged kernel may end like that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bisect_lab import GOOD, LOST, PANIC, crashed

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, InfraError, Interrupted, KzramError, UserError
from kzram_ci.cli.main import main
from kzram_ci.host import environment
from kzram_ci.kernel import filetree
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.machine import Accel, AccelChoice
from kzram_ci.run import recorded
from kzram_ci.run.job import Stages

PLAN = """\
name: race
kernels: [{name: k, base: stock}]
tests:
  race: {workload: anonmutate, expect: {outcome: oops, oops: {types: [null_deref]}}}
"""
MUST_PASS = """\
name: must-pass
kernels: [{name: k, base: stock}]
tests:
  race: {workload: anonmutate, expect: {floors: {zram.writestall: 5}}}
"""
Booted = Callable[[], Evidence]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "race.yaml").write_text(PLAN)
    (tmp_path / "must-pass.yaml").write_text(MUST_PASS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> list[Booted]:
    """What each boot does; the last one is for all that follow. Nothing is built or booted."""
    script: list[Booted] = []

    def image(spec: KernelSpec) -> KernelImage:
        return KernelImage(key="k", name=spec.name, arch=spec.arch, release="6.12", image="/k")

    def boot(*given: Any) -> Evidence:
        return (script.pop(0) if len(script) > 1 else script[0])()

    choice = AccelChoice(accel=Accel.TCG, proved=True, why="a test")
    stages = Stages(
        image=image, rootfs=lambda arch: RootfsImage(key="r", path="/r"), accel=lambda machine: choice, boot=boot
    )
    monkeypatch.setattr(recorded, "real_stages", lambda *given: (stages, type("Chosen", (), {"accels": {}})))
    monkeypatch.setattr(environment, "tools", dict)
    return script


def failing(error: Exception) -> Booted:
    def fail() -> Evidence:
        raise error

    return fail


def bisect_run(*words: str) -> int:
    return main(("run", *words, "--bisect-run", "--no-history", "--quiet"))


@pytest.mark.parametrize(
    ("booted", "code"),
    [
        (lambda: GOOD, 0),
        (crashed, 1),
        (lambda: PANIC, 125),  # never reached the workload, tried again and again
        (lambda: Evidence(booted=True, ready=True, exit_code=0, counters={"vmstat.pswpout": 9}), 125),  # no proof
        (failing(BuildFailed("no such header")), 125),
        (lambda: LOST, 125),
        (failing(InfraError("no disk")), 128),
        (failing(UserError("no compiler")), 128),
        (failing(KzramError("a defect")), 128),
        (failing(RuntimeError("a worse defect")), 128),
        (failing(Interrupted("Ctrl-C")), 130),
    ],
)
def test_git_hears_of_judged_kernels_only(guest: list[Booted], booted: Booted, code: int) -> None:
    guest.append(booted)
    assert bisect_run("must-pass.yaml") == code


@pytest.mark.parametrize(
    "words", [("nope.yaml",), ("race.yaml", "--nonsense"), ("race.yaml", "--kernel", "directory:nope")]
)
def test_words_that_fit_nothing_abort_the_bisection(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert bisect_run(*words) == 128
    assert capsys.readouterr().err


@pytest.mark.parametrize("tracked", [True, False])
def test_results_within_the_tree_are_not_part_of_it(guest: list[Booted], tmp_path: Path, tracked: bool) -> None:
    guest.append(lambda: GOOD)
    if tracked:
        git.run("init", "--quiet", str(tmp_path), deadline=Deadline.after(60))
    (tmp_path / "Makefile").write_text("all:\n")

    def scan() -> dict[str, str]:
        return filetree.scan(tmp_path, cache=tmp_path.parent / "cache", deadline=Deadline.after(60))

    before = scan()
    bisect_run("race.yaml", "--runs", "runs")
    assert list((tmp_path / "runs").glob("*-race-*/plan.json"))
    assert scan() == before


def test_help_is_no_error() -> None:
    assert main(("run", "--bisect-run", "--help")) == 0


def test_an_expected_oops_turns_good_and_bad_round(guest: list[Booted], capsys: pytest.CaptureFixture[str]) -> None:
    guest.append(crashed)
    assert bisect_run("race.yaml") == 0
    assert "k/race: the plan expects an oops: a commit that shows it is good" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--repeat", "0"), "0 boots show nothing"),
        (("--repeat", "often"), "'often' is neither a number nor 'auto'"),
    ],
)
def test_the_number_of_boots(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bisect_run("race.yaml", *words) == 128
    assert said in capsys.readouterr().err


def test_enough_boots_for_good(guest: list[Booted], capsys: pytest.CaptureFixture[str]) -> None:
    booted: list[int] = []

    def good() -> Evidence:
        booted.append(1)
        return GOOD

    guest.append(good)
    assert bisect_run("must-pass.yaml", "--repeat", "auto") == 0
    assert len(booted) == 20
    assert "k/race: 20 boots for good: nothing is known of the crash rate" in capsys.readouterr().err
    booted.clear()
    guest[:] = [good, crashed]
    assert bisect_run("must-pass.yaml", "--repeat", "auto") == 1  # the first crash ends the repeats
    assert len(booted) == 1
