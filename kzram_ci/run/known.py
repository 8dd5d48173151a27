"""What is known of the kernels that are put on other sources: read only as far as the sources make it matter."""

from __future__ import annotations

from collections.abc import Sequence

from kzram_ci.base.library import Library
from kzram_ci.kernel.parts import load_series
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import Source
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.run.retarget import BASE_KERNEL, Known


def known_of(specs: Sequence[KernelSpec], sources: Sequence[Source]) -> Known:
    """The kinds of series for ready images; stock, where images give way to source. Raises UserError."""
    kinds, stock, library = {}, None, Library()
    if any(source.ready for source in sources):
        names = {name for spec in specs for name in spec.series}
        kinds = {name: load_series(name, library).kind for name in sorted(names)}
    if any(spec.source.ready for spec in specs) and any(not source.ready for source in sources):
        stock = load_kernel(BASE_KERNEL, library)
    return Known(kinds=kinds, stock=stock)
