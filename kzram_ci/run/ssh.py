"""A second way into a guest with a distribution's root: its own sshd, on this host's loopback and nowhere else."""

from __future__ import annotations

import os
import shlex
import socket
from pathlib import Path

from kzram_ci.base import files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.values import dataclass

FRAGMENT = "net"  # what a kernel that is built must be configured with
PLACE = "etc/kzram/ssh"  # in the guest
KEYGEN_SECONDS = 60.0
# No password opens it, and the keys are of this boot alone. StrictModes: the files are the archive's, not a home's.
CONFIG = f"""\
HostKey /{PLACE}/host_key
AuthorizedKeysFile /{PLACE}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
Subsystem sftp internal-sftp
SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/kzram
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A port of the host's loopback, and the keys of both sides in a directory."""

    port: int
    directory: Path

    @property
    def guest_files(self) -> dict[str, bytes]:
        """What sshd needs, by path in the guest."""
        held = {"host_key": "host_key", "authorized_keys": "key.pub"}
        found = {f"{PLACE}/{name}": (self.directory / file).read_bytes() for name, file in held.items()}
        return {**found, f"{PLACE}/sshd_config": CONFIG.encode()}

    def options(self) -> tuple[str, ...]:
        """For ssh, and with -P in place of -p for scp: this key, and this very host."""
        words = (
            "IdentitiesOnly=yes",
            f"UserKnownHostsFile={self.directory / 'known_hosts'}",
            "StrictHostKeyChecking=yes",
        )
        return ("-F", "none", "-i", str(self.directory / "key"), *(each for word in words for each in ("-o", word)))

    def argv(self, *more: str) -> tuple[str, ...]:
        """The command that opens a shell; with a word behind it, one that runs a line."""
        return ("ssh", "-p", str(self.port), *self.options(), *more, "root@127.0.0.1")

    def line(self) -> str:
        """As `argv`, for a person."""
        return shlex.join(self.argv())


def make(directory: Path) -> Door:
    """Fresh keys, and a port that is free now. Raises UserError (no ssh-keygen), InfraError."""
    place = directory / "ssh"
    with files.disk_errors(f"cannot write {place}"):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("host_key", "key"):
            for file in (place / name, place / f"{name}.pub"):
                file.unlink(missing_ok=True)
    keygen = proc.which("ssh-keygen")
    for name in ("host_key", "key"):
        words = (keygen, "-q", "-t", "ed25519", "-N", "", "-C", "kzram-ci", "-f", str(place / name))
        proc.run(words, deadline=Deadline.after(KEYGEN_SECONDS))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with files.disk_errors(f"cannot write {place}"):
        kind, key = (place / "host_key.pub").read_text().split()[:2]
        (place / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
        os.chmod(place / "key", 0o600)
    return Door(port=port, directory=place)
