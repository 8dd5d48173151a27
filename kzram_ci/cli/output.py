"""Standard output that may be closed, full, or without a reader: an error in one line instead of a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO, TypeVar, cast

from kzram_ci.base.errors import InfraError

T = TypeVar("T")
NO_READER = 141  # what a shell shows for a command that SIGPIPE ended


class CheckedOutput:
    """A text stream whose failed writes are the infrastructure's error; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write. Raises InfraError, BrokenPipeError when the reader left."""
        return self._checked(lambda: self._stream.write(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write all."""
        self._checked(lambda: self._stream.writelines(lines))

    def flush(self) -> None:
        """Hand on what was written. Raises as `write`."""
        self._checked(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _checked(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except BrokenPipeError:
            _discard()
            raise
        except OSError as error:
            _discard()
            raise InfraError(f"cannot write to standard output: {error.strerror or error}") from error


def _discard() -> None:
    """What is still buffered goes nowhere: Python would try it again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def run(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """A program's exit code, with standard streams that hold what they promise."""
    # Python has None for a stream that is closed; a file opened later would get its number, and our children its text.
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        return _failed("standard output is closed")
    sys.stdout = cast(TextIO, CheckedOutput(sys.stdout))
    try:
        code = _code(main, argv)
        sys.stdout.flush()
    except BrokenPipeError:
        return NO_READER
    except InfraError as error:
        return _failed(error.message)
    return code


def _code(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    try:
        return main(argv)
    except SystemExit as stop:  # argparse: help, or words that fit nothing
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)


def _failed(why: str) -> int:
    print(f"kzram-ci: {InfraError.actor}: {why}", file=sys.stderr)
    return InfraError.exit_code
