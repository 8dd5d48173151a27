"""A distribution's own kernel, fetched, unpacked and booted: no build anywhere."""

import json
from pathlib import Path

import pytest
import requires
from builders import a_cell, a_kernel

from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import Accel, MachineSpec
from kzram_ci.model.source import DebianSource
from kzram_ci.model.workload import WorkloadSpec, ZramSpec
from kzram_ci.run import shell
from kzram_ci.run.guest_image import rootfs_for
from kzram_ci.vm import accel

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


def run(words: str, where: Path) -> tuple[int | None, list[str], KernelImage]:
    """A command on Debian 12's own kernel, with zram as swap: its exit code, its lines, the kernel."""
    ref = DebianSource(package="linux-image-cloud-amd64", suite="bookworm")
    spec = a_kernel("debian", source=ref)
    context = KernelContext(deadline=Deadline.after(600))
    try:
        image = image_for(spec, context)
    except InfraError as error:
        requires.lacking("network", str(error))
    machine = MachineSpec(memory_mib=256, disk_mib=64, boot_seconds=300)
    work = WorkloadSpec(program="shell", zram=ZramSpec(size_mib=64, algorithm="lz4", stable_writes=False))
    cell = a_cell("boot", kernel=spec, machine=machine, workload=work)
    choice = accel.choose(Accel.AUTO, "x86_64", cache=cache_root(), deadline=Deadline.after(600))
    said: list[str] = []
    with shell.session(
        cell, image, rootfs_for("x86_64", context), directory=where, accel=choice, command=words
    ) as guest:
        code = shell.run_command(guest, seconds=600, output=said.append).code
    return code, [line.strip() for line in "".join(said).split("\n")], image


def test_debians_kernel_boots_with_zram_as_a_module(tmp_path: Path) -> None:
    words = "uname -r; cat /sys/block/zram0/queue/stable_writes /sys/block/zram0/comp_algorithm; ls -d /sys/module/zram"
    code, lines, image = run(words, tmp_path)
    assert code == 0
    assert lines[0] == image.release
    assert lines[1] == "0"
    assert "[lz4]" in lines[2]
    assert lines[3] == "/sys/module/zram"


def test_a_memory_cgroup_forces_pages_out_in_place_of_madvise(tmp_path: Path) -> None:
    """memory.reclaim, which Linux has since 5.19; what reclaim keeps or drops, every page is what its owner wrote."""
    words = "anonmutate --evict memcg --pages 2048 --mutators 2 --duration 4; grep -E '^(pswpout|pswpin) ' /proc/vmstat"
    code, lines, _ = run(words, tmp_path)
    assert code == 0
    told = [json.loads(line) for line in lines if line.startswith("{")]
    assert told[0] == {"ev": "note", "text": "evicting by memory cgroup (memory.reclaim)"}
    assert told[-1]["corrupt"] == 0
    assert told[-1]["mutated"] > 0
    swapped = {name: int(number) for name, _, number in (line.partition(" ") for line in lines[-3:]) if number}
    assert swapped["pswpout"] >= 2048
