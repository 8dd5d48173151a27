"""Boots kernels in QEMU, makes each print one report, and keeps the console as a golden fixture.

    python tests/capture_oops.py --kernel obj/arch/x86/boot/bzImage [--only NAME...]

The kernel: any 6.12 with debugfs and serial console; shots of LKDTM need CONFIG_LKDTM and the checker they set off,
own shots tests/golden/oops/shots.c (README.md there says how to build all of it). A shot that printed no report is said
so and not kept. Afterwards `KZRAM_REWRITE_GOLDEN=1 pytest tests/unit/oops/test_golden.py` writes the expected answers;
the review reads them.
"""

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from kzram_ci.oops import parse

GOLDEN = Path(__file__).parent / "golden" / "oops"
SECONDS = 180  # of host time for one boot; TCG is slow, and so are the sanitizers
# a worker that hogs its CPU shall be noticed by nobody else, and not be helped out (kernel/workqueue.c, since 6.5)
ONLY_WORKQUEUES = " ".join(
    (
        "workqueue.watchdog_thresh=5",
        "workqueue.panic_on_stall=2",
        "workqueue.cpu_intensive_thresh_us=0",
        "sysctl.kernel.hung_task_timeout_secs=0",
        "nosoftlockup",
    )
)
NO_STALL = "rcupdate.rcu_cpu_stall_suppress=1"

# fixture name -> (shot for provoke.c, more of the kernel command line)
SHOTS = {
    "bug": ("lkdtm:BUG", ""),
    "warning": ("lkdtm:WARNING", ""),
    "warning-panic": ("lkdtm:WARNING_MESSAGE", "panic_on_warn=1"),
    "access-null": ("lkdtm:ACCESS_NULL", ""),
    "exception": ("lkdtm:EXCEPTION", ""),
    "list-add": ("lkdtm:CORRUPT_LIST_ADD", ""),
    "list-del": ("lkdtm:CORRUPT_LIST_DEL", ""),
    "refcount-zero": ("lkdtm:REFCOUNT_INC_ZERO", ""),
    "refcount-overflow": ("lkdtm:REFCOUNT_ADD_OVERFLOW", ""),
    "kasan-read-after-free": ("lkdtm:READ_AFTER_FREE", ""),
    "kasan-out-of-bounds": ("lkdtm:SLAB_LINEAR_OVERFLOW", ""),
    "ubsan-bounds": ("lkdtm:ARRAY_BOUNDS", ""),
    "usercopy": ("lkdtm:USERCOPY_SLAB_SIZE_TO", ""),
    "stack-overflow": ("lkdtm:EXHAUST_STACK", ""),
    "kasan-stack": ("lkdtm:REPORT_STACK_CANARY", ""),
    "double-free": ("lkdtm:SLAB_FREE_DOUBLE", ""),
    "lock-left-held": ("lkdtm:SPINLOCKUP", "nosoftlockup"),
    "general-protection": ("own:gpf", ""),
    "paging-fault": ("own:paging", ""),
    "divide-error": ("own:divide", ""),
    "lockdep-circular": ("own:circular", ""),
    "lockdep-inconsistent": ("own:inconsistent", ""),
    "unlock-balance": ("own:unlock", ""),
    "sleep-under-spinlock": ("own:sleep", ""),
    "schedule-in-atomic": ("own:schedule", ""),
    "preemptible": ("own:preempt", ""),
    "rcu-unprotected": ("own:rcu", ""),
    "rcu-sleep": ("own:rcu-sleep", ""),
    "two-cpus": ("own:together", ""),
    "workqueue-lockup": ("own:workqueue", f"{ONLY_WORKQUEUES} {NO_STALL}"),
    "hard-lockup": ("own:irqs-off", f"nmi_watchdog=panic watchdog_thresh=4 {NO_STALL}"),
    "hung-task": ("lkdtm:HUNG_TASK", "hung_task_panic=1"),
    "soft-lockup": ("lkdtm:SOFTLOCKUP", f"watchdog_thresh=4 softlockup_panic=1 {NO_STALL}"),
    "rcu-stall": ("lkdtm:SOFTLOCKUP", "nosoftlockup sysctl.kernel.panic_on_rcu_stall=1"),
    "panic": ("lkdtm:PANIC", ""),
    "sysrq-crash": ("sysrq:c", ""),
    "oom-panic": ("oom", ""),
    "init-exits": ("exit", ""),
    "no-root": ("", "root=/dev/vda rdinit=/nothing"),
}


def cpio(files: dict[str, bytes]) -> bytes:
    """An initramfs (newc) of executables."""
    out = io.BytesIO()
    for number, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")]):
        fields = (number, 0o100755, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out.write(b"070701" + b"".join(b"%08X" % value for value in fields) + name.encode() + b"\0")
        out.write(b"\0" * (-out.tell() % 4) + data)
        out.write(b"\0" * (-out.tell() % 4))
    return out.getvalue()


def build_init(directory: Path) -> bytes:
    """Compile provoke.c statically."""
    target = directory / "init"
    subprocess.run(("gcc", "-static", "-Os", "-Wall", "-o", target, GOLDEN / "provoke.c"), check=True)
    return target.read_bytes()


def boot(kernel: Path, initrd: Path, shot: str, more: str, console: Path) -> None:
    """One boot, ended by the guest's own panic or reboot, or by the clock."""
    base = "console=ttyS0 tsc=reliable no_timer_check oops=panic panic=-1 quiet"
    words = f"{base} shot={shot} {more}" if shot else f"{base} {more}"
    # two sockets: without ACPI the kernel counts CPUs by the MP table, which lists the first of each socket only
    argv = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-smp", "2,sockets=2", "-cpu", "max"]
    argv += ["-m", "512", "-nodefaults", "-no-reboot", "-display", "none"]
    argv += ["-kernel", str(kernel), "-initrd", str(initrd)]
    try:
        subprocess.run((*argv, "-append", words, "-serial", f"file:{console}"), timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"  no end in {SECONDS} s\n")


def main() -> int:
    """Capture all shots or the named ones; 1 if one printed nothing."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--kernel", type=Path, required=True)
    arguments.add_argument("--source", type=Path, help="its source tree: this prefix of paths is no part of a fixture")
    arguments.add_argument("--out", type=Path, default=GOLDEN)
    arguments.add_argument("--only", nargs="*", choices=sorted(SHOTS), default=list(SHOTS))
    args = arguments.parse_args()
    tree = f"{args.source.resolve()}/".encode() if args.source else b"\0" * 64
    missed = []
    with tempfile.TemporaryDirectory() as scratch:
        initrd = Path(scratch) / "initrd"
        initrd.write_bytes(cpio({"init": build_init(Path(scratch))}))
        for name in args.only:
            console = Path(scratch) / f"{name}.log"
            console.touch()
            boot(args.kernel, initrd, *SHOTS[name], console)
            found = parse(console)
            sys.stderr.write(f"{name}: {', '.join(oops.title for oops in found) or 'NO REPORT'}\n")
            if found:
                (args.out / f"{name}.log").write_bytes(console.read_bytes().replace(tree, b""))
            else:
                missed.append(name)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
