"""A git repository with the tiny source tree in it."""

import subprocess
from pathlib import Path

from tiny_source import write_tree

IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")


def git(root: Path, *words: str) -> str:
    done = subprocess.run(("git", *IDENTITY, *words), cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root: Path, message: str, **files: str) -> str:
    for name, text in files.items():
        (root / f"{name}.c").write_text(text)
    git(root, "add", "--all")
    git(root, "commit", "-qm", message)
    return git(root, "rev-parse", "HEAD")


def repository(root: Path) -> str:
    """The tiny tree, committed; returns the commit."""
    write_tree(root)
    git(root, "init", "-q", "-b", "main")
    return commit(root, "first")
