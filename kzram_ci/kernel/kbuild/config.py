"""Making .config in a slot: tinyconfig, then the fragments, by the kernel's own scripts; then every want is checked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from kzram_ci.base import files, needs
from kzram_ci.base.digest import digest_bytes, digest_json
from kzram_ci.base.errors import ConfigUnmet, UserError
from kzram_ci.kernel import kconfig
from kzram_ci.kernel.kbuild.base_tree import BaseTree
from kzram_ci.kernel.kbuild.inputs import Inputs
from kzram_ci.kernel.kbuild.job import Job
from kzram_ci.kernel.kbuild.make import run
from kzram_ci.kernel.kbuild.slot import OBJECTS
from kzram_ci.kernel.sandbox import fetched

_SHOWN = 5
_LIBELF = ("/usr/include/gelf.h", "/usr/local/include/gelf.h", "/usr/include/libelf/gelf.h")


def configure(job: Job, base: BaseTree, patched: Mapping[str, bytes | None]) -> dict[str, str]:
    """Have the right .config in the slot and return it. Raises ConfigUnmet naming symbol, wanted, got, fragment."""
    inputs, slot, make_dir, deadline = job.inputs, job.slot, job.make_dir, job.context.deadline
    merged = kconfig.merge(inputs.fragments)
    dot_config = slot.out / ".config"
    stamp = _stamp(inputs, base, patched)
    if slot.state.config != stamp or not dot_config.is_file():
        slot.remember(config="")
        files.write_atomic(slot.out / "kzram.config", kconfig.render(merged))
        run(make_dir, make_dir.argv("tinyconfig"), deadline=deadline)
        # among the objects: the script makes its temporary files where it is run, and a sandbox can only write there
        script = ("sh", "../scripts/kconfig/merge_config.sh", "-m", "-O", ".", ".config", "kzram.config")
        run(make_dir, script, deadline=deadline, cwd=slot.out)
        run(make_dir, make_dir.argv("olddefconfig"), deadline=deadline)
        slot.remember(config=stamp)
    got = kconfig.parse(fetched(dot_config, slot.src).read_text("utf-8", "replace"))
    verify(inputs.name, _known(inputs, merged, got, slot.src), got)
    _needs_libelf(got)
    return got


def _known(
    inputs: Inputs, merged: Mapping[str, kconfig.Want], got: Mapping[str, str], tree: Path
) -> Mapping[str, kconfig.Want]:
    """The wants without those that may be unknown and are. Only asked of the tree when one is missing."""
    absent = {item.symbol for item in kconfig.unmet(merged, got) if item.got == kconfig.ABSENT}
    void = absent & kconfig.may_be_unknown(inputs.fragments)
    if void:
        void -= frozenset().union(*(kconfig.declared(path.read_text("utf-8", "replace")) for path in _kconfigs(tree)))
    return {symbol: want for symbol, want in merged.items() if symbol not in void}


def _kconfigs(tree: Path) -> Iterator[Path]:
    """The Kconfig files of a kernel tree; the object tree has none."""
    for where, directories, names in os.walk(tree):
        directories[:] = [name for name in directories if not name.startswith(".") and name != OBJECTS]
        yield from (Path(where, name) for name in names if name.startswith("Kconfig"))


def verify(name: str, merged: Mapping[str, kconfig.Want], got: Mapping[str, str]) -> None:
    """Raise ConfigUnmet unless every want is in the result."""
    missing = kconfig.unmet(merged, got)
    if not missing:
        return
    told = "; ".join(str(item) for item in missing[:_SHOWN])
    more = f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    raise ConfigUnmet(
        f"{name}: {told}{more}",
        hint="absent: unknown to this kernel, or a dependency is unset; another value: something selects or forbids it",
        cause=f"{told}{more}",
    )


def _needs_libelf(got: Mapping[str, str]) -> None:
    """Objtool needs libelf's headers: known here, minutes before its compile error."""
    wanted = "y" in (got.get("CONFIG_OBJTOOL"), got.get("CONFIG_UNWINDER_ORC"))
    if wanted and not any(Path(header).is_file() for header in _LIBELF):
        raise UserError("this config needs objtool, and objtool needs libelf's headers", hint=needs.advice("gelf.h"))


def _stamp(inputs: Inputs, base: BaseTree, patched: Mapping[str, bytes | None]) -> str:
    """What .config depends on within a slot: the wants, and changes of Kconfig files."""
    changed = {
        path: "" if content is None else digest_bytes(content)
        for path, content in patched.items()
        if path.rsplit("/", 1)[-1].startswith("Kconfig") or path.startswith("scripts/") or "/configs/" in path
    }
    return digest_json([kconfig.render(kconfig.merge(inputs.fragments)), changed, base.kconfig()])
