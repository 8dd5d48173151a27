"""What the source of a kernel says about the overrun: the mechanism map, asked of a fetched tree."""

from __future__ import annotations

from pathlib import Path

from kzram_ci import mechanism
from kzram_ci.base.clock import Deadline
from kzram_ci.effects import kbuild
from kzram_ci.mechanism import Facts
from kzram_ci.model.events import Listener, silent
from kzram_ci.model.kernel import KernelSpec, Tree


def facts_of(tree: Tree, *, cache: Path, deadline: Deadline, listener: Listener = silent) -> Facts:
    """The facts of a tree without patches. An archive is unpacked, as it is for a build.

    Raises UserError, InfraError, Interrupted.
    """
    return mechanism.probe(kbuild.pristine(tree, cache=cache, deadline=deadline, listener=listener).read)


def why_skipped(spec: KernelSpec, tree: Tree, *, cache: Path, deadline: Deadline, listener: Listener = silent) -> str:
    """Why a kernel's series have no meaning on its source; "" when they have. Raises as `facts_of`."""
    if not spec.series:
        return ""
    return mechanism.meaning(facts_of(tree, cache=cache, deadline=deadline, listener=listener), spec.series)
