"""Tar files of kernel source: unpacked, or asked for one file."""

from __future__ import annotations

from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline

# --force-local: a name with a colon is a file, not the host of a remote shell.
_TAR = ("tar", "--force-local", "-x")
# Suffix -> the program that unpacks it, for tar's -I. Others are left to tar to guess.
_PROGRAMS = {".xz": "xz -T0", ".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd"}


def unpack(archive: Path, target: Path, deadline: Deadline) -> None:
    """What lies below the archive's one top directory, into `target`. Raises CommandFailed."""
    options = ("-C", str(target), "--strip-components=1", "--no-same-owner")
    proc.run((*_TAR, *_program(archive), "-f", str(archive), *options), deadline=deadline)


def read_one(archive: Path, pattern: str, deadline: Deadline) -> str:
    """The first file that matches; tar stops reading once it has it, which costs less than unpacking.

    Raises CommandFailed when there is none, or the archive is not one.
    """
    options = ("--occurrence=1", "--wildcards", "--no-wildcards-match-slash", pattern)
    return proc.run((*_TAR, "-O", *_program(archive), "-f", str(archive), *options), deadline=deadline).text()


def _program(archive: Path) -> tuple[str, ...]:
    program = _PROGRAMS.get(archive.suffix)
    return ("-I", program) if program else ()
