"""Outlives kzram-ci by a moment and kills what it left behind, even after kill -9.

Run as a script of its own: `python -I -S guardian.py TOKEN`, with a pipe as standard input that only
the parent holds open. Every child of kzram-ci carries the token in its environment (`KZRAM_OWNER`), and
so do that child's children. When the pipe closes, whoever still carries the token is killed. Scanning
/proc once at the end needs no registration, hence leaves no window between fork and book-keeping.
"""

import os
import signal
import sys

VARIABLE = "KZRAM_OWNER"


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


def main(token: str) -> None:
    """Wait for the parent's end, then kill until nobody is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    for _ in range(50):  # a fork may race with the scan: repeat until a scan finds nobody
        pids = carriers(token)
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue


if __name__ == "__main__":
    main(sys.argv[1])
