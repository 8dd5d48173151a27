"""How git is called: without the caller's repository, index or taste leaking in."""

from __future__ import annotations

# A hook, `git rebase --exec` and `git bisect run` all export these; they would redirect our commands.
_INHERITED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")


def argv(*words: str, index: str = "") -> tuple[str, ...]:
    """The command line of a git command, configuration of user and system left out; `index`: file of its index."""
    unset = tuple(word for name in _INHERITED for word in ("-u", name))
    plain = ["GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0"]
    plain += [f"GIT_INDEX_FILE={index}"] if index else []
    # safe.directory: a tree that belongs to somebody else is only listed, nothing of it is run
    return ("env", *unset, *plain, "git", "-c", "safe.directory=*", "-c", "core.quotePath=false", *words)
