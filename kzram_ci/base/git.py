"""How git is called: the caller's repository, index and configuration have no effect on it."""

from __future__ import annotations

from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline

# A hook, `git rebase --exec` and `git bisect run` all export the first ones; they would redirect our commands.
ENVIRONMENT: dict[str, str | None] = {
    "GIT_DIR": None,
    "GIT_WORK_TREE": None,
    "GIT_INDEX_FILE": None,
    "GIT_PREFIX": None,
    "GIT_OBJECT_DIRECTORY": None,
    "GIT_COMMON_DIR": None,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone would write into itself, and call what its remote configures
}
# safe.directory: a tree that belongs to another user is only listed, nothing of it is run
# fsmonitor: a command that a repository configures
_CONFIG = ("safe.directory=*", "core.quotePath=false", "core.fsmonitor=false")


def run(
    *words: str,
    deadline: Deadline,
    at: str | Path = "",
    directory: str | Path = "",
    work_tree: str | Path = "",
    index: str | Path = "",
    cwd: Path | None = None,
    config: tuple[str, ...] = (),
    env: proc.Environment | None = None,
    input: bytes = b"",
    check: bool = True,
) -> proc.Completed:
    """Run a git command; its name in errors is its first word.

    at: where git goes first (-C); directory: the repository, which else is found from there or from `cwd`.

    Raises as `proc.run` does.
    """
    where = (("-C", at), ("--git-dir", directory), ("--work-tree", work_tree))
    options = (
        *(word for setting in (*_CONFIG, *config) for word in ("-c", setting)),
        *(word for option, path in where if path for word in (option, str(path))),
    )
    return proc.run(
        ("git", *options, *words),
        deadline=deadline,
        name=f"git {words[0]}",
        cwd=cwd,
        env={**ENVIRONMENT, **({"GIT_INDEX_FILE": str(index)} if index else {}), **(env or {})},
        input=input,
        check=check,
    )
