"""The one door for processes: deadlines, groups, and no orphans even after kill -9."""

import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from kzram_ci.base import clock, proc, reaper
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, CommandTimeout, InfraError, Interrupted, UserError, command_behind
from kzram_ci.base.transcripts import transcript_in


def soon() -> Deadline:
    return Deadline.after(30)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> bool:
    deadline = Deadline.after(20)
    while alive(pid) and not deadline.expired():
        clock.sleep(0.05)
    return not alive(pid)


def test_captures_output_and_status() -> None:
    done = proc.run(("sh", "-c", "cat; echo err >&2"), deadline=soon(), input=b"in")
    assert (done.code, done.stdout, done.stderr) == (0, b"in", b"err\n")


def test_input_survives_a_slow_reader() -> None:
    done = proc.run(("sh", "-c", "sleep 0.5; cat"), deadline=soon(), input=b"x" * 200_000)
    assert len(done.stdout) == 200_000


def test_a_failure_begins_with_the_commands_own_words() -> None:
    with pytest.raises(CommandFailed) as caught:
        proc.run(("sh", "-c", "echo first; echo why >&2; exit 7"), deadline=soon())
    assert caught.value.code == 7
    assert str(caught.value) == "why (sh exited with 7)"
    assert caught.value.transcript() == "$ sh -c 'echo first; echo why >&2; exit 7'\nwhy\n[exit status 7]\n"


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("error: unable to read sha1 file of a.c (78)\nerror: unable to read sha1 file of b.c (12)", "error: unable"),
        ("warning: slow\nfatal: not a tree object", "fatal: not a tree object"),
        ("W: old list\nE: Unable to locate package x\nN: see apt-secure(8)", "E: Unable to locate"),
        ("xz: (stdin): File format not recognized\ntar: Child returned status 1\ntar: Error is not recoverable",
         "xz: (stdin): File format"),
        ("In file included from a.h:\na.c:1:2: error: no such\nmake: *** [a.o] Error 1", "a.c:1:2: error: no such"),
        ("make: *** No rule to make target 'x'.  Stop.", "make: *** No rule"),
        ("Traceback (most recent call last):\n  File x\nValueError: why", "ValueError: why"),
    ],
)  # fmt: skip
def test_the_reason_is_the_line_that_names_the_cause(printed: str, reason: str) -> None:
    error = CommandFailed(("git", "-c", "a=b", "checkout-index"), 1, printed, name="git checkout-index")
    assert error.message.startswith(reason)
    assert error.message.endswith(" (git checkout-index exited with 1)")


def test_a_command_that_printed_nothing_or_was_killed() -> None:
    assert CommandFailed(("/usr/bin/x", "y"), 1, " \n").message == "x exited with 1 and printed nothing"
    assert CommandFailed(("x",), -9, "half").message == "half (x was killed by signal 9)"


def test_a_variable_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONE", "1")
    done = proc.run(("sh", "-c", "echo ${GONE-none} $NEW"), deadline=soon(), env={"GONE": None, "NEW": "2"})
    assert done.text() == "none 2\n"


def test_the_transcript_of_a_failed_command_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs/x.log"
    with pytest.raises(InfraError) as caught, transcript_in(log):
        try:
            proc.run(("sh", "-c", "echo why >&2; exit 3"), deadline=soon())
        except CommandFailed as error:
            raise InfraError("told otherwise") from error
    assert caught.value.log == str(log)
    assert log.read_text() == "$ sh -c 'echo why >&2; exit 3'\nwhy\n[exit status 3]\n"
    with pytest.raises(InfraError) as caught, transcript_in(tmp_path / "none"):
        raise InfraError("no command was run")
    assert not caught.value.log


def test_missing_program_is_the_users_to_fix() -> None:
    with pytest.raises(UserError, match="no-such-program not found"):
        proc.run(("no-such-program",), deadline=soon())


def test_deadline_kills_the_whole_group(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    with pytest.raises(CommandTimeout):
        proc.run(("sh", "-c", f"sleep 300 & echo $! > {pidfile}; wait"), deadline=Deadline.after(1))
    assert wait_until_gone(int(pidfile.read_text()))


def test_cancellation_interrupts_a_wait() -> None:
    proc.cancel_all()
    try:
        with pytest.raises(Interrupted):
            proc.run(("sleep", "300"), deadline=soon())
    finally:
        proc.resume_all()


def test_a_child_that_ignores_term_is_killed(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    child = proc.spawn(("sh", "-c", f"trap '' TERM; touch {deaf}; while :; do sleep 1; done"))
    deadline = soon()
    while not deaf.exists() and not deadline.expired():
        clock.sleep(0.02)
    assert proc.stop(child, grace=0.2) == -signal.SIGKILL


def test_no_orphan_after_kill_9(tmp_path: Path) -> None:
    pidfile, folder = tmp_path / "pid", tmp_path / "folder"
    program = textwrap.dedent(f"""
        import pathlib, tempfile
        from kzram_ci.base import proc, clock
        pathlib.Path("{folder}").write_text(tempfile.mkdtemp(prefix=proc.temporary_prefix()))
        proc.spawn(("sh", "-c", "setsid sleep 300 & echo $! > {pidfile}; wait"))
        clock.sleep(300)
    """)
    parent = proc.spawn((sys.executable, "-c", program), env={reaper.VARIABLE: "outer"})
    deadline = Deadline.after(20)
    while not (pidfile.exists() and pidfile.read_text().strip()) and not deadline.expired():
        clock.sleep(0.05)
    grandchild = int(pidfile.read_text())
    assert alive(grandchild)
    left = Path(folder.read_text())
    assert left.is_dir()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(timeout=10)
    assert wait_until_gone(grandchild)
    deadline = Deadline.after(20)
    while left.exists() and not deadline.expired():
        clock.sleep(0.05)
    assert not left.exists()


def test_no_orphan_of_a_kzram_ci_that_another_started(tmp_path: Path) -> None:
    """The outer guardian ends the inner kzram-ci; the inner guardian must be left, to end what that one started."""
    pidfile = tmp_path / "pid"
    inner = textwrap.dedent(f"""
        from kzram_ci.base import proc, clock
        proc.spawn(("sh", "-c", "setsid sleep 300 & echo $! > {pidfile}; wait"))
        clock.sleep(300)
    """)
    outer = textwrap.dedent(f"""
        import sys
        from kzram_ci.base import proc, clock
        proc.spawn((sys.executable, "-c", {inner!r}))
        clock.sleep(300)
    """)
    parent = proc.spawn((sys.executable, "-c", outer))
    deadline = Deadline.after(20)
    while not (pidfile.exists() and pidfile.read_text().strip()) and not deadline.expired():
        clock.sleep(0.05)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(timeout=10)
    assert wait_until_gone(int(pidfile.read_text()))


def test_errors_that_cause_each_other_have_an_end() -> None:
    first, second = InfraError("a"), InfraError("b")
    first.__cause__, second.__cause__ = second, first
    assert command_behind(first) is None
