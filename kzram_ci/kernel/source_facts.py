"""What the source of a kernel says about the overrun: the mechanism map, asked of a fetched tree."""

from __future__ import annotations

import json
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.cache import mark_used
from kzram_ci.base.digest import digest_json
from kzram_ci.kernel import kbuild, mechanism
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.mechanism import Fact, Facts, data
from kzram_ci.model import codec
from kzram_ci.model.kernel import Tree


def facts_of(tree: Tree, context: Context) -> Facts:
    """The facts of a tree without patches. An archive is unpacked, as it is for a build.

    Raises UserError, InfraError, Interrupted.
    """
    return mechanism.probe(kbuild.pristine(tree, context).read)


def keep(key: str, tree: Tree, context: Context, *, unpack: bool) -> Facts | None:
    """The facts of a kernel's source, from memory or asked and remembered; None when they would need unpacking.

    Raises UserError, InfraError, Interrupted.
    """
    facts = recall(key, cache=context.cache)
    if facts is None and (unpack or kbuild.is_local(tree, cache=context.cache)):
        facts = facts_of(tree, context)
        remember(key, facts, cache=context.cache)
    return facts


def remember(key: str, facts: Facts, *, cache: Path) -> None:
    """Keep the facts of a kernel's source beside the kernel: a run that finds it built asks no source again."""
    files.write_json(memory_of(key, cache), {name: codec.to_json(fact) for name, fact in facts.items()})


def recall(key: str, *, cache: Path) -> Facts | None:
    """What was remembered of a kernel; None when nothing was, or for other questions than today's."""
    memory = memory_of(key, cache)
    try:
        stored = json.loads(memory.read_bytes())
        facts = {name: Fact(**fact) for name, fact in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    mark_used(memory)
    return facts


def memory_of(key: str, cache: Path) -> Path:
    """Where the facts of a kernel's source are remembered: by today's questions."""
    return cache / "scans" / f"facts-{digest_json([key, data.edition()])[:16]}.json"
