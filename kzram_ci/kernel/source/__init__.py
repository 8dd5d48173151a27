"""Where kernels come from, one module a kind. Nothing that belongs to the user is ever written to.

`fetch` gives source to build from, `image` a kernel that is ready. What was downloaded stays until it is asked
for anew (`refresh`), so that a run today and a run tomorrow test the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.kernel.source import debian, directory, git, image, tarball
from kzram_ci.kernel.source.context import Context
from kzram_ci.kernel.source.git import history
from kzram_ci.model.events import Listener, silent
from kzram_ci.model.kernel import KernelImage, SourceKind, SourceRef, Tree

__all__ = ["KINDS", "Context", "fetch", "history", "local", "ready"]

KINDS: dict[SourceKind, Callable[[SourceRef, Context], Tree]] = {
    SourceKind.DEBIAN: debian.source,
    SourceKind.DIRECTORY: directory.source,
    SourceKind.GIT: git.source,
    SourceKind.TARBALL: tarball.source,
}


def fetch(
    ref: SourceRef, *, cache: Path, deadline: Deadline, listener: Listener = silent, refresh: bool = False
) -> Tree:
    """Get a source, from the cache where that is exact. Raises UserError (no such source), InfraError (no network)."""
    if ref.kind not in KINDS or ref.ready:
        raise UserError(f"{ref.words()} is a ready kernel, there is nothing to build", hint=f"use {_others()}")
    return KINDS[ref.kind](ref, Context(cache=cache, deadline=deadline, listener=listener, refresh=refresh))


def local(ref: SourceRef, *, cache: Path, deadline: Deadline) -> Tree | None:
    """As `fetch`, but None instead of going to the network."""
    there = {SourceKind.DEBIAN: debian.here, SourceKind.GIT: git.here, SourceKind.TARBALL: tarball.here}
    context = Context(cache=cache, deadline=deadline, offline=True)
    if ref.kind in there and not there[ref.kind](ref, context):
        return None
    return KINDS[ref.kind](ref, context)


def ready(
    ref: SourceRef, *, name: str, arch: str, cache: Path, deadline: Deadline,
    listener: Listener = silent, refresh: bool = False, offline: bool = False,
) -> KernelImage | None:  # fmt: skip
    """A kernel that needs no build; None when it would have to be downloaded and `offline` forbids it.

    Raises UserError (no such image), InfraError (no network).
    """
    context = Context(cache=cache, deadline=deadline, listener=listener, refresh=refresh, offline=offline)
    if ref.kind is SourceKind.IMAGE:
        return image.describe(ref, name=name, arch=arch, context=context)
    if offline and not debian.here(ref, context):
        return None
    return image.describe(debian.image(ref, context), name=name, arch=arch, context=context)


def _others() -> str:
    return " or ".join(KINDS)
