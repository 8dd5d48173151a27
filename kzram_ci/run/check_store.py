"""Whether a store holds what a build gives: a sample of its kernels, built once more and compared byte by byte."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.cache import MANIFEST
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import source
from kzram_ci.kernel.workshop import KernelContext, image_of, keys_of
from kzram_ci.model.events import Listener, silent
from kzram_ci.model.kernel import KernelSpec, Tree
from kzram_ci.run.kernels import BuildRequest, asked
from kzram_ci.store.shared import NO_STORES

# They tell when and how long, and what make printed: not of the kernel.
_NOT_COMPARED = frozenset({MANIFEST, "build.log"})
_CLEAN_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A kernel of the store against one that was built now. `differ`: files with other bytes."""

    kernel: str
    files: int
    differ: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """For a person."""
        if self.differ:
            return f"differs from the store: {', '.join(self.differ)}"
        return f"the same {self.files} files as in the store"


def check(request: BuildRequest, sample: int, listener: Listener = silent) -> tuple[Compared, ...]:
    """Compare `sample` of these kernels that a store has, chosen at random; each is built in a cache of its own.

    Raises UserError (no store, or it has none of them), KernelError, InfraError, Interrupted.
    """
    specs, context = asked(request, listener)
    if not context.shelf:
        raise UserError("--check-store needs a store", hint="--store URL or --store-read URL")
    ctx, there = context.begin(), []
    for spec in specs:
        if spec.source.ready:
            continue
        tree = source.fetch(spec.source, ctx)
        (key, _), *_rest = keys_of(spec, (tree,), context)
        if (known := context.shelf.digests("kernels", key, lambda text: context.note("store", text))) is not None:
            there.append((spec, tree, known))
    if not there:
        raise UserError("no store has any of these kernels", hint="kzram-ci build KERNEL --store URL leaves it there")
    chosen = random.SystemRandom().sample(there, min(sample, len(there)))
    return tuple(_compared(spec, tree, known, context) for spec, tree, known in chosen)


def _compared(spec: KernelSpec, tree: Tree, known: Mapping[str, str], context: KernelContext) -> Compared:
    """Without ccache, which would bring back the objects of the build that is checked."""
    os.environ["KZRAM_CCACHE"] = "0"
    slots = context.cache / "slots"  # where `cache gc` finds what is left when this process is killed
    with files.disk_errors(f"cannot write {slots}"):
        slots.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=slots, prefix=".check-"))
    try:
        image = image_of(spec, tree, replace(context, cache=place, shelf=NO_STORES))
        entry = Path(image.image).parent
        names = sorted(name for name in known if name not in _NOT_COMPARED and not name.startswith("facts-"))
        made = {name: digest_file(entry / name) if (entry / name).is_file() else "" for name in names}
        return Compared(
            kernel=spec.name, files=len(names), differ=tuple(name for name in names if made[name] != known[name])
        )
    finally:
        files.remove_tree(place, Deadline.after(_CLEAN_SECONDS))
