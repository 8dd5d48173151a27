"""MB/s of the oops parser: inside of reports, and on a clean console log beside `grep -E` over the same file.

    python bench/oops_throughput.py [--megabytes N] [--log FILE] [--reports DIR...]

Without --log a clean log is made: boot messages, network and file system chatter, audit records with headline-like
words. `grep -E` looks for the headlines only; it neither splits records nor tells what belongs together. Inside of
reports: every report of the logs in --reports (default: the project's captures), one behind the other, some 10 MB.
The processor time is given besides the wall time, since it depends less on what else the host does.
"""

import argparse
import random
import subprocess
import tempfile
import time
from pathlib import Path

from kzram_ci.oops import StreamParser, parse

GREP = (
    r"BUG: |WARNING: CPU|INFO: task |INFO: rcu|UBSAN: |general protection fault|divide error|Kernel panic"
    r"|Internal error|Unable to handle kernel|unregister_netdevice: waiting|possible (circular|recursive) locking"
)
CAPTURES = Path(__file__).parents[1] / "tests" / "golden" / "oops"
CHATTER = (
    "usb 1-1: new high-speed USB device number {n} using xhci_hcd",
    "EXT4-fs (vda{n}): mounted filesystem with ordered data mode. Quota mode: none.",
    'audit: type=1400 audit(1486238739.637:{n}): avc:  denied  {{ read }} for  pid={n} comm="sh" name="fault_info"',
    "zram: Added device: zram{n}",
    "IPv6: ADDRCONF(NETDEV_CHANGE): veth{n}: link becomes ready",
    "systemd[1]: Started Session {n} of user root, DEBUG_INFO=no.",
    "random: crng reseeded on system resumption, {n} bits",
    "device veth{n} entered promiscuous mode",
)


def clean_log(megabytes: int) -> bytes:
    """Lines a healthy kernel prints."""
    dice = random.Random(4)
    lines = []
    stamp = 0.0
    size = 0
    while size < 1 << 20:
        stamp += dice.random() / 50
        line = (
            f"[{stamp:12.6f}][ T{dice.randrange(3000):4}] "
            + dice.choice(CHATTER).format(n=dice.randrange(999))
            + "\r\n"
        )
        lines.append(line)
        size += len(line)
    return "".join(lines).encode() * megabytes


def parser_seconds(path: Path) -> tuple[float, int]:
    """Wall time of the parser, reading the file as the CLI does, and how many oopses it found."""
    begin = time.perf_counter()
    parser = StreamParser(settle=True)
    found = 0
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            found += len(parser.feed(piece))
    found += len(parser.finish())
    return time.perf_counter() - begin, found


def inside(directories: list[Path], scratch: Path) -> None:
    """Print the speed on nothing but reports."""
    reports = []
    for log in sorted(log for directory in directories for log in directory.glob("*.log")):
        text = log.read_bytes()
        reports += [oops.excerpt(text) for oops in parse(text)]
    once = b"\n".join(reports) + b"\n"
    path = scratch / "reports.log"
    path.write_bytes(once * max(1, 10_000_000 // len(once)))
    size = path.stat().st_size / 1e6
    rows = []
    for _ in range(3):
        begin = time.process_time()
        wall, found = parser_seconds(path)
        rows.append((wall, time.process_time() - begin, found))
    wall, busy, found = min(rows)
    print(f"{size:.0f} MB of reports, {len(reports)} different, {found} found")
    print(f"kzram-ci oops          {size / wall:8.1f} MB/s, {size / busy:.1f} MB a second of processor time")


def grep_seconds(path: Path, *, locale: str) -> float:
    """Wall time of grep -E in this locale."""
    begin = time.perf_counter()
    subprocess.run(
        ("grep", "-aEc", GREP, str(path)),
        env={"LC_ALL": locale, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return time.perf_counter() - begin


def main() -> None:
    """Best of three each."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--megabytes", type=int, default=200)
    arguments.add_argument("--log", type=Path)
    arguments.add_argument("--reports", type=Path, nargs="+", default=[CAPTURES], metavar="DIR")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = args.log or Path(scratch) / "clean.log"
        if args.log is None:
            path.write_bytes(clean_log(args.megabytes))
        size = path.stat().st_size / 1e6
        inside(args.reports, Path(scratch))
        results = [parser_seconds(path) for _ in range(3)]
        print(f"{size:.0f} MB, {results[0][1]} oopses")
        print(f"kzram-ci oops          {size / min(seconds for seconds, _ in results):8.0f} MB/s")
        for locale in ("C", "C.UTF-8"):
            print(
                f"grep -E ({locale:7})      {size / min(grep_seconds(path, locale=locale) for _ in range(3)):8.0f} MB/s"
            )


if __name__ == "__main__":
    main()
