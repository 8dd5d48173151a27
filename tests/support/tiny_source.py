"""A source tree of three files that answers make as a kernel does: real make, real files, no minutes."""

import difflib
import tarfile
from collections.abc import Mapping
from pathlib import Path

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 1
sources := $(wildcard *.c)
objects := $(sources:%.c=$(O)/%.o)

# as the top Makefile of a kernel: a directory is enough to be refused
outputmakefile:
	@if [ -f .config -o -d include/config -o -d arch/x86/include/generated ]; then \
	echo '*** The source tree is not clean, please run "make ARCH=x86_64 mrproper"' >&2; exit 1; fi
tinyconfig olddefconfig bzImage: outputmakefile
tinyconfig:
	@mkdir -p $(O); echo '# CONFIG_A is not set' > $(O)/.config
olddefconfig:
	@sed -i '/CONFIG_GONE/d' $(O)/.config; echo '  UPD     .config'
bzImage: $(objects)
	@echo '  LD      vmlinux'
	@mkdir -p $(O)/arch/x86/boot $(O)/include/config
	@cat $(objects) > $(O)/vmlinux
	@cp $(O)/vmlinux $(O)/arch/x86/boot/bzImage
	@echo symbols > $(O)/System.map
	@echo 6.12.1$(LOCALVERSION) > $(O)/include/config/kernel.release
$(O)/%.o: %.c Makefile
	@echo '  CC      $*.o'
	@at=$$(grep -n '#error' $< | head -n 1 | cut -d: -f1); [ -z "$$at" ] || \
	{ echo "../$<:$$at:2: error: #error told so" >&2; exit 1; }
	@gate=$$(sed -n 's/.*MAKE-WAIT //p' $<); [ -z "$$gate" ] || { : >$$gate.waiting; \
	: >$${TMPDIR:-/tmp}/cc$$$$.s; \
	for i in $$(seq 1200); do [ ! -e $$gate ] || break; sleep 0.05; done; }
	@if grep -q NAP $<; then sleep 0.5; fi
	@if grep -q SLEEP $<; then sleep 60; fi
	@if grep -q KILL $<; then kill -9 $$PPID; fi
	@if grep -q CC-DIES $<; then echo "../$<:1:1: internal compiler error: Segmentation fault" >&2; exit 1; fi
	@once=$$(sed -n 's/.*CRASH-ONCE //p' $<); [ -z "$$once" ] || [ -e "$$once" ] || \
	{ : >"$$once"; echo "../$<:1:1: internal compiler error: in expand_expr_real_1, at expr.cc:10988" >&2; exit 1; }
	@if grep -q OOM $<; then echo 'gcc: fatal error: Killed signal terminated program cc1' >&2; exit 1; fi
	@if grep -q FULL $<; then echo 'as: No space left on device' >&2; exit 1; fi
	@(cat $<; echo "flags $(KCFLAGS) of $$KCFLAGS by $(KBUILD_BUILD_USER)") > $@
# one object, as `make mm/zsmalloc.o` does
$(sources:%.c=%.o): %.o: $(O)/%.o ;
.PHONY: outputmakefile tinyconfig olddefconfig bzImage
.DELETE_ON_ERROR:
"""
MERGE = 'shift 3\ncat "$2" >> "$1"\n'  # merge_config.sh -m -O OUT .config fragment
FILES = {
    "Makefile": MAKEFILE,
    "Kbuild": "",
    "scripts/kconfig/merge_config.sh": MERGE,
    "a.c": "int a;\n",
    "b.c": "int b;\n",
    "c.c": "int c;\n",
}


Files = Mapping[str, bytes | None]  # what a variant makes of a file; None: deleted


def patch_text(files: Files) -> str:
    """The patch that makes these files of the tree."""
    parts = []
    for path, content in sorted(files.items()):
        before, after = FILES.get(path), None if content is None else content.decode()
        names = ("/dev/null" if before is None else f"a/{path}", "/dev/null" if after is None else f"b/{path}")
        old, new = ((text or "").splitlines(keepends=True) for text in (before, after))
        parts.append("".join(difflib.unified_diff(old, new, *names)))
    return "".join(parts)


def write_tree(root: Path) -> Path:
    """The tree in a directory."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def write_archive(directory: Path) -> Path:
    """The tree as a tar file, one directory on top as distributions do."""
    write_tree(directory / "linux-6.12.1")
    archive = directory / "linux.tar.xz"
    with tarfile.open(archive, "w:xz") as out:
        out.add(directory / "linux-6.12.1", "linux-6.12.1")
    return archive
