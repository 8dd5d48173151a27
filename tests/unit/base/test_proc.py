"""The one door for processes: deadlines, groups, and no orphans even after kill -9."""

import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from kzram_ci.base import clock, proc, reaper
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, CommandTimeout, Interrupted, UserError


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


def test_failure_carries_command_code_and_last_line() -> None:
    with pytest.raises(CommandFailed) as caught:
        proc.run(("sh", "-c", "echo first; echo why >&2; exit 7"), deadline=soon())
    assert caught.value.code == 7
    assert "exited with 7: why" in str(caught.value)


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


def test_logged_run_keeps_output_of_a_failure(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(CommandFailed) as caught:
        proc.run_logged(("sh", "-c", "echo kept; exit 1"), deadline=soon(), log=log)
    assert log.read_text() == "kept\n"
    assert caught.value.log == str(log)
