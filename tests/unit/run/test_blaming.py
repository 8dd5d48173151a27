"""Whose code a run's crashes are in: asked of the tree that the kernel was built of, once a crash."""

from dataclasses import replace
from pathlib import Path

import blamed_tree
import pytest
import report_samples as samples

from kzram_ci.base import clock
from kzram_ci.model.blame import Blame
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.provenance import Provenance
from kzram_ci.model.source import DirectorySource, LocalGit, RemoteGit, Source
from kzram_ci.results import rundir
from kzram_ci.results.draw import Reports
from kzram_ci.results.reports.summary_model import RunView, make_view
from kzram_ci.run.blaming import blames

SIGNATURE = samples.OOPS.signature


def view(source: Source, commit: str = "") -> RunView:
    """Two cells of one kernel that crash in obj_malloc."""
    cells = tuple(
        replace(cell, kernel=replace(cell.kernel, source=source))
        for cell in samples.PLAN.cells
        if cell.kernel.name == "unstable"
    )
    made = Provenance(source=source.words(), version="6.12", identity="x", commit=commit)
    results = tuple(
        samples.result(cell, Outcome.OOPS, Verdict.FINDING, oopses=(samples.OOPS,), provenance=made) for cell in cells
    )
    return make_view(replace(samples.PLAN, cells=cells), results, name="run")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return blamed_tree.commit(blamed_tree.make(tmp_path / "linux"))


def test_a_commit_of_a_repository_names_people_and_commits(repository: Path, tmp_path: Path) -> None:
    commit = blamed_tree.head(repository)
    found = blames(view(LocalGit(path=str(repository), ref="HEAD"), commit), {}, tmp_path)[SIGNATURE]
    assert (found.file, found.line) == ("mm/zsmalloc.c", 1234)  # debug info knows the line of the crash
    assert (found.subsystem, len(found.commits)) == ("ZSMALLOC", 2)


def test_a_directory_is_read_as_it_lies(tmp_path: Path) -> None:
    tree = blamed_tree.make(tmp_path / "linux")
    found = blames(view(DirectorySource(path=str(tree))), {}, tmp_path)[SIGNATURE]
    assert (found.subsystem, found.note) == ("ZSMALLOC", "no commits: the tree is not a git repository")


@pytest.mark.parametrize(
    "source",
    [
        samples.SOURCE,
        DirectorySource(path="/gone"),
        LocalGit(path="/gone", ref="HEAD"),
        RemoteGit(url="https://example.org/linux.git", ref="v6.12"),
    ],
)
def test_where_no_tree_is_there_the_run_just_has_no_blame(source: Source, tmp_path: Path) -> None:
    assert blames(view(source, "0123456789" * 4), {}, tmp_path) == {}


def test_what_is_known_is_not_asked_again(repository: Path, tmp_path: Path) -> None:
    known = {SIGNATURE: Blame(function="obj_malloc", note="asked before")}
    assert blames(view(DirectorySource(path=str(repository))), known, tmp_path) == known


def test_when_the_time_is_up_the_run_ends(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock.Deadline, "expired", lambda self: True)
    assert blames(view(DirectorySource(path=str(repository))), {}, tmp_path) == {}


def test_it_is_kept_in_the_run_directory_and_drawn_again(repository: Path, tmp_path: Path) -> None:
    shown = view(DirectorySource(path=str(repository)))
    plan = replace(samples.PLAN, cells=tuple(cell for cell in samples.PLAN.cells if cell.kernel.name == "unstable"))
    run = rundir.create(tmp_path / "runs", plan)
    for result in shown.results():
        run.finish(result)
    found = blames(shown, {}, tmp_path)
    run.note_blames(found)
    again = rundir.open_run(run.path)
    assert again.blames() == found
    Reports(run=again).draw()
    for name in ("junit.xml", "report.html"):
        text = (run.path / name).read_text()
        assert "obj_malloc is in mm/zsmalloc.c:1234: ZSMALLOC (Odd Fixes)" in text
        assert "maintainer Sergey Senozhatsky &lt;senozhatsky@chromium.org&gt;" in text
        assert "zsmalloc: count from one (A Developer)" in text
