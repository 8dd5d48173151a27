"""A distribution's own kernel, fetched, unpacked and booted: no build anywhere."""

from pathlib import Path

import pytest
import requires
from builders import a_cell, a_kernel

from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.machine import Accel, MachineSpec
from kzram_ci.model.source import DebianSource
from kzram_ci.model.workload import WorkloadSpec, ZramSpec
from kzram_ci.run import shell
from kzram_ci.run.guest_image import rootfs_for
from kzram_ci.vm import accel

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


def test_debians_kernel_boots_with_zram_as_a_module(tmp_path: Path) -> None:
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
    deadline = Deadline.after(600)
    choice = accel.choose(Accel.AUTO, "x86_64", cache=cache_root(), deadline=deadline)
    said: list[str] = []
    words = "uname -r; cat /sys/block/zram0/queue/stable_writes /sys/block/zram0/comp_algorithm; ls -d /sys/module/zram"
    with shell.session(
        cell, image, rootfs_for("x86_64", context), directory=tmp_path, accel=choice, command=words
    ) as guest:
        code = shell.run_command(guest, seconds=600, output=said.append).code
    lines = "".join(said).split("\n")
    assert code == 0
    assert lines[0].strip() == image.release
    assert lines[1].strip() == "0"
    assert "[lz4]" in lines[2]
    assert lines[3].strip() == "/sys/module/zram"
