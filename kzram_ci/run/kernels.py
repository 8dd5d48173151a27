"""Kernels as a command line names them, and what is done with one alone: build it, or look into its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.mechanism import Facts
from kzram_ci.kernel.oneoff import OneOff
from kzram_ci.kernel.sandbox import wanted
from kzram_ci.kernel.workshop import KernelContext, facts_for, image_for
from kzram_ci.model.events import Listener, Note, silent
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.model.source import theirs
from kzram_ci.plan.archs import ported
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.source_args import FORMS, split
from kzram_ci.run import patching
from kzram_ci.run.known import known_of
from kzram_ci.run.retarget import meant, on_sources
from kzram_ci.store.shared import Shelf, Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """Kernels by name or source, each on every one of `sources` (none: its own), with `patches` for this once.

    `jobs`: of make, 0 for all CPUs.
    """

    kernels: tuple[str, ...]
    sources: tuple[str, ...] = ()
    patches: tuple[OneOff, ...] = ()
    jobs: int = 0
    refresh: bool = False
    sandbox: bool | None = None  # None: where the source is theirs
    stores: Stores | None = None  # None: those of the environment
    arch: str = ""  # "": each kernel's own


def specs_of(words: Sequence[str], sources: Sequence[str] = (), arch: str = "") -> tuple[KernelSpec, ...]:
    """The kernels that words name, on these sources, for an architecture ("": each for its own). Raises UserError."""
    globs, others = split(sources)
    if globs:
        raise UserError(f"--kernel {globs[0]} is not a source", hint=f"one of {', '.join(FORMS.values())}")
    found: list[KernelSpec] = []
    for word in words:
        name, its = meant(word, others)
        spec = load_kernel(name, Library())
        spec = ported(spec, arch) if arch else spec
        found += on_sources(spec, its, known_of((spec,), its))
    return tuple(found)


def with_patches(specs: Sequence[KernelSpec], patches: Sequence[OneOff]) -> tuple[KernelSpec, ...]:
    """Each kernel with the patches on it; a variant that a patch names comes beside its base. Raises UserError."""
    made = patching.variants_of(patches)
    if made and len(specs) != 1:
        raise UserError(f"--patch {next(iter(made))}=… is built on one kernel, not {len(specs)}", hint="name one")
    variants = tuple(patching.variant(specs[0], name, parts) for name, parts in made.items())
    everywhere = [oneoff for oneoff in patches if not oneoff.variant]
    return tuple(patching.patched(spec, everywhere) for spec in (*specs, *variants))


def build(request: BuildRequest, listener: Listener = silent) -> tuple[KernelImage, ...]:
    """Each kernel from the cache, or built now. Raises UserError, KernelError, InfraError, Interrupted."""
    specs, context = asked(request, listener)
    return tuple(image_for(spec, context) for spec in specs)


def asked(request: BuildRequest, listener: Listener) -> tuple[tuple[KernelSpec, ...], KernelContext]:
    """The kernels of a request, and how they are built. Raises UserError."""
    specs = with_patches(specs_of(request.kernels, request.sources, request.arch), request.patches)
    boxed = wanted(
        request.sandbox,
        lambda text: listener(Note(subject="sandbox", text=text)),
        theirs=any(theirs(spec.source) for spec in specs),
    )
    context = KernelContext(
        listener=listener,
        refresh=request.refresh,
        sandbox=boxed,
        shelf=Shelf(request.stores),
    )
    return specs, replace(context, jobs=request.jobs) if request.jobs else context


def source_facts(kernel: str, listener: Listener = silent) -> tuple[KernelSpec, Facts]:
    """A kernel, and the facts about the overrun in its source. Raises UserError, InfraError, Interrupted."""
    (spec,) = specs_of((kernel,))
    if spec.source.ready:
        raise UserError(f"{spec.source.words()} has no source to look into", hint="kzram-ci mechanism directory:PATH")
    return spec, facts_for(spec, KernelContext(listener=listener))
