"""Commits of a range as git knows them, and the bad end without one of them. Asked of the bare repository."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed
from kzram_ci.bisect.session.model import Commit
from kzram_ci.bisect.session.repository import SECONDS, Repo
from kzram_ci.model.version import kernel_version

_FORMAT = "%H%x00%T%x00%an <%ae>%x00%ad%x00%s"


def describe(store: str, names: Iterable[str]) -> tuple[Commit, ...]:
    """Subjects, authors and trees of commits. Raises InfraError when one is missing."""
    repo = Repo(directory=Path(store), name=store, deadline=Deadline.after(SECONDS))
    given = "".join(f"{name}\n" for name in names).encode()
    words = ("log", "--no-walk=unsorted", "--stdin", "-z", "--date=short", f"--format={_FORMAT}")
    fields = repo.ask(*words, given=given).rstrip("\0").split("\0")
    rows = [fields[at : at + 5] for at in range(0, len(fields) - 4, 5)]
    versions = _versions(repo, tuple(dict.fromkeys(row[1] for row in rows)))
    return tuple(
        Commit(name=row[0], tree=row[1], version=versions[row[1]], author=row[2], date=row[3], subject=row[4])
        for row in rows
    )


def _versions(repo: Repo, trees: Sequence[str]) -> dict[str, str]:
    """The kernel version of each tree; few Makefiles differ, so 10,000 commits cost seconds."""
    given = "".join(f"{tree}:Makefile\n" for tree in trees).encode()
    listed = repo.ask("cat-file", "--batch-check=%(objectname) %(objecttype)", given=given).splitlines()
    blobs = {tree: line.split()[0] for tree, line in zip(trees, listed, strict=True) if line.endswith(" blob")}
    known = {blob: kernel_version(repo.ask("cat-file", "blob", blob)) for blob in sorted({*blobs.values()})}
    return {tree: known.get(blobs.get(tree, ""), "") for tree in trees}


def tree_without(store: str, culprit: str, bad: str) -> tuple[str, str]:
    """(tree of the bad end without the culprit, why there is none); one of the two is empty.

    What `git revert` does, in an index of our own in the cache: the reverse change, merged three ways.
    """
    repo = Repo(directory=Path(store), name=store, deadline=Deadline.after(SECONDS))
    parents = repo.ask("rev-list", "--parents", "-1", culprit).split()[1:]
    if len(parents) != 1:
        return "", "a merge has no single change to revert" if parents else "a root commit cannot be reverted"
    patch = repo.run("diff-tree", "-p", "--binary", "--full-index", "--no-renames", culprit, parents[0])
    index = Path(store) / f"revert-{culprit[:12]}.index"
    try:
        for action, given in (
            (("read-tree", bad), b""),
            (("apply", "--cached", "--3way", "--whitespace=nowarn", "-"), patch.stdout),
            (("write-tree",), b""),
        ):
            done = git.run(
                *action, config=("core.bare=false",), directory=store, work_tree=store, index=index, cwd=Path(store),
                deadline=repo.deadline, input=given,
            )  # fmt: skip
    except CommandFailed:
        return "", "its revert does not apply cleanly on the bad end"
    finally:
        for left in (index, index.with_name(f"{index.name}.lock")):
            left.unlink(missing_ok=True)
    return done.text().strip(), ""
