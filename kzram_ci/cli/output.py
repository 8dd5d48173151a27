"""Standard output and error of a command: what cannot be written is one line and an exit code, never a traceback."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from kzram_ci.base.errors import InfraError
from kzram_ci.base.escaped import escaped
from kzram_ci.base.values import dataclass
from kzram_ci.cli.unhurried import Unhurried


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """A terminal to write to. `styled`: colours, bold text and a moving cursor are welcome."""

    width: int
    styled: bool


def terminal_of(stream: IO[str]) -> Terminal | None:
    """The terminal behind a stream, None for a file or a pipe. $NO_COLOR (as no-color.org has it) means no escapes."""
    if not stream.isatty():
        return None
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Terminal(width=shutil.get_terminal_size().columns, styled=not plain)


@contextmanager
def guarded() -> Iterator[None]:
    """Run a command: what it writes is at its place when the block ends.

    Raises InfraError when standard output is closed, full or broken, BrokenPipeError when its reader left.
    """
    closed = sys.stdout is None
    _fill_standard_descriptors()
    out, err = sys.stdout, sys.stderr
    silent = _Silent(err if err is not None else io.StringIO())
    sys.stderr = cast(Any, silent)
    try:
        if closed:
            raise InfraError("standard output is closed")
        sys.stdout = cast(Any, _Output(out))
        try:
            yield
        finally:
            _last_flush(sys.stdout)
    finally:
        silent.close_writer()
        sys.stdout, sys.stderr = out, err


def tell(line: str) -> None:
    """A line on standard error, if there is one."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(escaped(line), file=sys.stderr)


def _fill_standard_descriptors() -> None:
    """What was closed becomes /dev/null: else the next file that is opened would be a child's standard output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _last_flush(stream: IO[str]) -> None:
    try:
        stream.flush()
    except (InfraError, BrokenPipeError):
        # The interpreter flushes once more at its end; what could not be written then goes nowhere.
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        raise


class _Output:
    """Standard output with errors that have a name."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with _named_errors():
            return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        with _named_errors():
            self._stream.writelines(lines)

    def flush(self) -> None:
        with _named_errors():
            self._stream.flush()


class _Silent(_Output):
    """Standard error: when it is broken there is no other place to say so; when its reader stalls, nothing waits."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream)
        self._writer: Unhurried | None = None
        with suppress(OSError, ValueError):  # a file object without a descriptor does not stall
            stream.flush()
            self._writer = Unhurried(stream.fileno())

    def write(self, text: str) -> int:
        if self._writer is not None:
            self._writer.write(text.encode(getattr(self._stream, "encoding", None) or "utf-8", "backslashreplace"))
            return len(text)
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def close_writer(self) -> None:
        """The end of the command: what waits is written, unless its reader stalls."""
        if self._writer is not None:
            self._writer.close()

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InfraError(f"cannot write to standard output: {error.strerror or error}") from error
    except ValueError as error:  # the file object was closed
        raise InfraError(f"cannot write to standard output: {error}") from error
