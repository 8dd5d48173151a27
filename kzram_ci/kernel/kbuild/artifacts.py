"""A built kernel in the cache: written completely or not at all, with a manifest that says what it was made of."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kzram_ci.base import clock, files
from kzram_ci.base.cache import MANIFEST, complete, entry_in_progress, mark_used
from kzram_ci.base.digest import digest_files
from kzram_ci.base.errors import BuildFailed
from kzram_ci.kernel.kbuild.inputs import Inputs, key
from kzram_ci.kernel.kbuild.job import Job
from kzram_ci.kernel.kbuild.make import run
from kzram_ci.kernel.kbuild.provenance import provenance_of
from kzram_ci.kernel.kbuild.slot import Slot
from kzram_ci.kernel.patches import Patched
from kzram_ci.kernel.sandbox import cut, fetched
from kzram_ci.kernel.series import SeriesKind
from kzram_ci.model import codec
from kzram_ci.model.arch import arch_of
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.version import numbers

_GDB = "vmlinux-gdb.py"


def entry_of(inputs: Inputs, cache: Path) -> Path:
    """Where the kernel of these inputs lies, once it is built."""
    return cache / "kernels" / key(inputs)


def cached(inputs: Inputs, *, cache: Path) -> KernelImage | None:
    """The kernel, if it was built before."""
    entry = entry_of(inputs, cache)
    if not complete(entry):
        return None
    mark_used(entry)
    manifest = files.read_json(entry / MANIFEST)
    if damaged(entry, manifest):
        return None
    data = manifest["image"]
    paths = {name: str(entry / data[name]) for name in ("image", "vmlinux", "modules", "config") if data[name]}
    image = codec.from_json(KernelImage, {**data, **paths, "name": inputs.name, "cached": True})
    built = image.provenance.series if image.provenance is not None else ()
    return replace(image, provenance=provenance_of(inputs, built))


def damaged(entry: Path, manifest: Mapping[str, Any] | None = None) -> bool:
    """Whether what a guest would boot is not what was built: a truncated file, a wrong bit.

    Its crash would be taken for the kernel's. Entries of earlier versions have no digest.
    """
    known = files.read_json(entry / MANIFEST) if manifest is None else manifest
    return known.get("booted", "") not in ("", _booted(entry, known["image"]))


def _booted(entry: Path, image: Mapping[str, Any]) -> str:
    """Digest of the image and its modules."""
    modules = sorted((entry / "modules").rglob("*.ko*")) if image["modules"] else []
    return digest_files((entry / image["image"], *modules))


def targets(inputs: Inputs, options: Mapping[str, str]) -> tuple[str, ...]:
    """What make is asked for."""
    modules = ("modules",) if options.get("CONFIG_MODULES") == "y" else ()
    # before 5.1 they were made with everything else (67274c083438)
    scripts = ("scripts_gdb",) if _gdb_scripts(options) and numbers(inputs.tree.version) >= (5, 1) else ()
    return (arch_of(inputs.arch).image, *modules, *scripts)


def _gdb_scripts(options: Mapping[str, str]) -> bool:
    return options.get("CONFIG_GDB_SCRIPTS") == "y"


def _copy_scripts(slot: Slot, entry: Path) -> None:
    """The kernel's scripts for gdb, which reads vmlinux-gdb.py beside vmlinux by itself."""
    if not (slot.out / _GDB).exists():
        return
    shutil.copyfile(fetched(slot.out / _GDB, slot.src), entry / _GDB)
    target = entry / "scripts/gdb/linux"
    target.mkdir(parents=True)
    for path in sorted((slot.out / "scripts/gdb/linux").glob("*.py")):
        shutil.copyfile(fetched(path, slot.src), target / path.name)


def store(job: Job, options: Mapping[str, str], patched: Patched, seconds: float) -> None:
    """Copy what make made to its content address, beside it what code search did. Raises BuildFailed without image."""
    inputs, slot, make_dir = job.inputs, job.slot, job.make_dir
    row = arch_of(inputs.arch)
    image = row.image
    boot = slot.out / "arch" / row.directory / "boot" / image
    if not boot.exists():
        raise BuildFailed(f"{inputs.name}: make made no {image}", log=str(slot.log))
    origins = {
        image: boot,
        "vmlinux": slot.out / "vmlinux",
        "config": slot.out / ".config",
        "System.map": slot.out / "System.map",
        "build.log": slot.log,
    }
    with entry_in_progress(entry_of(inputs, job.context.cache)) as entry:
        modules = "modules" if "modules" in targets(inputs, options) else ""
        if modules:
            install = (f"INSTALL_MOD_PATH={entry / modules}", "INSTALL_MOD_STRIP=1", "DEPMOD=true", "modules_install")
            (entry / modules).mkdir()
            run(make_dir, make_dir.argv(*install), deadline=job.context.deadline, writes=(entry / modules,))
            if make_dir.sandbox is not None:
                cut(entry / modules)
        with files.disk_errors(f"cannot store {inputs.name}"):
            for name, origin in origins.items():
                shutil.copyfile(fetched(origin, slot.path), entry / name)
            if _gdb_scripts(options):
                _copy_scripts(slot, entry)
            for name, text in patched.searched.items():
                (entry / name).write_bytes(text.encode("utf-8", "surrogateescape"))
            release = (
                fetched(slot.out / "include/config/kernel.release", slot.src).read_text("utf-8", "replace").strip()
            )
        value = KernelImage(
            key=key(inputs),
            name=inputs.name,
            arch=inputs.arch,
            release=release,
            image=image,
            vmlinux="vmlinux",
            modules=modules,
            config="config",
            seconds=round(seconds, 1),
            provenance=provenance_of(inputs, patched.applied),
        )
        about = _manifest(inputs, value, make_dir.argv(*targets(inputs, options)))
        about["booted"] = _booted(entry, about["image"])
        files.write_json(entry / MANIFEST, about)


def _manifest(inputs: Inputs, image: KernelImage, make: tuple[str, ...]) -> dict[str, Any]:
    """All that went in, and how to do it again: one-off patches are not kept."""
    once = ("--patch=FILE",) if any(choice.series.kind is SeriesKind.ONE_OFF for choice in inputs.series) else ()
    return {
        "image": codec.to_json(image),
        "repro": shlex.join(("kzram-ci", "build", inputs.name, *once)),
        "make": shlex.join(make),
        "tree": {"identity": inputs.tree.identity, "version": inputs.tree.version},
        "series": [
            {
                "name": choice.series.name,
                "kind": str(choice.series.kind),
                "patches": [patch.name for patch in choice.patches],
            }
            for choice in inputs.series
        ],
        "fragments": [fragment.name for fragment in inputs.fragments],
        "make_vars": dict(inputs.make_vars),
        "toolchain": dict(inputs.toolchain),
        "built": clock.now_utc().isoformat(timespec="seconds"),
    }
