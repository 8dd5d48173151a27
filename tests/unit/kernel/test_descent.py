"""Which directories of an object tree make may stay out of, and that it does."""

import os
import subprocess
from pathlib import Path

import pytest

from kzram_ci.kernel.kbuild import descent

# directory: what its .cmd files say that they were made of
TREE = {
    ".": {".vmlinux.cmd": ""},
    "kernel": {".fork.o.cmd": "../kernel/fork.c ../include/linux/swap.h", ".bounds.s.cmd": "../include/linux/bounds.h"},
    "mm": {".zsmalloc.o.cmd": "../mm/zsmalloc.c ../include/linux/zsmalloc.h", ".memory.o.cmd": "../mm/memory.c"},
    "drivers": {},
    "drivers/block": {".brd.o.cmd": "../drivers/block/brd.c ../include/linux/bounds.h"},
    "drivers/block/zram": {".zram_drv.o.cmd": "../drivers/block/zram/zram_drv.c ../include/linux/zsmalloc.h"},
    "drivers/media": {},
    "drivers/media/i2c": {},
    "arch/x86": {},
    "arch/x86/entry": {".entry.o.cmd": "../arch/x86/entry/entry.S ../include/linux/swap.h"},
    "lib": {".kobject.o.cmd": "../lib/kobject.c ../include/linux/kobject.h"},
}
OTHERS = {
    "include/generated": {".asm.h.cmd": "../kernel/table.h"},
    "arch/x86/include/generated/asm": {".syscalls_64.h.cmd": "../arch/x86/entry/syscalls/syscall_64.h"},
    "scripts/mod": {".modpost.o.cmd": "../include/linux/license.h"},
    "tools/objtool": {".check.o.cmd": "../lib/insn.c"},
    "arch/x86/tools": {".vdso2c.cmd": "../include/uapi/linux/note.h"},  # by which arch/x86/entry/vdso makes its image
}
ENTER = "build := -f $(srctree)/scripts/Makefile.build obj"
ALL = frozenset(TREE) - {"."}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for where, made in {**TREE, **OTHERS}.items():
        directory = tmp_path / where
        directory.mkdir(parents=True, exist_ok=True)
        if where in TREE:
            (directory / "built-in.a").write_bytes(b"!<arch>\n")
        for name, sources in made.items():
            (directory / name).write_text(f"savedcmd_x := gcc\n\ndeps_x := \\\n  {sources} \\\n")
    (tmp_path / "source").symlink_to("..")
    (tmp_path / "scripts/Kbuild.include").write_text(f"squote := '\n{ENTER}\nclean := -f x obj\n")
    return tmp_path


def entered(out: Path, *changed: str) -> set[str]:
    return set(ALL - descent.idle(out, out, changed))


def those(*directories: str) -> set[str]:
    """And those that may hold files of the host, with what is above them."""
    return {*directories, "lib", "drivers"}


def test_where_nothing_changed_nearly_nothing_is_entered(out: Path) -> None:
    assert entered(out) == those()


def test_where_a_config_names_files_of_the_host_is_always_entered(out: Path) -> None:
    """Their paths are in no list of changes: CONFIG_ACPI_CUSTOM_DSDT_FILE, CONFIG_CFG80211_EXTRA_REGDB_KEYDIR."""
    host = ("drivers/acpi", "drivers/video/logo", "drivers/firmware/efi/libstub", "net/wireless", "usr", "certs")
    for where in (*host, "net/core", "drivers/acpi/acpica"):
        (out / where).mkdir(parents=True)
        (out / where / "built-in.a").touch()
    idle = descent.idle(out, out, ["mm/zsmalloc.c"])
    assert not {*host, "drivers/firmware/efi", "net"} & idle
    assert {"net/core", "drivers/acpi/acpica"} <= idle


@pytest.mark.parametrize("line", ["build := -C $(srctree) -f scripts/Makefile.build obj", ""])
def test_a_kbuild_that_enters_directories_in_another_way_enters_all(out: Path, line: str) -> None:
    (out / "scripts/Kbuild.include").write_text(f"{line}\n")
    assert entered(out) == ALL
    (out / "scripts/Kbuild.include").unlink()
    assert entered(out) == ALL


def test_a_source_is_looked_for_in_its_own_directory(out: Path) -> None:
    assert entered(out, "mm/zsmalloc.c") == those("mm")
    assert entered(out, "drivers/block/zram/zram_drv.c") == those("drivers/block", "drivers/block/zram")
    assert entered(out, "drivers/block/zram/fresh.c") == those("drivers/block", "drivers/block/zram")


