"""The range between good and bad: asked of git before anything is built. The user's repository is only read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.base import git, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_bytes
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.bisect.session.store import Commit
from kzram_ci.kernel import source
from kzram_ci.model.events import Listener, silent
from kzram_ci.model.kernel import CommitTree
from kzram_ci.model.source import GitSource, LocalGit, RemoteGit
from kzram_ci.model.version import kernel_version

SECONDS = 600.0
_URL = re.compile(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:|[\w.-]{2,}:(?!/)", re.IGNORECASE)
_FORMAT = "%H%x00%T%x00%an <%ae>%x00%ad%x00%s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A resolved range. `text` is what `rev-list --parents --topo-order` printed; names are full."""

    repository: str
    store: str  # the bare repository that builds read from
    bad: str
    goods: tuple[str, ...]
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """A git directory to ask, with the deadline of all questions."""

    directory: Path
    name: str  # for people, as the user gave it
    deadline: Deadline

    def run(self, *words: str, given: bytes = b"") -> proc.Completed:
        """A git command that may fail."""
        return git.run(*words, directory=self.directory, deadline=self.deadline, input=given, check=False)

    def ask(self, *words: str, given: bytes = b"") -> str:
        """A git command that must not fail. Raises InfraError with git's own words."""
        try:
            done = git.run(*words, directory=self.directory, deadline=self.deadline, input=given)
        except CommandFailed as error:
            raise InfraError(f"{self.name}: {error.message}", hint=f"git -C {self.name} fsck") from error
        return done.stdout.decode("utf-8", "replace")

    def commit(self, ref: str) -> str:
        """The full name of a commit, "" when there is none of that name."""
        if not ref or ref.startswith("-") or any(char in ref for char in " \n\0"):
            return ""
        done = self.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return done.text().strip() if done.code == 0 else ""

    def said(self, commit: str) -> str:
        """A commit for people: abbreviated name and subject."""
        return self.ask("log", "-1", "--format=%h (%s)", "--abbrev=12", commit).strip()


def is_url(repository: str) -> bool:
    """Whether a repository is somewhere else."""
    return not Path(repository).exists() and _URL.match(repository) is not None


def find(
    repository: str, *, bad: str, goods: Sequence[str], paths: Sequence[str], first_parent: bool, cache: Path,
    listener: Listener = silent,
) -> Range:  # fmt: skip
    """Resolve and check a range. Raises UserError (see the messages below), InfraError, Interrupted."""
    deadline = Deadline.after(SECONDS)
    repo = _open(repository, bad, cache, deadline, listener)
    _complete(repo)
    names = [_resolve(repo, repository, ref) for ref in (bad, *goods)]
    end, starts = names[0], tuple(dict.fromkeys(names[1:]))
    for ref, start in zip(goods, names[1:], strict=True):
        _ancestor(repo, (ref, start), (bad, end))
    walk = ["rev-list", "--parents", "--topo-order", *(["--first-parent"] if first_parent else [])]
    if paths:
        _plain(repo, end, paths)
    text = repo.ask(*walk, end, *(f"^{start}" for start in starts), "--", *paths)
    if not text.strip():
        limited = f" that touches {' '.join(paths)}" if paths else ""
        raise UserError(
            f"there is no commit between {bad} and {', '.join(goods)}{limited}",
            hint="widen the paths after --" if paths else "give a --good that lies before --bad",
        )
    tree = _stored(repository, end, cache, deadline, listener)
    return Range(
        repository=repository if is_url(repository) else str(Path(repository).absolute()),
        store=tree.repository,
        bad=end,
        goods=starts,
        text=text,
        notes=_uncommitted(repo, repository, end),
    )


