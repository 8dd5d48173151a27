"""Outlives kzram-ci by a moment and kills what it left behind, even after kill -9.

Run as a script of its own: `python -I -S guardian.py TOKEN [DIR...]`, with a pipe as standard input that only
the parent holds open. Every child of kzram-ci carries the token in its environment (`KZRAM_OWNER`), and
so do that child's children. When the pipe closes, every process that still carries the token is killed. Scanning
/proc once at the end needs no registration, hence leaves no window between fork and book-keeping.
Temporary directories carry the token in their name, and are removed from each DIR in the same way.
"""

import os
import shutil
import signal
import sys

VARIABLE = "KZRAM_OWNER"


def prefix(token: str) -> str:
    """How the names of an owner's temporary directories begin; short, for sockets live in some of them."""
    return f"kzram-{token[:8]}-"


def carriers(token: str) -> list[int]:
    """Process ids that have the token in their environment, the guardian itself excepted."""
    wanted = f"{VARIABLE}={token}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as handle:
                if wanted in handle.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return found


def sweep(token: str, directories: list[str]) -> None:
    """Remove what is left of the owner's temporary directories."""
    for directory in directories:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for name in names:
            if name.startswith(prefix(token)):
                shutil.rmtree(f"{directory}/{name}", ignore_errors=True)


def main(token: str, directories: list[str]) -> None:
    """Wait for the parent's end, then kill until no process is left, then sweep."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    for _ in range(50):  # a fork may race with the scan: repeat until a scan finds none
        pids = carriers(token)
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
    sweep(token, directories)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
