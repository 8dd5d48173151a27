"""Locks: they are exclusive, they give up at the deadline, and Ctrl-C ends the wait."""

from __future__ import annotations

import errno
import os
import threading
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
