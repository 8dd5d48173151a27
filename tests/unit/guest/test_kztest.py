"""kztest on the host: whatever a test does, it becomes events, and none of what it prints is taken for one."""

import base64
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import guest_programs
import pytest

from kzram_ci.guest.messages import FileEnd, FilePiece, Message, Output, OwnTestEnded, Reader, Sample

SECONDS = 60.0
LINE_BYTES = 8192  # what kzwatch takes


@pytest.fixture(scope="module")
def kztest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return guest_programs.program("kztest", tmp_path_factory.mktemp("kztest") / "kztest")


def run(kztest: Path, shell: str, *options: str, cwd: Path | None = None) -> tuple[int, list[Message]]:
    argv = (str(kztest), *options, "--", "sh", "-c", shell)
    env = {**os.environ, **guest_programs.ENVIRONMENT}
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, cwd=cwd, timeout=SECONDS, env=env)
    for line in done.stdout.splitlines():
        assert len(line) < LINE_BYTES
        json.loads(line)
    return done.returncode, Reader("n").feed(done.stdout)


def printed(events: list[Message], stream: str = "stdout") -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Output) and event.stream == stream)


def ended(events: list[Message]) -> OwnTestEnded:
    [found] = [event for event in events if isinstance(event, OwnTestEnded)]
    return found


@pytest.mark.parametrize(
    ("shell", "code", "own"),
    [("exit 0", 0, 0), ("exit 1", 1, 1), ("exit 3", 3, 1), ("kill -9 $$", 137, 1), ("exec ./missing", 127, 1)],
)
def test_the_exit_code_is_the_tests_own(kztest: Path, shell: str, code: int, own: int) -> None:
    returned, events = run(kztest, shell)
    assert ended(events) == OwnTestEnded(code=code, stopped=False)
    assert returned == own


def test_every_byte_comes_through_and_none_is_an_event(kztest: Path, tmp_path: Path) -> None:
    data = bytes(range(256)) * 40 + b'\n{"ev":"exit","nonce":"n","code":0}\n{"ev":"test","code":0}\nno end'
    (tmp_path / "data").write_bytes(data)
    _, events = run(kztest, "cat data; cat data >&2; exit 5", cwd=tmp_path)
    assert printed(events) == printed(events, "stderr") == data
    assert ended(events).code == 5


def test_counters_are_lines_of_standard_output(kztest: Path) -> None:
    lines = "kzram: rounds=1\nkzram:rounds=2\nkzram: a.b_C=-7\nkzram: last=9"
    wrong = "kzram: x\nkzram: x=\nkzram: x=1.5\nkzram: a b=1\nkzram: ..=1\nkzram: x=99999999999999999999\n kzram: y=1\n"
    _, events = run(kztest, f"printf '{wrong}{lines}'; echo 'kzram: z=1' >&2")
    found = [event.counters for event in events if isinstance(event, Sample)]
    assert found == [
        (("workload.rounds", 1),),
        (("workload.rounds", 2),),
        (("workload.a.b_C", -7),),
        (("workload.last", 9),),
    ]


def test_results_come_back_whole(kztest: Path, tmp_path: Path) -> None:
    data = os.urandom(10_000)
    (tmp_path / "some").write_bytes(data)
    (tmp_path / "none").write_bytes(b"")
    options = [word for name in ("some", "none", "missing", ".") for word in ("--result", name)]
    _, events = run(kztest, "exit 0", *options, cwd=tmp_path)
    assert b"".join(event.data for event in events if isinstance(event, FilePiece) and event.index == 0) == data
    ends = {event.index: event.problem for event in events if isinstance(event, FileEnd)}
    assert ends == {0: "", 1: "", 2: "No such file or directory", 3: "not a regular file"}


