"""A commit of a git repository. The repository is only read; what git must write, it writes in the cache.

For each repository there is a bare one in the cache: of a local repository it borrows the objects (alternates),
so it costs nothing and the user's configuration, hooks and filters do not reach it; of a URL it holds what was
fetched, one commit deep unless a history is asked for.
"""

from __future__ import annotations

import re
from pathlib import Path

from kzram_ci.base import files, git
from kzram_ci.base.cache import MANIFEST, entry_in_progress, once
from kzram_ci.base.digest import digest_bytes
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.kernel import repository
from kzram_ci.kernel.context import LOCK_SECONDS, Context
from kzram_ci.model.kernel import CommitTree
from kzram_ci.model.source import GitSource, LocalGit, RemoteGit
from kzram_ci.model.version import kernel_version

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def source(ref: GitSource, context: Context) -> CommitTree:
    """The tree of a commit. Raises UserError (no such repository or ref), InfraError (no network)."""
    _plain(ref)
    match ref:
        case LocalGit():
            bare = _borrowing(ref, context)
            commit = _local_commit(ref, context)
        case RemoteGit():
            bare = _bare(ref, context)
            commit = _remote_commit(ref, bare, context)
    tree = _ask(bare, context, "rev-parse", "--verify", f"{commit}^{{tree}}").strip()
    _must_be_kernel(ref, _ask(bare, context, "ls-tree", tree, "Makefile", "Kbuild"))
    version = kernel_version(_ask(bare, context, "cat-file", "blob", f"{tree}:Makefile"))
    return CommitTree(
        identity=f"git:{tree}",
        version=f"{version}-g{commit[:12]}",
        repository=str(bare),
        tree=tree,
        source=ref.words(),
        commit=commit,
    )


def check(ref: LocalGit, context: Context) -> None:
    """Raise UserError when there is no such repository or commit, or no kernel source tree in it."""
    _plain(ref)
    commit = _local_commit(ref, context)
    _must_be_kernel(ref, _user_git(ref, context, "ls-tree", commit, "Makefile", "Kbuild"))


def is_local(ref: RemoteGit, context: Context) -> bool:
    """Whether the commit was fetched before."""
    return _known(ref, _bare(ref, context), context)


def history(ref: GitSource, context: Context) -> Path:
    """A git directory that holds all ancestors of the ref, for `rev-list` and its like; only to be read."""
    _plain(ref)
    match ref:
        case LocalGit():
            _local_commit(ref, context)
            return Path(_user_git(ref, context, "rev-parse", "--absolute-git-dir"))
        case RemoteGit():
            bare = _bare(ref, context)
            _fetch(ref, bare, context, "--unshallow" if (bare / "shallow").exists() else "--force")
            return bare


def kept_in(ref: GitSource, cache: Path) -> Path:
    """Where our repository for the user's is."""
    return cache / "git" / digest_bytes(ref.origin.encode())[:16]


def _bare(ref: GitSource, context: Context) -> Path:
    """Our repository for the user's; made on first use."""
    bare = kept_in(ref, context.cache)

    def make() -> None:
        with entry_in_progress(bare) as temporary:
            git.run("init", "--quiet", "--bare", "--template=", str(temporary), deadline=context.deadline)
            files.write_json(temporary / MANIFEST, {"origin": ref.origin})

    return once(bare, make, context.deadline.within(LOCK_SECONDS))


def _borrowing(ref: LocalGit, context: Context) -> Path:
    """Our repository for one on this host, which has the user's objects."""
    borrowed = f"{_user_git(ref, context, 'rev-parse', '--path-format=absolute', '--git-path', 'objects')}\n"
    bare = _bare(ref, context)
    alternates = bare / "objects" / "info" / "alternates"
    if not alternates.is_file() or alternates.read_text() != borrowed:
        files.write_atomic(alternates, borrowed)
    return bare


def _user_git(ref: LocalGit, context: Context, *words: str) -> str:
    """Ask the user's own repository. Raises UserError when it is not one."""
    done = git.run(*words, at=ref.path, deadline=context.deadline, check=False)
    if done.code and done.stderr:  # --quiet says nothing about a ref that is not there
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1]
        if not (Path(ref.path) / ".git").exists() and "not a git repository" in reason:
            hint = f"directory:{ref.path} takes a tree without git"
            raise UserError(f"{ref.path} is not a git repository", hint=hint)
        raise UserError(f"{ref.words()}: {reason.removeprefix('fatal: ')}", hint=f"git -C {ref.path} log -1 {ref.ref}")
    return done.text().strip()


def _local_commit(ref: LocalGit, context: Context) -> str:
    found = _user_git(ref, context, "rev-parse", "--verify", "--quiet", f"{ref.ref}^{{commit}}")
    if not found:
        raise _unknown(ref)
    return found


def _unknown(ref: GitSource) -> UserError:
    return UserError(f"no commit {ref.ref!r} in {ref.origin}", hint="give a branch, tag or commit that is there")


def _must_be_kernel(ref: GitSource, listed: str) -> None:
    if len(listed.splitlines()) != 2:
        raise UserError(f"{ref.words()} is not a kernel source tree: it has no top Makefile and Kbuild")


def _plain(ref: GitSource) -> None:
    if not ref.ref or ref.ref.startswith("-") or any(char in ref.ref for char in " \n\0"):
        raise UserError(f"{ref.ref!r} is not a git ref", hint="give a branch, tag or commit")


def _name(ref: RemoteGit) -> str:
    """Under which name a fetched ref is kept, so that nothing collects it."""
    return f"refs/kzram/{digest_bytes(ref.ref.encode())[:16]}"


def _wanted(ref: RemoteGit) -> str:
    return ref.ref if _HASH.fullmatch(ref.ref) else _name(ref)


def _known(ref: RemoteGit, bare: Path, context: Context) -> bool:
    words = ("cat-file", "-e", f"{_wanted(ref)}^{{commit}}")
    return git.run(*words, directory=bare, deadline=context.deadline, check=False).code == 0


def _remote_commit(ref: RemoteGit, bare: Path, context: Context) -> str:
    """A full hash is fetched once; of a branch or tag the origin is asked each time, since it may have moved."""
    known = _known(ref, bare, context)
    if not known or not (context.offline or _HASH.fullmatch(ref.ref)):
        try:
            _fetch(ref, bare, context, *(() if (bare / "shallow").exists() or not known else ("--force",)))
        except InfraError as error:
            if not known:
                raise
            context.note(ref.url, f"not reachable, {ref.ref} is what was fetched last ({error.message})")
    return _ask(bare, context, "rev-parse", "--verify", f"{_wanted(ref)}^{{commit}}").strip()


def _fetch(ref: RemoteGit, bare: Path, context: Context, *depth: str) -> None:
    context.note(ref.url, f"fetching {ref.ref}")
    options = depth or ("--depth=1",)
    words = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *options)
    with files.lock(bare.with_name(f"{bare.name}.lock"), context.deadline.within(LOCK_SECONDS)):
        try:
            git.run(*words, "--", ref.url, f"+{ref.ref}:{_name(ref)}", directory=bare, deadline=context.deadline)
        except CommandFailed as error:
            if "couldn't find remote ref" in error.tail or "not our ref" in error.tail:
                raise _unknown(ref) from error
            raise InfraError(f"{ref.url}: {error.message}", hint="check the URL and the network") from error


def _ask(bare: Path, context: Context, *words: str) -> str:
    return repository.ask(bare, *words, deadline=context.deadline).text()
