"""Standard output that is full, closed or without a reader: 69 or 141, and no traceback. 1 would mean "findings"."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMANDS = (
    ("plan", "overrun"),
    ("schema",),
    ("validate", "overrun"),
    ("--help",),
    ("bisect", "--help"),
    ("oops", "-", "--json"),
)


def run(*words: str, redirect: str, unbuffered: bool = False) -> subprocess.CompletedProcess[str]:
    python = [sys.executable, *(["-u"] if unbuffered else []), "-m", "kzram_ci"]
    script = f'"$@" {redirect}'
    return subprocess.run(
        ["bash", "-c", script, "bash", *python, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        input="",
    )


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_disk_is_the_infrastructures(words: tuple[str, ...], unbuffered: bool) -> None:
    done = run(*words, redirect=">/dev/full", unbuffered=unbuffered)
    assert done.stderr == "kzram-ci: infrastructure: cannot write to standard output: No space left on device\n"
    assert done.returncode == 69


@pytest.mark.parametrize("words", [*COMMANDS, ("run", "smoke", "--quiet")], ids=" ".join)
def test_a_closed_output_is_noticed_before_anything_is_done(words: tuple[str, ...]) -> None:
    done = run(*words, redirect=">&-")
    assert done.stderr == "kzram-ci: infrastructure: standard output is closed\n"
    assert done.returncode == 69


def test_git_hears_no_verdict_from_it() -> None:
    assert run("run", "smoke", "--bisect-run", redirect=">&-").returncode == 128


def test_a_reader_that_left_is_no_error() -> None:
    done = run("schema", redirect="| true; exit ${PIPESTATUS[0]}")
    assert done.returncode == 141
    assert done.stderr == ""


def test_closed_errors_and_input_change_nothing() -> None:
    done = run("plan", "overrun", redirect="2>&- <&-")
    assert done.returncode == 0
    assert done.stdout.startswith("overrun: ")
    assert run("plan", "nope", redirect="2>&-").returncode == 2