def test_a_header_is_looked_for_wherever_it_was_read(out: Path) -> None:
    assert entered(out, "include/linux/zsmalloc.h") == those("mm", "drivers/block", "drivers/block/zram")
    assert entered(out, "include/linux/swap.h") == those("kernel", "arch/x86", "arch/x86/entry")
    assert entered(out, "include/linux/nobody.h") == those()


def test_a_name_is_not_the_end_of_another_name(out: Path) -> None:
    (out / "lib/.x.o.cmd").write_text("../lib/submm/zsmalloc.c\n")
    assert entered(out, "mm/zsmalloc.c") == those("mm")


@pytest.mark.parametrize(
    "spelled",
    [
        "../mm/kasan/../slab.h",
        "../arch/x86/../../mm/./slab.h",
        "/src/linux/mm/kasan/../slab.h",
        "../mm/./slab.h",
        "../mm//slab.h",
    ],
)
def test_a_header_is_found_by_a_roundabout_way(out: Path, spelled: str) -> None:
    """As kbuild writes down what `#include "../slab.h"` means."""
    (out / "arch/x86/entry/.init.o.cmd").write_text(
        f"savedcmd_arch/x86/entry/init.o := gcc\n\ndeps := \\\n  {spelled} \\\n"
    )
    assert entered(out, "mm/slab.h") == those("mm", "arch/x86", "arch/x86/entry")
    assert entered(out, "mm/kasan/slab.h") == those("mm")


def test_what_another_directory_makes_is_made_there(out: Path) -> None:
    """As arch/x86/kvm makes virt/kvm/kvm_main.o."""
    target, sources = "drivers/block/zram/../../../mm/shared.o", "../mm/shared.c ../include/linux/shared.h"
    (out / "mm/.shared.o.cmd").write_text(f"savedcmd_{target} := gcc\n\ndeps_{target} := \\\n  {sources} \\\n")
    for changed in ("mm/shared.c", "include/linux/shared.h"):
        assert entered(out, changed) == those("mm", "drivers/block", "drivers/block/zram"), changed


@pytest.mark.parametrize(
    "name", [".tmp_versions/zram.mod", "include/generated/autoksyms.h", "kernel/kheaders_data.tar.xz"]
)
def test_a_build_that_depends_on_more_than_is_written_down_enters_all(out: Path, name: str) -> None:
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).touch()
    assert entered(out, "mm/zsmalloc.c") == ALL


def test_a_makefile_is_for_all_below_it(out: Path) -> None:
    assert entered(out, "drivers/media/Makefile") == those("drivers/media", "drivers/media/i2c")
    assert entered(out, "arch/x86/entry/Makefile") == those("arch/x86", "arch/x86/entry")


def makefile(out: Path, where: str, text: str) -> None:
    (out / where / "Makefile").write_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "include $(src)/../../../drivers/media/Makefile\n",
        "  -include $(M)/Makefile\n",
        "sinclude $(srctree)/$(src)/x\n",
    ],
)
def test_a_makefile_may_be_included_by_another(out: Path, text: str) -> None:
    """As arch/riscv/kernel/vdso_cfi includes vdso/Makefile, which has a directory to build in of its own."""
    makefile(out, "arch/x86", f"obj-y += entry/\n{text}")
    assert entered(out, "drivers/media/Makefile") == those(
        "drivers/media", "drivers/media/i2c", "arch/x86", "arch/x86/entry"
    )
    assert entered(out, "drivers/media/x.c") == those("drivers/media")


@pytest.mark.parametrize(
    "rule",
    [
        "src := $(srctree)/mm\n$(obj)/%.c: $(src)/%.c\n\tcp $< $@\n",
        "$(obj)/lib-%.c: $(srctree)/mm/%.c\n\tcp $< $@\n",
        "$(obj)/names.h: $(srctree)/mm/zsmalloc.c\n\tsed p $< > $@\n",
    ],
)
def test_what_a_makefile_takes_from_elsewhere_is_not_in_cmd_files(out: Path, rule: str) -> None:
    makefile(out, "arch/x86/entry", f"obj-y += entry.o\n{rule}")
    assert entered(out, "mm/zsmalloc.c") == those("mm", "arch/x86", "arch/x86/entry")


