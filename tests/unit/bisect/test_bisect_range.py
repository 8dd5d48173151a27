"""The range, asked of real git: every error before anything is built, and nothing written to the user's repository."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bisect_lab import Repo

from kzram_ci.base.errors import UserError
from kzram_ci.bisect.belief.graph import parse
from kzram_ci.bisect.session import history
from kzram_ci.bisect.session.commits import describe, tree_without
from kzram_ci.bisect.session.history import Range


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    return Repo(tmp_path_factory.mktemp("user") / "linux")


def find(repo: Repo, cache: Path, *, good: str = "v0", bad: str = "main", where: str = "", **more: object) -> Range:
    words = {"paths": (), "first_parent": False, "goods": [good], **more}
    return history.find(where or str(repo.path), bad=bad, cache=cache, **words)  # type: ignore[arg-type]


def everything(path: Path) -> dict[str, bytes]:
    return {str(one.relative_to(path)): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}


def test_a_range_and_its_commits(repo: Repo, tmp_path: Path) -> None:
    before = everything(repo.path)
    found = find(repo, tmp_path)
    assert (found.bad, found.goods) == (repo.names[8], (repo.names[0],))
    graph = parse(found.text, bad=found.bad, goods=found.goods)
    assert graph.names[: graph.candidates] == tuple(repo.names[1:])
    commits = describe(found.store, graph.names)
    assert [commit.subject for commit in commits[:2]] == ["area: make it v1", "area: make it v2"]
    assert commits[0].author == "A U Thor <a@example.org>"
    assert {len(commit.tree) for commit in commits} == {40}
    assert {commit.version for commit in commits} == {"6.12.0"}  # decides which patches and build fixes fit
    assert found.notes == ()
    tree_without(found.store, repo.names[5], found.bad)
    assert everything(repo.path) == before


def test_paths_and_first_parent(repo: Repo, tmp_path: Path) -> None:
    found = find(repo, tmp_path, paths=("drivers",))
    assert parse(found.text, bad=found.bad, goods=found.goods).candidates == 4
    assert find(repo, tmp_path, first_parent=True).text.count("\n") == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"bad": "nope"}, "no commit 'nope' in"),
        ({"good": "-x"}, "no commit '-x' in"),
        ({"good": "v8"}, "are the same commit"),
        ({"good": "v5", "bad": "v2"}, "bad v2 is an ancestor of good v5: this bisection finds what broke"),
        (
            {"good": "side"},
            r"good side is not an ancestor of bad main; their merge base is [0-9a-f]{12} \(area: make it v1",
        ),
        ({"paths": ("sound",)}, "no commit between main and v0 that touches sound"),
        ({"paths": ("../..",)}, "is outside repository"),
        ({"where": "/nonexistent"}, "/nonexistent is not a git repository"),
        ({"goods": ["v0", "side"]}, "good side is not an ancestor"),
    ],
)
def test_errors_are_one_line_with_a_fix(repo: Repo, tmp_path: Path, words: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        find(repo, tmp_path, **words)  # type: ignore[arg-type]
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_shallow_clone(repo: Repo, tmp_path: Path) -> None:
    repo.git("clone", "--quiet", "--depth=3", f"file://{repo.path}", str(tmp_path / "shallow"))
    with pytest.raises(UserError, match=r"is a shallow clone.*fetch --unshallow"):
        find(repo, tmp_path / "cache", where=str(tmp_path / "shallow"), good=repo.names[6])


def test_uncommitted_changes_are_told(repo: Repo, tmp_path: Path) -> None:
    shutil.copytree(repo.path, tmp_path / "copy")
    (tmp_path / "copy" / "Makefile").write_text("# changed\n")
    found = find(repo, tmp_path / "cache", where=str(tmp_path / "copy"), bad="HEAD")
    assert "uncommitted changes to 1 file" in found.notes[0]
    assert find(repo, tmp_path / "cache", where=str(tmp_path / "copy"), bad="v7").notes == ()


def test_a_repository_somewhere_else(repo: Repo, tmp_path: Path) -> None:
    found = find(repo, tmp_path, where=f"file://{repo.path}")
    assert (found.bad, found.goods) == (repo.names[8], (repo.names[0],))
    assert found.repository == f"file://{repo.path}"
    with pytest.raises(UserError, match="no commit 'nope'"):
        find(repo, tmp_path, where=f"file://{repo.path}", good="nope")


def test_what_the_bad_end_is_without_a_commit(repo: Repo, tmp_path: Path) -> None:
    found = find(repo, tmp_path)
    tree, why = tree_without(found.store, repo.names[8], found.bad)
    assert why == ""
    assert tree == describe(found.store, [repo.names[7]])[0].tree
    tree, why = tree_without(found.store, repo.names[3], found.bad)  # later commits change the same line
    assert (tree, why) == ("", "its revert does not apply cleanly on the bad end")
    assert tree_without(found.store, repo.names[0], found.bad)[1] == "a root commit cannot be reverted"


def test_a_merge_is_not_reverted(tmp_path: Path) -> None:
    merged = Repo(tmp_path / "linux", 2)
    merged.git("merge", "--quiet", "--no-ff", "-m", "merge side", "side")
    found = find(merged, tmp_path / "cache")
    assert tree_without(found.store, found.bad, found.bad) == ("", "a merge has no single change to revert")
    assert parse(found.text, bad=found.bad, goods=found.goods).candidates == 4