def test_a_result_has_a_limit(kztest: Path, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as out:
        out.truncate(9 << 20)
    _, events = run(kztest, "exit 0", "--result", "big", cwd=tmp_path)
    assert sum(len(event.data) for event in events if isinstance(event, FilePiece)) == 8 << 20
    assert [event.problem for event in events if isinstance(event, FileEnd)] == [
        "cut: all results together are too large"
    ]


def test_output_has_a_limit_and_the_test_goes_on(kztest: Path) -> None:
    _, events = run(kztest, "head -c 5242880 /dev/zero | tr '\\0' x; echo; echo 'kzram: after=1'")
    assert len(printed(events)) == 4 << 20
    assert Sample(counters=(("workload.after", 1),)) in events


@pytest.mark.parametrize(
    ("shell", "code", "own"),
    [
        ("echo up; exec sleep 600", 143, 0),  # does not know of SIGTERM: it did what it was to do until then
        ("trap 'exit 0' TERM; echo up; sleep 600 & wait", 0, 0),
        ("trap 'exit 9' TERM; echo up; sleep 600 & wait", 9, 1),  # it says that something is wrong
    ],
)
def test_a_test_that_is_stopped(kztest: Path, shell: str, code: int, own: int) -> None:
    argv: Any = (str(kztest), "--", "sh", "-c", shell)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert b"up" in first
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(SECONDS) == own
    assert ended(Reader("n").feed(rest)) == OwnTestEnded(code=code, stopped=code != 9)


def test_what_it_leaves_running_does_not_keep_us(kztest: Path) -> None:
    began = time.monotonic()
    code, events = run(kztest, "sleep 600 & exit 0")
    assert (code, ended(events).code) == (0, 0)
    assert time.monotonic() - began < 30


def test_a_piece_of_base64_is_what_python_makes_of_it(kztest: Path, tmp_path: Path) -> None:
    for length in range(1, 8):
        (tmp_path / "x").write_bytes(bytes(range(250, 250 + length - 2)) if length < 6 else b"\xff" * length)
        argv = (str(kztest), "--result", "x", "--", "true")
        out = subprocess.run(argv, check=True, stdout=subprocess.PIPE, cwd=tmp_path).stdout
        texts = [fields["data"] for line in out.splitlines() if (fields := json.loads(line))["ev"] == "file"]
        wanted = (tmp_path / "x").read_bytes()
        assert texts == ([base64.b64encode(wanted).decode()] if wanted else [])


def limited(kztest: Path, seconds: str, shell: str) -> subprocess.CompletedProcess[str]:
    """As /usr/bin/timeout of the guest is called by the runner of kselftest."""
    argv = (str(kztest), "--limit", "--foreground", seconds, "sh", "-c", shell)
    env = {**os.environ, **guest_programs.ENVIRONMENT}
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=SECONDS, env=env)


@pytest.mark.parametrize(("shell", "code"), [("exit 0", 0), ("exit 4", 4), ("kill -9 $$", 137), ("exec ./none", 127)])
def test_a_program_within_its_limit_ends_as_it_does(kztest: Path, shell: str, code: int) -> None:
    assert limited(kztest, "50", f"echo printed; {shell}").returncode == code
    assert limited(kztest, "0", f"echo printed; {shell}").stdout == "printed\n", "0: no limit"


def test_a_program_that_takes_longer_goes_with_all_that_it_started(kztest: Path) -> None:
    began = time.monotonic()
    # the child holds the pipe: we would read until it ends
    done = limited(kztest, "1", "echo begun; sleep 50 & wait")
    assert (done.returncode, done.stdout) == (124, "begun\n")
    assert time.monotonic() - began < 30


def test_a_program_that_ignores_the_signal_is_killed(kztest: Path) -> None:
    done = limited(kztest, "1", "trap '' TERM; while :; do sleep 1; done")
    assert done.returncode == 124


@pytest.mark.parametrize("words", [(), ("5",), ("x", "true"), ("-1", "true"), ("5s", "true")])
def test_a_limit_that_is_none(kztest: Path, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        (str(kztest), "--limit", *words), check=False, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 125
    assert done.stderr.startswith("usage: timeout ")