def test_a_header_is_found_by_a_link_to_it(out: Path) -> None:
    """Make looks at the time of what a link leads to."""
    (out / "include/uapi/linux").mkdir(parents=True)
    (out / "include/uapi/linux/codes.h").touch()
    (out / "include/dt-bindings").mkdir()
    (out / "include/dt-bindings/codes.h").symlink_to("../uapi/linux/codes.h")
    (out / "mm/.keys.o.cmd").write_text("../mm/keys.c ../include/dt-bindings/codes.h\n")
    assert entered(out, "include/uapi/linux/codes.h") == those("mm")


def test_text_changes_no_kernel(out: Path) -> None:
    assert entered(out, "Documentation/admin-guide/blockdev/zram.rst", "MAINTAINERS") == those()


@pytest.mark.parametrize(
    "path",
    [
        "Makefile",
        "Kbuild",
        "mm/Kconfig",
        "mm/Makefile.inc",
        "arch/x86/Makefile",
        "arch/x86/Makefile_32.cpu",
        "arch/x86/Kbuild",
        "arch/x86/tools/relocs.c",
        "arch/x86/entry/syscalls/syscall_64.tbl",
        "arch/x86/kernel/vmlinux.lds",
        "include/asm-generic/Kbuild",
        "include/linux/license.h",
        "include/uapi/linux/note.h",
        "kernel/table.h",
        "arch/x86/entry/syscalls/syscall_64.h",
        "scripts/Makefile.build",
        "scripts/mod/modpost.c",
        "tools/objtool/check.c",
        "lib/insn.c",
        "usr/initramfs.c",
        "include/linux/bounds.h",
        "lib/a name.c",
        "lib/$(shell touch x).c",
        "lib/raid6/mktables.awk",
        "lib/vdso/Makefile",
        "arch/x86/include/asm/rwonce.h",
        "include/dt-bindings/gpio/gpio.h",
        "rust/helpers/helpers.c",
        "arch/x86/lib/x86-opcode-map.txt",
        "Documentation/Kconfig",
    ],
)
def test_what_may_reach_everything_has_everything_entered(out: Path, path: str) -> None:
    assert entered(out, path) == ALL
    assert entered(out, "mm/zsmalloc.c", path) == ALL


def test_of_many_changes_the_reach_is_not_looked_for(out: Path) -> None:
    assert entered(out, *(f"mm/{number}.c" for number in range(17))) == ALL


def test_what_kbuild_did_not_make_is_not_read(out: Path) -> None:
    """The objects may be anybody's: a pipe would never end."""
    os.mkfifo(out / "arch/x86/.pipe.o.cmd")
    (out / "drivers/media/i2c/.link.o.cmd").symlink_to("/dev/zero")
    assert entered(out, "mm/zsmalloc.c") == those("mm", "arch/x86", "drivers/media", "drivers/media/i2c")
    (out / "$(shell touch x)").mkdir()
    (out / "$(shell touch x)/built-in.a").touch()
    assert descent.idle(out, out, ["mm/zsmalloc.c"]) <= ALL


BUILD = (
    f"{ENTER}\n"
    + """\
subdir := $(patsubst $(obj)/%/,%,$(wildcard $(obj)/*/))
__build: $(addprefix $(obj)/,$(subdir))
	@echo entered $(obj)
$(addprefix $(obj)/,$(subdir)):
	@$(MAKE) --no-print-directory $(build)=$@
.PHONY: __build $(addprefix $(obj)/,$(subdir))
"""
)


def test_make_stays_out(out: Path) -> None:
    """In the words of scripts/Makefile.build, by the make of this host."""
    (out / "scripts/Makefile.build").write_text(BUILD)

    def says(idle: frozenset[str]) -> set[str]:
        more = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(
            ("make", "-j2", "--no-print-directory", "srctree=.", "-f", "scripts/Makefile.build", "obj=drivers"),
            cwd=out, env={**more, **descent.write(out, idle)}, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert done.stderr == ""
        return {line.removeprefix("entered ") for line in done.stdout.splitlines()}

    below = {where for where in ALL if where.startswith("drivers")}
    assert says(frozenset()) == below
    assert says(descent.idle(out, out, ["mm/zsmalloc.c", "drivers/block/brd.c"])) == {"drivers", "drivers/block"}
    assert says(descent.idle(out, out, ["drivers/media/i2c/x.c"])) == {"drivers", "drivers/media", "drivers/media/i2c"}
    assert (out / descent.MAKEFILE).exists()
    assert says(frozenset()) == below
    assert not (out / descent.MAKEFILE).exists()  # it would tell of a make that was not so
