"""How git is called: the caller's repository, index and configuration have no effect on it.

A repository that is only looked at may be hostile: its configuration names programs (filters, a monitor, signature
checkers, hooks, transports) that git would start. None of them is started from here.
"""

from __future__ import annotations

import re
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
    "GIT_ALLOW_PROTOCOL": "",  # so would one under a git before 2.45
}
_FETCHING: dict[str, str | None] = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
# safe.directory: a tree that belongs to another user is only listed, nothing of it is run
# all others: commands that a repository configures
_CONFIG = (
    "safe.directory=*",
    "core.quotePath=false",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "log.showSignature=false",
    "submodule.recurse=false",
)
_FILTER = re.compile(r"(filter\..*)\.(?:clean|smudge|process|required)", re.DOTALL | re.IGNORECASE)


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
        env={
            **ENVIRONMENT,
            **({"GIT_INDEX_FILE": str(index)} if index else {}),
            **(_FETCHING if words[0] in ("clone", "fetch", "ls-remote") else {}),
            **(env or {}),
        },
        input=input,
        check=check,
    )


def without_filters(at: Path, *, deadline: Deadline) -> proc.Environment:
    """The environment in which git runs no filter that a repository configures, for those that look at its files."""
    done = run("config", "--list", "--name-only", "-z", at=at, deadline=deadline, check=False)
    names = {match[1] for name in done.text().split("\0") if (match := _FILTER.fullmatch(name))}
    off = (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))
    settings = [(f"{name}.{key}", value) for name in sorted(names) for key, value in off]
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found
