"""The command behind an error, and all it printed, in a log: the message itself has room for the reason only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.errors import InfraError, KzramError, command_behind


@contextmanager
def transcript_in(log: Path) -> Iterator[None]:
    """Write the failed command behind an error of the block to `log`, unless the error has a log already."""
    try:
        yield
    except KzramError as error:
        failed = command_behind(error)
        if failed is not None and not error.log and _written(log, failed.transcript()):
            error.log = str(log)
        raise


def _written(log: Path, text: str) -> bool:
    try:
        files.write_atomic(log, text)
    except InfraError:
        return False  # a full disk may well be the error that is reported
    return True
