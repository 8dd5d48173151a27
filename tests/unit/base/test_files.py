"""Locks: they are exclusive, they give up at the deadline, and Ctrl-C ends the wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kzram_ci.base import files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted


@pytest.fixture(autouse=True)
def not_cancelled() -> Iterator[None]:
    proc.resume_all()
    yield
    proc.resume_all()


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
