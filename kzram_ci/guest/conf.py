"""The guest's configuration: `/etc/kzram/cell.conf`, lines that a shell can source. Pure."""

from __future__ import annotations

import shlex

from kzram_ci.model.cell import Cell
from kzram_ci.model.filesystem import kind_of
from kzram_ci.model.root import SERIAL
from kzram_ci.model.workload import OwnTest, WorkloadSpec

PATH = "etc/kzram/cell.conf"
TOOLS = "/usr/lib/kzram"  # in the guest: mkfs and its libraries, where no shell takes its own applet for it
TEST = "/test"  # in the guest: the files of a test that the plan brings, and its working directory
LIBRARIES = "/usr/lib/kztest"  # what its programs are linked with


def cell_conf(
    cell: Cell,
    nonce: str,
    *,
    modules: tuple[str, ...] = (),
    interactive: bool = False,
    command: str = "",
    window: tuple[int, int] | None = None,
    tags: tuple[str, ...] = (),
) -> str:
    """The configuration of one boot. `modules` are .ko paths in the initramfs, in loading order.

    With `interactive` the guest opens a shell on its console instead of running the workload. `command` is a line for
    that shell, of any length: what is typed at it is limited. `window`: rows and columns of the terminal it is on.
    `tags`: what the cell's shares are mounted by, in their order.
    """
    work = cell.workload
    if work.own is not None and not interactive:
        command = test_command(work.own, cell.seed, rooted=cell.machine.root is not None)
    stable = work.zram.stable_writes
    values = {
        "NONCE": nonce,
        "ZRAM_SIZE": f"{work.zram.size_mib}M",
        "ZRAM_ALGO": work.zram.algorithm,
        "ZRAM_STABLE_WRITES": "" if stable is None else str(int(stable)),
        "ZRAM": str(int(work.zram.present)),
        "SWAP": str(int(work.zram.swap)),
        "FAULT": str(work.fault.kind),
        "FAULT_PROBABILITY": str(work.fault.probability),
        "FAULT_INTERVAL": str(work.fault.interval),
        "FAULT_TIMES": str(work.fault.times),
        "WORKLOAD": " ".join((work.program, "--seed", str(cell.seed), *work.args)),
        "STOP": " ".join(f"{name}={bound}" for name, bound in work.stop),
        "DURATION_S": str(work.duration_s),
        "SAMPLE_MS": str(work.sample_ms),
        "READERS": str(work.readers),
        **filesystem_conf(work),
        "MODULES": " ".join(modules),
        "SHELL": str(int(interactive)),
        **({"ROOT": SERIAL} if cell.machine.root else {}),
        **({"SSH": "1"} if cell.machine.root and cell.machine.root.ssh_port else {}),
        **({"SHARES": _shares(cell, tags)} if tags else {}),
        **({"WINDOW": f"rows {window[0]} cols {window[1]}"} if window else {}),
        **({"COMMAND": command} if command else {}),
    }
    return "".join(f"{name}={quoted(value)}\n" for name, value in values.items())


def filesystem_conf(work: WorkloadSpec) -> dict[str, str]:
    """The file system on zram and the user to be; nothing where init's own defaults hold."""
    values = {"RUN_AS": str(work.uid)} if work.uid else {}
    if (spec := work.filesystem) is not None:
        kind = kind_of(spec.kind)
        words = (f"{TOOLS}/{kind.program}", *kind.words, *spec.options)
        values |= {"FS_KIND": kind.name, "FS_MKFS": " ".join(words), "FS_MOUNT": ",".join(spec.mount)}
    return values


def _shares(cell: Cell, tags: tuple[str, ...]) -> str:
    rows = zip(tags, cell.machine.shares, strict=True)
    return " ".join(f"{tag}:{'rw' if share.writable else 'ro'}:{share.mount}" for tag, share in rows)


def parked_conf(modules: tuple[str, ...] = ()) -> str:
    """The configuration of a guest that boots, loads modules, and waits for its cell."""
    return "".join(f"{name}={quoted(value)}\n" for name, value in (("MODULES", " ".join(modules)), ("PARK", "1")))


def sent(conf: str, *, seconds: int, entropy: str) -> bytes:
    """A cell's configuration as a waiting guest reads it from the control port (rootfs/src/receive.c).

    `seconds` since the epoch; `entropy` as hexadecimal digits.
    """
    text = conf.encode()
    return f"{len(text)} {seconds} {entropy}\n".encode() + text


def test_command(own: OwnTest, seed: int, *, rooted: bool = False) -> str:
    """The line for the guest's shell that runs a test of the plan's own under kztest.

    `rooted`: in a distribution's root file system, whose own libraries are the ones to use.
    """
    run = own.run or ("true",)  # what the kernel tests itself is over before init
    results = [word for name in own.results for word in ("--result", name)]
    ours = f" LD_LIBRARY_PATH={LIBRARIES} HOME=/root PATH=/bin:/usr/bin"
    variables = f"KZRAM_SEED={seed}{'' if rooted else ours}"
    # devtmpfs has none of these, and the runner of kselftest appends to /dev/stdout
    links = "ln -sf /proc/self/fd /dev/fd; for n in 0:in 1:out 2:err; do ln -sf fd/${n%:*} /dev/std${n#*:}; done"
    return f"{links}; cd {TEST} && exec env {variables} {shlex.join(('kztest', *results, '--', *run))}"


def quoted(value: str) -> str:
    """A value in single quotes, safe to source whatever it holds."""
    return "'" + value.replace("'", "'\\''") + "'"
