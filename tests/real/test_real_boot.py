"""Real QEMU, real kernel, a tiny initramfs: every way in which a boot ends.

KZRAM_TEST_KERNEL names a bootable image to use instead of building `stock`.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import requires
from builders import a_cell, a_rootfs, a_workload, an_image
from tiny_initramfs import tiny_initramfs

from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.cli.main import main
from kzram_ci.model.events import silent
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import Accel, AccelChoice, MachineSpec
from kzram_ci.oops.capture import CONSOLE, NO_DEBUG_INFO, NO_VMLINUX
from kzram_ci.run import boot
from kzram_ci.vm import accel

pytestmark = pytest.mark.real
Boot = Callable[..., Evidence]


@pytest.fixture(scope="module")
def image() -> KernelImage:
    if ready := os.environ.get("KZRAM_TEST_KERNEL"):
        return an_image("test", image=ready)
    from kzram_ci.base.library import Library
    from kzram_ci.kernel.workshop import KernelContext, image_for
    from kzram_ci.plan.kernels import load_kernel

    return image_for(load_kernel("stock", Library()), KernelContext())


@pytest.fixture(scope="module")
def choice() -> AccelChoice:
    return accel.choose(Accel.AUTO, "x86_64", cache=cache_root(), deadline=Deadline.after(60))


@pytest.fixture
def boot_it(tmp_path: Path, image: KernelImage, choice: AccelChoice) -> Boot:
    rootfs = a_rootfs(path=str(tiny_initramfs(tmp_path / "tiny.cpio")))

    def run(program: str, *, machine: MachineSpec | None = None, duration_s: int = 60) -> Evidence:
        work = a_workload(program=program, duration_s=duration_s)
        return boot.boot_once(
            a_cell(machine=machine or MachineSpec(memory_mib=256), workload=work),
            image,
            rootfs,
            directory=tmp_path / "cells, with a comma",
            accel=choice,
            deadline=Deadline.after(300),
            listener=silent,
        )

    return run


def test_a_good_boot(boot_it: Boot) -> None:
    evidence = boot_it("ok")
    assert (evidence.booted, evidence.ready, evidence.exit_code, evidence.qemu_exit) == (True, True, 0, 0)
    assert evidence.counters == {"vmstat.pswpout": 7}
    assert evidence.oopses == ()
    assert not evidence.panicked
    assert "Power down" in evidence.last_line


def test_a_boot_under_kvm(boot_it: Boot, choice: AccelChoice) -> None:
    if choice.accel is not Accel.KVM:
        requires.lacking("kvm", choice.why)
    evidence = boot_it("ok")
    assert (evidence.ready, evidence.exit_code) == (True, 0)


def test_a_crash_ends_the_cell_with_its_whole_report(boot_it: Boot, tmp_path: Path) -> None:
    evidence = boot_it("crash")
    assert evidence.panicked
    assert evidence.qemu_exit == 0
    assert evidence.exit_code is None
    assert not evidence.deadline_hit
    (oops,) = evidence.oopses
    assert "sysrq" in oops.title
    decoded, _, console = (tmp_path / "cells, with a comma" / oops.file).read_text(errors="replace").partition(CONSOLE)
    assert "sysrq_handle_crash" in console
    assert "  sysrq_handle_crash+0x" in decoded
    assert decoded.splitlines()[-1] in (NO_DEBUG_INFO, NO_VMLINUX)  # a build with DWARF takes too long for a test


def test_a_hanging_guest_is_asked_for_its_state(boot_it: Boot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "WORK_MARGIN_SECONDS", 1.0)
    evidence = boot_it("hang", duration_s=1)
    assert evidence.deadline_hit
    assert evidence.ready
    assert evidence.oopses == ()  # the stacks we asked for are no complaint of the kernel's
    console = (tmp_path / "cells, with a comma" / "console.log").read_text(errors="replace")
    for answer in ("Show backtrace of all active CPUs", "Show Memory", "Show State", "Show Blocked State"):
        assert f"sysrq: {answer}" in console
    assert "RIP=" in (tmp_path / "cells, with a comma" / "hang-registers.txt").read_text()


def test_a_flood_is_stopped(boot_it: Boot) -> None:
    evidence = boot_it("flood", machine=MachineSpec(memory_mib=256, console_limit_mib=1))
    assert evidence.flooded
    assert 1 << 20 < evidence.console_bytes < 8 << 20


def test_a_guest_that_leaves_without_a_word(boot_it: Boot) -> None:
    evidence = boot_it("lost")
    assert evidence.ready
    assert evidence.exit_code is None
    assert evidence.qemu_exit == 0


def test_a_scratch_disk_can_be_read(boot_it: Boot, tmp_path: Path) -> None:
    assert boot_it("disk", machine=MachineSpec(memory_mib=256, disk_mib=64)).counters["disk"] == 1
    assert not (tmp_path / "cells, with a comma" / "disk.img").exists()


@pytest.mark.parametrize(
    ("line", "code", "output"),
    [("uname -s; (exit 9)", 9, "Linux\n"), ("printf 'no newline'; exit 7", 7, "no newline")],
)
def test_a_command_in_the_guest(
    image: KernelImage, tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str, code: int, output: str
) -> None:
    rootfs = tiny_initramfs(tmp_path / "tiny.cpio")
    assert main(["boot", "--rootfs", str(rootfs), image.image, "--", line]) == code
    assert capfd.readouterr().out == output


def test_a_command_that_kills_the_guest(image: KernelImage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rootfs = tiny_initramfs(tmp_path / "tiny.cpio")
    assert main(["boot", "--rootfs", str(rootfs), image.image, "--", "echo c >/proc/sysrq-trigger"]) == 1
    told = capfd.readouterr()
    assert "sysrq: Trigger a crash" in told.out  # the console, as long as it goes on
    assert "kzram-ci: kernel panic: sysrq triggered crash" in told.err
    assert "\nall of it: " in told.err
