"""The range between good and bad: asked of git before anything is built. The user's repository is only read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_bytes
from kzram_ci.base.errors import UserError
from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.bisect.session.repository import SECONDS, Repo, is_url
from kzram_ci.kernel import source
from kzram_ci.model.events import Listener, silent
from kzram_ci.model.kernel import CommitTree
from kzram_ci.model.source import GitSource, LocalGit, RemoteGit


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A resolved range. `text` is what `rev-list --parents --topo-order` printed; names are full."""

    repository: str
    store: str  # the bare repository that builds read from
    bad: str
    goods: tuple[str, ...]
    text: str
    notes: tuple[str, ...] = ()


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
        raise UserError(f"{repository} is not a git repository", hint="--repo PATH of a clone, or its URL")
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
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"git refuses {' '.join(paths)}"]
        raise UserError(
            lines[-1].removeprefix("fatal: "), hint="paths after -- are relative to the top of the repository"
        )


def _ancestor(repo: Repo, good: tuple[str, str], bad: tuple[str, str]) -> None:
    """The good end must be a true ancestor of the bad end."""
    if good[1] == bad[1]:
        raise UserError(
            f"{good[0]} and {bad[0]} are the same commit {repo.title(bad[1])}: there is no commit between them",
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
        f"good {good[0]} is not an ancestor of bad {bad[0]}; their merge base is {repo.title(where)}",
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
    changes = f"uncommitted changes to {say_count(count, 'file')} in {repository}"
    return (f"{changes} are not part of the bisection; commit them if they matter",)
