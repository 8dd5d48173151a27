"""Locks: they are exclusive, they give up at the deadline, and Ctrl-C ends the wait."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from kzram_ci.base import files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted, UserError


@pytest.fixture(autouse=True)
def not_cancelled() -> Iterator[None]:
    proc.resume_all()
    yield
    proc.resume_all()


@pytest.mark.parametrize("place", ["/etc/passwd/x", "/proc/x", "/dev/null/x", "/tmp/" + "n" * 300, "/sys/kernel/x"])
def test_a_place_where_no_directory_can_be_is_the_users_error(place: str) -> None:
    with pytest.raises(UserError, match=r"cannot create .*; fix: name a directory that can be written"):
        files.make_private(Path(place))


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free disk space"),
        (errno.EDQUOT, "free disk space"),
        (errno.EACCES, "permissions"),
        (errno.EROFS, "read-only"),
        (errno.EIO, ""),
        (errno.ENOTDIR, ""),
    ],
)
def test_the_fix_is_that_of_the_error(number: int, hint: str) -> None:
    with pytest.raises(InfraError, match="cannot write x") as caught, files.disk_errors("cannot write x"):
        raise OSError(number, os.strerror(number))
    assert hint in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)


def test_a_cache_below_a_file_is_one_line() -> None:
    with pytest.raises(InfraError, match="cannot create"), files.lock(Path("/etc/passwd/x/y.lock"), Deadline.after(1)):
        pytest.fail("no such lock")


def test_a_lock_held_past_the_deadline_is_an_infrastructure_error(tmp_path: Path) -> None:
    path = tmp_path / "slot.lock"
    with (
        files.lock(path, Deadline.after(5)),
        pytest.raises(InfraError, match=r"another kzram-ci holds .*slot\.lock"),
        files.lock(path, Deadline.after(0)),
    ):
        pytest.fail("two holders of one lock")
    with files.lock(path, Deadline.after(0)):
        assert path.exists()


def message_of(path: Path) -> InfraError:
    with pytest.raises(InfraError) as caught, files.lock(path, Deadline.after(0)):
        pytest.fail("two holders of one lock")
    return caught.value


def test_who_holds_a_lock_is_said_to_those_who_wait(tmp_path: Path) -> None:
    path = tmp_path / "slot.lock"
    with files.lock(path, Deadline.after(5)):
        error = message_of(path)
    assert re.search(rf"another kzram-ci holds {path}: process {os.getpid()}, since \d{{4}}-\d\d-\d\dT", error.message)
    assert error.hint == f"wait for it, or stop it: kill {os.getpid()}"


def test_a_lock_of_a_dead_host_ends_at_the_deadline_and_says_how_to_free_it(tmp_path: Path) -> None:
    """A server that does not notice a client's death keeps its locks; the name is the way out, and it works."""
    path = tmp_path / "a cache" / "slot.lock"
    with files.lock(path, Deadline.after(5)):
        path.write_text("elsewhere.example.org 4711 2026-01-01T00:00:00Z\n")
        error = message_of(path)
        assert "process 4711 on elsewhere.example.org, since 2026-01-01T00:00:00Z" in error.message
        assert error.hint.endswith(f"stop it on elsewhere.example.org; if that host is gone for good: rm '{path}'")
        path.unlink()
        with files.lock(path, Deadline.after(0)):
            assert path.exists()


@pytest.mark.parametrize("content", [b"", b"\xff\0", b"one two three four\n", b"host pid when\n", b"\x1b[2J 1 x\n"])
def test_a_lock_that_says_nothing_of_its_holder(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "slot.lock"
    with files.lock(path, Deadline.after(5)):
        path.write_bytes(content)
        assert message_of(path).message == f"another kzram-ci holds {path}"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EIO], ids=errno.errorcode.get)
def test_a_file_system_without_locks_is_one_line(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(where: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        error = message_of(tmp_path / "slot.lock")
    assert error.message == f"cannot lock {tmp_path / 'slot.lock'}: {os.strerror(number)}"
    assert ("has no locks" in error.hint) is (number != errno.EIO)


def test_an_interrupt_ends_the_wait_for_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "slot.lock"
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            with files.lock(path, Deadline.after(600)):
                pass
        except Interrupted as error:
            caught.append(error)

    with files.lock(path, Deadline.after(5)):
        waiter = threading.Thread(target=wait)
        waiter.start()
        proc.cancel_all()
        waiter.join(timeout=30)
        assert not waiter.is_alive()
    assert "interrupted while another kzram-ci held" in str(caught[0])


def test_a_lock_that_is_taken_within_the_work_is_not_the_works_own(tmp_path: Path) -> None:
    with files.held(tmp_path / "run"), files.lock(tmp_path / "slot.lock", Deadline.after(5)):
        pass
    taken = files.Taken("another kzram-ci holds slot.lock")
    with pytest.raises(files.Taken) as caught, files.held(tmp_path / "run"):
        raise taken
    assert caught.value is taken


def test_a_pipe_that_a_person_names_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    files.write_named(pipe, "text")
    reader.join()
    assert read == ["text"]
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_link_that_a_person_names_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    files.write_named(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize("place", ["", "file/below", "n" * 300])
def test_a_place_where_no_file_can_be_is_the_users_error(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match=r"cannot write .*; fix: name a file"):
        files.write_named(tmp_path / place, "text")
    assert (tmp_path / "file").read_text() == "kept"


def test_of_what_was_made_in_one_second_the_later_is_the_newest(tmp_path: Path) -> None:
    """Names end with chance: what --resume goes on with must not."""
    made = []
    for number, name in enumerate(
        ("20260101T000001Z-try-a-ff", "20260101T000001Z-try-a-00", "20260101T000000Z-try-b-99")
    ):
        written = tmp_path / name / "trial.json"
        written.parent.mkdir()
        written.touch()
        os.utime(written, ns=(0, 1000 + number))
        made.append(written)
    gone = tmp_path / "20260101T000001Z-try-a-gone" / "trial.json"
    assert [path.name[-2:] for path in files.newest_first([*made, gone])] == ["00", "ff", "ne", "99"]
