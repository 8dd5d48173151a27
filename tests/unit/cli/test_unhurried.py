"""A reader that stalls: nothing waits for it, and what it reads later is whole and in order."""

import fcntl
import os
from collections.abc import Iterator

import pytest

from kzram_ci.cli import unhurried
from kzram_ci.cli.unhurried import MOST, Unhurried

PIPE_SIZE = 4096
Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A small pipe that is full but for the first bytes."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def read_all(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(descriptor, size - len(data))
    return data


def test_what_is_written_is_there_when_write_returns(pipe: Pipe) -> None:
    writer = Unhurried(pipe[1])
    writer.write(b"a line\n")
    assert os.read(pipe[0], 100) == b"a line\n"
    writer.close()


def test_a_reader_that_stalls_gets_it_later(pipe: Pipe) -> None:
    writer, lines = Unhurried(pipe[1]), [b"%04d\n" % number for number in range(2000)]
    for line in lines:
        writer.write(line)
    assert read_all(pipe[0], 5 * len(lines)) == b"".join(lines)
    writer.drain()
    writer.write(b"again at once\n")
    assert os.read(pipe[0], 100) == b"again at once\n"
    writer.close()


def test_the_last_line_is_not_lost_where_the_writing_thread_was_late(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unhurried, "PATIENCE", 0.0)  # as on a busy host: the thread has no turn meanwhile
    for _ in range(20):
        writer = Unhurried(pipe[1])
        writer.write(b"a line\n")
        writer.close()
        os.set_blocking(pipe[0], False)
        assert os.read(pipe[0], 100) == b"a line\n"


def test_what_is_kept_for_a_reader_is_bounded(pipe: Pipe) -> None:
    writer, block = Unhurried(pipe[1]), b"x" * PIPE_SIZE
    for _ in range(2 * MOST // PIPE_SIZE):
        writer.write(block)
    writer.close()
    os.set_blocking(pipe[0], False)
    assert len(os.read(pipe[0], PIPE_SIZE)) == PIPE_SIZE


def test_an_output_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe[1], False)
    writer = Unhurried(pipe[1])
    writer.write(b"y" * 3 * PIPE_SIZE)
    assert read_all(pipe[0], 3 * PIPE_SIZE) == b"y" * 3 * PIPE_SIZE
    writer.close()


def test_a_reader_that_left_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = Unhurried(writing)
    writer.write(b"to whom")
    writer.write(b"to whom")
    writer.close()
    os.close(writing)


def test_after_its_end_nothing_is_written(pipe: Pipe) -> None:
    writer = Unhurried(pipe[1])
    writer.close()
    writer.write(b"late")
    os.set_blocking(pipe[0], False)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 10)
