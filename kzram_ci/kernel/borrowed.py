"""Kernels from a store, and to it: what comes from there is looked at as what any stranger wrote."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.base.cache import MANIFEST, complete
from kzram_ci.base.errors import InfraError
from kzram_ci.base.spans import span
from kzram_ci.kernel import source_facts
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kbuild import Inputs, cached, key
from kzram_ci.kernel.kbuild.artifacts import damaged, entry_of
from kzram_ci.model import codec
from kzram_ci.model.arch import arch_of
from kzram_ci.model.events import Note
from kzram_ci.model.kernel import KernelImage

_RELEASE = re.compile(r"[\w.+~-]{1,100}")
_NAMES = {"vmlinux": "vmlinux", "modules": "modules", "config": "config"}


def borrow(inputs: Inputs, context: Context) -> KernelImage | None:
    """The kernel of these inputs from a store, now in the cache; None when no store has it, or not right.

    Raises UserError, InfraError (this host's disk), Interrupted.
    """
    if not context.shelf or context.offline:
        return None
    entry = entry_of(inputs, context.cache)
    if complete(entry) and damaged(entry):
        files.remove_tree(entry, context.deadline)
    with span(f"kernel {inputs.name}", "store"):
        where = context.shelf.get(entry, lambda text: context.note(inputs.name, text))
    if not where:
        return None
    if wrong := _unsound(entry, key(inputs), inputs.arch):
        context.note(inputs.name, f"{where}: {wrong}: thrown away, built here")
        files.remove_tree(entry, context.deadline)
        return None
    _learn(entry, context)
    context.listener(Note(subject=inputs.name, text=f"from {where}"))
    return cached(inputs, cache=context.cache)


def lend(image: KernelImage, context: Context) -> None:
    """Have a kernel of the cache, and what is known of its source, in the store that is written."""
    entry = context.cache / "kernels" / image.key
    if not context.shelf.stores.write or context.offline or not complete(entry):
        return
    known = source_facts.memory_of(image.key, context.cache)
    if known.is_file() and not (entry / known.name).exists():
        with files.disk_errors(f"cannot write {entry}"):
            files.write_atomic(entry / known.name, known.read_bytes())
    with span(f"kernel {image.name}", "store"):
        context.shelf.put(entry, lambda text: context.note(image.name, text))


def _learn(entry: Path, context: Context) -> None:
    """What the store knows of the kernel's source, where it answers today's questions: nothing is unpacked for it."""
    known = source_facts.memory_of(entry.name, context.cache)
    if (entry / known.name).is_file() and not known.exists():
        with files.disk_errors(f"cannot write {known}"):
            known.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry / known.name, known)
        if source_facts.recall(entry.name, cache=context.cache) is None:
            known.unlink(missing_ok=True)


def _unsound(entry: Path, wanted: str, arch: str) -> str:
    """What is wrong with an entry whose bytes are those of its index: a manifest that no build of ours wrote."""
    try:
        manifest: dict[str, Any] = files.read_json(entry / MANIFEST)
        image = codec.from_json(KernelImage, manifest["image"])
        built = manifest["booted"]
    except (InfraError, ValueError, KeyError, TypeError, RecursionError):
        return "its manifest is not that of a kernel"
    if (image.key, image.arch, image.image) != (wanted, arch, arch_of(arch).image):
        return "its manifest is that of another kernel"
    if any(getattr(image, field) not in ("", name) for field, name in _NAMES.items()):
        return "its manifest names files elsewhere"
    if not _RELEASE.fullmatch(image.release) or not built or damaged(entry, manifest):
        return "its manifest does not fit its files"
    return ""