def _open(repository: str, bad: str, cache: Path, deadline: Deadline, listener: Listener) -> Repo:
    ref = _source(repository, bad)
    if isinstance(ref, RemoteGit):
        return Repo(
            directory=source.history(ref, source.Context(cache=cache, deadline=deadline, listener=listener)),
            name=repository,
            deadline=deadline,
        )
    done = git.run("rev-parse", "--absolute-git-dir", at=repository, deadline=deadline, check=False)
    if not Path(repository).is_dir() or done.code:
        raise UserError(f"{repository} is no git repository", hint="--repo PATH of a clone, or its URL")
    return Repo(directory=Path(done.text().strip()), name=repository, deadline=deadline)


def _source(repository: str, ref: str) -> GitSource:
    if is_url(repository):
        return RemoteGit(url=repository, ref=ref)
    return LocalGit(path=str(Path(repository).absolute()), ref=ref)


def _stored(repository: str, commit: str, cache: Path, deadline: Deadline, listener: Listener) -> CommitTree:
    context = source.Context(cache=cache, deadline=deadline, listener=listener)
    return source.commit(_source(repository, commit), context)


def _complete(repo: Repo) -> None:
    if repo.ask("rev-parse", "--is-shallow-repository").strip() == "true":
        raise UserError(
            f"{repo.name} is a shallow clone: commits between good and bad may be missing",
            hint=f"git -C {repo.name} fetch --unshallow",
        )


def _resolve(repo: Repo, repository: str, ref: str) -> str:
    """A full commit name; in a fetched repository a ref that is not there is fetched."""
    local = not is_url(repository)
    if found := repo.commit(ref) if local or re.fullmatch("[0-9a-f]{7,64}", ref) else "":
        return found
    if not local and ref and not ref.startswith("-"):
        kept = f"refs/kzram-bisect/{digest_bytes(ref.encode())[:16]}"
        done = repo.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", repository, f"+{ref}:{kept}")
        if done.code == 0 and (found := repo.commit(kept)):
            return found
    raise UserError(f"no commit {ref!r} in {repository}", hint=f"git -C {repository} log --oneline --all")


def _plain(repo: Repo, end: str, paths: Sequence[str]) -> None:
    """Paths that git can take; whether any commit touches them is seen later."""
    done = repo.run("rev-list", "--max-count=0", end, "--", *paths)
    if done.code:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"git refuses {' '.join(paths)}"]
        raise UserError(
            said[-1].removeprefix("fatal: "), hint="paths after -- are relative to the top of the repository"
        )


def _ancestor(repo: Repo, good: tuple[str, str], bad: tuple[str, str]) -> None:
    """The good end must be a true ancestor of the bad end."""
    if good[1] == bad[1]:
        raise UserError(
            f"{good[0]} and {bad[0]} are the same commit {repo.said(bad[1])}: there is no commit between them",
            hint="give a --good that lies before --bad",
        )
    if repo.run("merge-base", "--is-ancestor", good[1], bad[1]).code == 0:
        return
    base = repo.run("merge-base", good[1], bad[1])
    if base.code:
        raise UserError(f"good {good[0]} and bad {bad[0]} have no common ancestor", hint="check --repo and the refs")
    if (where := base.text().split()[0]) == bad[1]:
        raise UserError(
            f"bad {bad[0]} is an ancestor of good {good[0]}: this bisection finds what broke, not what fixed",
            hint="exchange --good and --bad if they were mixed up",
        )
    raise UserError(
        f"good {good[0]} is not an ancestor of bad {bad[0]}; their merge base is {repo.said(where)}",
        hint=f"--good {where[:12]}, if that is good",
    )


def _uncommitted(repo: Repo, repository: str, bad: str) -> tuple[str, ...]:
    """What the user may have taken for a part of the bad end."""
    if is_url(repository) or repo.commit("HEAD") != bad:
        return ()
    words = ("status", "--porcelain", "--untracked-files=no")
    done = git.run(*words, at=repository, deadline=repo.deadline, check=False)
    count = len(done.stdout.splitlines())
    if done.code or not count:
        return ()
    files = "1 file" if count == 1 else f"{count} files"
    return (
        f"uncommitted changes to {files} in {repository} are not part of the bisection; commit them if they matter",
    )


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


def without(store: str, culprit: str, bad: str) -> tuple[str, str]:
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
