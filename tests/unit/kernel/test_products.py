"""Which files of a kernel tree a build made: those, and no source, no shipped binary."""

import pytest

from kzram_ci.kernel.products import left_out, products

SOURCES = (
    "Makefile",
    ".gitignore",
    ".clang-format",
    "arch/x86/kernel/vmlinux.lds.S",
    "arch/powerpc/boot/zImage.lds.S",
    "arch/parisc/boot/compressed/vmlinux.scr",
    "include/asm-generic/vmlinux.lds.h",
    "tools/perf/util/bpf_skel/vmlinux/vmlinux.h",
    "tools/virtio/generated/autoconf.h",
    "drivers/tty/vt/defkeymap.c_shipped",
    "drivers/net/wireless/blob.o_shipped",
    "mm/.kunitconfig",
    "mm/zsmalloc.c",
    "arch/x86/entry/entry_64.S",
)


def test_source_is_not_a_product() -> None:
    assert not products(SOURCES)


@pytest.mark.parametrize(
    "name",
    [
        ".config",
        ".config.old",
        ".version",
        ".tmp_vmlinux1.o",
        "include/config/auto.conf",
        "include/generated/autoconf.h",
        "arch/x86/include/generated/asm/syscalls_64.h",
        "vmlinux",
        "vmlinux.o",
        "System.map",
        "Module.symvers",
        "modules.builtin.modinfo",
        "modules.order",
        "drivers/block/modules.order",
        "drivers/block/zram/zram.ko",
        "drivers/block/zram/zram.mod.c",
        "mm/built-in.a",
        "arch/x86/boot/bzImage",
        "arch/arm64/boot/Image.gz",
        "mm/.zsmalloc.o.cmd",
        "mm/zsmalloc.o",
        "arch/x86/entry/entry_64.o",
    ],
)
def test_a_product_beside_its_source(name: str) -> None:
    assert products({*SOURCES, name}) == {name}


def test_what_kbuild_keeps_a_command_of_is_a_product() -> None:
    made = {"scripts/basic/fixdep", "arch/x86/kernel/cpu/capflags.c", "drivers/block/zram/zram.o"}
    books = {"scripts/basic/.fixdep.cmd", "arch/x86/kernel/cpu/.capflags.c.cmd", "drivers/block/zram/.zram.o.cmd"}
    assert products({*SOURCES, *made, *books}) == made | books


def test_an_object_without_source_is_a_blob_of_the_tree() -> None:
    assert not products({*SOURCES, "drivers/vendor/blob.o", "drivers/vendor/prebuilt.a"})


def test_left_out() -> None:
    assert left_out(()) == ""
    assert left_out({"vmlinux"}) == "1 build product left out of the source: vmlinux"
    many = {f"mm/{n}.ko" for n in range(1003)}
    assert left_out(many) == "1,003 build products left out of the source: mm/0.ko, mm/1.ko, mm/10.ko and 1,000 more"
