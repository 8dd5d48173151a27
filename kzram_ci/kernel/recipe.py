"""What a kernel is made of: a definition, a tree, a toolchain and the named parts, put together to one value. Pure."""

from __future__ import annotations

from kzram_ci.kernel import buildfixes, fragments
from kzram_ci.kernel.kbuild.inputs import Inputs
from kzram_ci.kernel.series import choose_all
from kzram_ci.kernel.tools import Parts, Toolchain
from kzram_ci.model.kernel import KernelSpec, Tree


def recipe(spec: KernelSpec, tree: Tree, tools: Toolchain, parts: Parts) -> Inputs:
    """All that goes into a kernel. The tree's version decides which patches, lines of config and fixes that are.

    Raises UserError for series in the wrong order and for what no version can be compared with.
    """
    series = choose_all(parts.series, tree.version)
    chosen = tuple(fragments.for_version(fragment, tree.version) for fragment in parts.fragments)
    fixes = buildfixes.needed(parts.fixes, version=tree.version, arch=spec.arch, tools=dict(tools.identity))
    return Inputs(
        name=spec.name,
        arch=spec.arch,
        tree=tree,
        series=series,
        fragments=(*chosen, *buildfixes.fragments(fixes)),
        make_vars=buildfixes.make_vars(tools.make_vars, fixes, tools.cc),
        toolchain=tools.identity,
        advice=buildfixes.advice(parts.fixes),
    )
