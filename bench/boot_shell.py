"""How soon does `kzram-ci boot KERNEL -- true` give a shell and end, next to QEMU alone with the same machine?

    python bench/boot_shell.py [--kernel stock] [--rounds 5]

Needs the kernel in the cache. In turn: the command; and QEMU with the same kernel and machine, and busybox's poweroff
as init. Printed are medians: until QEMU starts, until the guest says ready, until the command ends, and QEMU alone
from its start to its end. What the command takes longer is kzram-ci's own work and that of its init.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.guest import cpio
from kzram_ci.model.layout import CellFile
from kzram_ci.vm import by_hand

SECONDS = 120.0
POWER_OFF = b"#!/bin/sh\n/bin/busybox poweroff -f\n/bin/busybox reboot -f\n"


def ours(kernel: str, place: Path) -> tuple[float, float, float]:
    """Seconds until QEMU starts, until init says that it is ready, and until the end."""
    began = clock.monotonic()
    argv = (sys.executable, "-m", "kzram_ci", "boot", "--directory", str(place), kernel, "--", "true")
    child = proc.spawn(argv)
    seen = {"console": 0.0, "ready": 0.0}
    until = Deadline.after(SECONDS)
    console, control = place / CellFile.CONSOLE, place / CellFile.CONTROL
    while child.poll() is None and not until.expired():
        now = clock.monotonic() - began
        if not seen["console"] and console.exists():
            seen["console"] = now
        if not seen["ready"] and control.exists() and b'"ready"' in control.read_bytes():
            seen["ready"] = now
        clock.sleep(0.005)
    code = proc.wait(child, argv, until)
    if code:
        raise SystemExit(f"kzram-ci boot {kernel} ended with {code}")
    return seen["console"], seen["ready"], clock.monotonic() - began


def alone(place: Path) -> float:
    """Seconds that QEMU takes with the same kernel, and busybox as all of its initramfs."""
    words = shlex.split(by_hand.exact((place / CellFile.QEMU_ARGV).read_text()))
    kept = ("-machine", "-accel", "-cpu", "-smp", "-m", "-kernel", "-append")
    machine = [word for name in kept for word in (name, words[words.index(name) + 1])]
    busybox = Path(proc.which("busybox")).read_bytes()
    entries = [cpio.directory(f"/{name}", 0o755) for name in ("bin", "dev", "proc")]
    entries += [cpio.node("/dev/console", "c", (5, 1), 0o600), cpio.regular("bin/busybox", busybox, 0o755)]
    entries += [cpio.symlink("bin/sh", "busybox"), cpio.regular("init", POWER_OFF, 0o755)]
    (place / "alone.cpio").write_bytes(cpio.pack(entries))
    files = ("-initrd", str(place / "alone.cpio"), "-serial", f"file:{place / 'alone.log'}")
    argv = (words[0], "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", *machine, *files)
    began = clock.monotonic()
    proc.run(argv, deadline=Deadline.after(SECONDS))
    return clock.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="stock")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rows = []
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory(prefix="kzram-boot.") as scratch:
            rows.append((*ours(args.kernel, Path(scratch)), alone(Path(scratch))))
        print(
            "round {}: QEMU starts after {:.2f} s, ready {:.2f} s, ended {:.2f} s; QEMU alone {:.2f} s".format(
                number + 1, *rows[-1]
            ),
            flush=True,
        )
    names = ("qemu_starts_s", "ready_s", "ended_s", "qemu_alone_s")
    print(
        json.dumps(
            {
                name: round(statistics.median(column), 2)
                for name, column in zip(names, zip(*rows, strict=True), strict=True)
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
