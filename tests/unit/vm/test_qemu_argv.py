"""Command lines are pinned by golden files; KZRAM_REWRITE_GOLDEN=1 rewrites them, review reads the diff."""

import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.model.arch import ARCHS, arch_of
from kzram_ci.model.machine import Accel, MachineSpec, Share
from kzram_ci.vm.argv import CellPaths, argv, cmdline_of, first_line_argv, tiny_guest_argv

GOLDEN = Path(__file__).parents[2] / "golden" / "argv"
PATHS = CellPaths(qmp="/s/qmp", control="/s/control", serial="/s/serial", console="/runs/a,b/console.log")
WITH_DISK = CellPaths(qmp="/s/qmp", control="/s/control", serial="/s/serial", console="/c/console.log", disk="/c/d.img")


def full(spec: MachineSpec, accel: Accel, paths: CellPaths = PATHS) -> tuple[str, ...]:
    return argv(spec, accel, kernel="/k/image", initrd="/c/initrd.img", paths=paths)


BIG = MachineSpec(
    cpus=4, memory_mib=4096, disk_mib=64, cmdline=("panic=0", "quiet"), qemu_args=("-device", "virtio-rng-pci")
)
SHARING = MachineSpec(
    shares=(Share(directory="/home/a,b", mount="/mnt/a"), Share(directory="/src", mount="/mnt/src", writable=True))
)
CASES = {
    "x86_64-tcg": full(MachineSpec(), Accel.TCG),
    "x86_64-kvm": full(MachineSpec(), Accel.KVM),
    "x86_64-kvm-plain": argv(
        MachineSpec(), Accel.KVM, kernel="/k/image", initrd="/c/initrd.img", paths=PATHS, cpu="kvm64"
    ),
    "x86_64-everything": full(BIG, Accel.TCG, WITH_DISK),
    "x86_64-stdin": full(MachineSpec(), Accel.TCG, replace(PATHS, stdin="/s/stdin")),
    "x86_64-shares": full(SHARING, Accel.TCG),
    "x86_64-root": full(MachineSpec(), Accel.TCG, replace(PATHS, root="/r/a,b.qcow2", root_format="qcow2")),
    "x86_64-gdb": full(MachineSpec(), Accel.TCG, replace(PATHS, gdb="/s/gdb")),
    "arm64-tcg": full(MachineSpec(arch="arm64"), Accel.TCG),
    "riscv64-tcg": full(MachineSpec(arch="riscv64"), Accel.TCG),
    "i386-tcg": full(MachineSpec(arch="i386"), Accel.TCG),
    "tiny-guest-kvm": tiny_guest_argv(arch_of("x86_64"), Accel.KVM, "/t/rom"),
    "first-line-kvm-arm64": first_line_argv(arch_of("arm64"), Accel.KVM, "/k/Image"),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_golden(name: str) -> None:
    shown = "".join(shlex.quote(word) + "\n" for word in CASES[name])
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("KZRAM_REWRITE_GOLDEN"):
        path.write_text(shown)
    assert shown == path.read_text()


def test_no_golden_file_is_forgotten() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("row", ARCHS, ids=lambda row: row.name)
def test_nothing_listens_on_a_network(row: object) -> None:
    for words in CASES.values():
        joined = " ".join(words)
        assert not any(word in joined for word in ("tcp:", "host=", "port=1", "hostfwd", "-vnc", "-net", "telnet"))


def test_the_plans_words_come_after_ours_so_that_they_win() -> None:
    words = cmdline_of(BIG, Accel.TCG)
    assert words[-2:] == ("panic=0", "quiet")
    assert words.index("panic=-1") < words.index("panic=0")


def test_timer_words_are_for_emulation_only() -> None:
    assert "no_timer_check" in cmdline_of(MachineSpec(), Accel.TCG)
    assert "no_timer_check" not in cmdline_of(MachineSpec(), Accel.KVM)


def test_a_comma_in_a_path_is_no_separator() -> None:
    assert "logfile=/runs/a,,b/console.log," in " ".join(CASES["x86_64-tcg"])


def test_unknown_architecture_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"unknown architecture 'vax'.*x86_64, arm64, riscv64"):
        arch_of("vax")
