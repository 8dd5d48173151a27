"""A developer's own tree, committed or not: read, never written to."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from kzram_ci.base import git
from kzram_ci.base.errors import UserError
from kzram_ci.kernel import filetree
from kzram_ci.kernel.context import Context
from kzram_ci.model.kernel import DirectoryTree
from kzram_ci.model.source import DirectorySource
from kzram_ci.model.version import kernel_version

_HINT = "directory: takes the top of a kernel source tree"


def check(ref: DirectorySource) -> Path:
    """The directory. Raises UserError when it is not a kernel source tree."""
    root = Path(ref.path).expanduser().absolute()
    if not root.is_dir():
        raise UserError(f"{root} is not a directory", hint=_HINT)
    if not (root / "Kbuild").is_file() or not (root / "Makefile").is_file():
        raise UserError(f"{root} is not a kernel source tree: it has no top Makefile and Kbuild", hint=_HINT)
    return root


def source(ref: DirectorySource, context: Context) -> DirectoryTree:
    """The tree, identified by the content of all its source files. Raises UserError for what is not a kernel tree.

    Build products and a .config in it are not source: they are not copied, so kbuild's "The source tree is not
    clean" (Makefile, outputmakefile, v2.6 and later) cannot come up.
    """
    root = check(ref)
    files = filetree.scan(
        root, cache=context.cache, deadline=context.deadline, note=lambda text: context.note(str(root), text)
    )
    version = kernel_version((root / "Makefile").read_text("utf-8", "replace"))
    commit, dirty = ("", False) if context.offline else _checked_out(root, context)
    return DirectoryTree(
        identity=f"directory:{filetree.identity(files)}",
        version=version,
        directory=str(root),
        source=ref.words(),
        commit=commit,
        dirty=dirty,
    )


def _checked_out(root: Path, context: Context) -> tuple[str, bool]:
    """The commit that a work tree is at, and whether it differs from it; ("", False) without git or a commit.

    Filters that its configuration names are not run: a file that one of them changes counts as different.
    """
    if not (root / ".git").exists():
        return "", False
    ask = partial(git.run, at=root, deadline=context.deadline, check=False)
    head = ask("rev-parse", "--verify", "--quiet", "HEAD")
    if head.code:
        return "", False
    env = git.without_filters(root, deadline=context.deadline)
    changes = ask("status", "--porcelain", "--ignore-submodules=all", env=env)
    return head.text().strip(), bool(changes.code or changes.stdout)
