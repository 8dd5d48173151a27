"""What QEMU may use of the host: system calls, and the rights of a user. Tried before it is relied on.

A guest that breaks out of its devices is code in QEMU's process. There it can start no program, and where root started
it, it is an ordinary user by then: QEMU opens its files first.
"""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import KzramError
from kzram_ci.model.machine import Dump, MachineSpec

Words = tuple[str, ...]

USER = "nobody"
PROOF_SECONDS = 10.0
_DENIED = "on,obsolete=deny,spawn=deny,resourcecontrol=deny"
# No change of users, which -runas is; a process that may not start a program gets no rights by that either.
_SAME_USER = (("-sandbox", f"{_DENIED},elevateprivileges=deny"),)
_OTHER_USER = tuple(
    ("-sandbox", _DENIED, *words)  # QEMU 9.1 and later has the first
    for words in (("-run-with", f"user={USER}"), ("-runas", USER))
)
_SETGID, _SETUID = 1 << 6, 1 << 7  # capabilities(7)


def confinement(qemu: str, spec: MachineSpec) -> Words:
    """The words for this host's QEMU and this machine.

    QEMU keeps its user where it opens files later: of a shared directory, of a dump; and where the plan has arguments
    of its own, that may need it. A saved guest's state is handed over open (`snapshot`).
    """
    other = may_change_user() and not (spec.shares or spec.qemu_args or spec.dump is not Dump.NEVER)
    try:
        status = Path(qemu).stat()
    except OSError:
        return ()
    return _that_works(qemu, other, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=16)
def _that_works(qemu: str, other_user: bool, stamp: tuple[int, ...]) -> Words:
    """The first words under which this QEMU starts and ends on this host."""
    return next((words for words in (*(_OTHER_USER if other_user else ()), *_SAME_USER) if _works(qemu, words)), ())


def _works(qemu: str, words: Words) -> bool:
    empty = ("-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "stdio")
    try:
        deadline = Deadline.after(PROOF_SECONDS)
        return proc.run((qemu, *empty, *words), deadline=deadline, input=b"quit\n", check=False).code == 0
    except KzramError:
        return False


def may_change_user(status: Path = Path("/proc/self/status"), uid_map: Path = Path("/proc/self/uid_map")) -> bool:
    """Whether this is root, and can become the other user: some containers know one user only."""
    if os.geteuid() != 0:
        return False
    with suppress(OSError, LookupError, ValueError, StopIteration):
        uid = pwd.getpwnam(USER).pw_uid
        line = next(line for line in status.read_text().splitlines() if line.startswith("CapEff:"))
        rights = int(line.split()[1], 16)
        known = [[int(word) for word in row.split()] for row in uid_map.read_text().splitlines()]
        mapped = any(first <= uid < first + count for first, _, count in known)
        return mapped and rights & _SETUID != 0 and rights & _SETGID != 0
    return False
