"""What the project stands on is named by digest, and what it ships can be made again."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import requires
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LOCK = (ROOT / "requirements.lock").read_text()
SHIPPED = ("kzram_ci", "kernels", "rootfs", "share", "testplans", "pyproject.toml", "README.md", "LICENSE", "LICENSES")


PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_may_only_read(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    lines = re.findall(r"uses: (.*)", path.read_text())
    assert lines
    for line in lines:
        assert PINNED.fullmatch(line), line
    for step in steps(path):
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_what_the_action_uses_is_pinned_by_commit() -> None:
    lines = re.findall(r"uses: (.*)", (ROOT / "action.yml").read_text())
    assert lines
    assert not [line for line in lines if not PINNED.fullmatch(line)]


def test_the_lock_has_a_digest_of_everything_that_is_declared() -> None:
    blocks = re.findall(r"^([\w.-]+)==\S+((?: \\\n    --hash=sha256:[0-9a-f]{64})*)$", LOCK, re.MULTILINE)
    assert len(blocks) == len(re.findall("==", LOCK)) > 40
    assert not [name for name, digests in blocks if not digests]
    locked = {name.lower().replace("_", "-").replace(".", "-") for name, _ in blocks}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["dev"], *extras["docs"]]
    names = {re.split(r"[\[<>=~! ]", one)[0].lower().replace("_", "-").replace(".", "-") for one in declared}
    assert names <= locked


def _wheel(place: Path, mask: int, stamp: int) -> bytes:
    """A wheel of a copy with other times, in another directory, under another umask."""
    place.mkdir(parents=True)
    for name in SHIPPED:
        there = ROOT / name
        if there.is_dir():
            shutil.copytree(there, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif there.exists():
            shutil.copy(there, place / name)
    for path in place.rglob("*"):
        os.utime(path, (stamp, stamp))
    argv = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place / "out"))
    done = subprocess.run(argv, cwd=place, umask=mask, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (place / "out").glob("*.whl")
    return wheel.read_bytes()


def test_a_wheel_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    if importlib.util.find_spec("hatchling") is None:
        requires.lacking("tools", "no hatchling")
    first = _wheel(tmp_path / "a", 0o022, 1_000_000_000)
    second = _wheel(tmp_path / "another" / "place", 0o077, 1_700_000_000)
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()
