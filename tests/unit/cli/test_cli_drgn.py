"""drgn: which file and which symbols it opens, and what is said where there are none; and what the reports say."""

import importlib.util
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.cli.main import main
from kzram_ci.model.evidence import CellResult, MemoryDump
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results import rundir
from kzram_ci.results.draw import Reports

CELL = samples.PLAN.cells[0]


def finished(root: Path, dump: MemoryDump | None, missing: str = "") -> tuple[Path, CellResult]:
    run = rundir.create(root, samples.PLAN)
    crashed = samples.result(CELL, Outcome.OOPS, Verdict.FINDING, reason="crashed", oopses=(samples.OOPS,))
    crashed = replace(crashed, evidence=replace(crashed.evidence, dump=dump, dump_missing=missing))
    run.finish(crashed)
    return run.path, crashed


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, CellResult, Path]:
    vmlinux = tmp_path / "vm linux"
    vmlinux.write_bytes(b"")
    path, result = finished(tmp_path, MemoryDump(file="vmcore", bytes=36 << 20, vmlinux=str(vmlinux)))
    (path / result.directory / "vmcore").write_bytes(b"KDUMP")
    return path, result, vmlinux


def test_it_takes_our_place(kept: tuple[Path, CellResult, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path, result, vmlinux = kept
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(os, "execv", lambda program, words: called.append(words))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    main(("drgn", str(path), result.id, "--", "x.py", "-v"))
    core = str(path / result.directory / "vmcore")
    assert called == [(sys.executable, "-m", "drgn", "-c", core, "-s", str(vmlinux), "x.py", "-v")]


def test_the_commands(kept: tuple[Path, CellResult, Path], capsys: pytest.CaptureFixture[str]) -> None:
    path, result, vmlinux = kept
    assert main(("drgn", "--print", str(path), result.id)) == 0
    core = str(path / result.directory / "vmcore")
    lines = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [["drgn", "-c", core, "-s", str(vmlinux)], ["crash", str(vmlinux), core]]


def test_what_is_missing_is_told(
    kept: tuple[Path, CellResult, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, result, vmlinux = kept
    words = ("drgn", str(path), result.id)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(words) == 2
    assert "drgn is not installed; fix: pip install 'kzram-ci[drgn]'" in capsys.readouterr().err
    vmlinux.unlink()
    assert main(words) == 2
    assert f"{vmlinux} is gone; fix: kzram-ci build {result.kernel}" in capsys.readouterr().err
    (path / result.directory / "vmcore").unlink()
    assert main(words) == 2
    assert "vmcore is gone; fix: kzram-ci repro" in capsys.readouterr().err


@pytest.mark.parametrize("why", ["", "the disk is full"])
def test_a_cell_without(tmp_path: Path, capsys: pytest.CaptureFixture[str], why: str) -> None:
    path, result = finished(tmp_path, None, why)
    assert main(("drgn", str(path), result.id)) == 2
    said = f"{result.id}: {why or 'its memory was not kept'}; fix: machine: {{dump: on-crash}} in the plan"
    assert said in capsys.readouterr().err


def test_the_reports_say_how_to_open_it(kept: tuple[Path, CellResult, Path]) -> None:
    path, result, vmlinux = kept
    Reports(run=rundir.open_run(path)).draw()
    core = f"{result.directory}/vmcore"
    for name in ("junit.xml", "summary.md", "report.html"):
        text = (path / name).read_text().replace("&#39;", "'")
        assert f"drgn -c {core} -s '{vmlinux}'" in text, name
        assert f"crash '{vmlinux}' {core}" in text, name
    assert "memory: 36" in (path / "summary.md").read_text()


def test_the_reports_say_why_there_is_none(tmp_path: Path) -> None:
    path, _ = finished(tmp_path, None, "the disk is full")
    Reports(run=rundir.open_run(path)).draw()
    for name in ("junit.xml", "summary.md", "report.html"):
        assert "memory: not kept: the disk is full" in (path / name).read_text(), name
