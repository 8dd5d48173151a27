"""From all that goes into a kernel to what people want to know of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kzram_ci.kernel.kbuild.inputs import Inputs
from kzram_ci.kernel.series import Choice
from kzram_ci.model.kernel import ArchiveTree, CommitTree, DirectoryTree
from kzram_ci.model.provenance import AppliedSeries, Provenance


def provenance_of(inputs: Inputs, applied: Sequence[AppliedSeries] = ()) -> Provenance:
    """What these inputs are. `applied`: what patching did when the kernel was built, where that is known.

    Not all of it is known from the key: two commits can have one content, two series the same patches.
    """
    tree = inputs.tree
    commit, dirty = "", False
    match tree:
        case CommitTree():
            commit = tree.commit
        case DirectoryTree():
            commit, dirty = tree.commit, tree.dirty
        case ArchiveTree():
            pass
    did = {series.name: series for series in applied}
    return Provenance(
        source=tree.source,
        version=tree.version,
        identity=tree.identity,
        commit=commit,
        dirty=dirty,
        series=tuple(did.get(choice.series.name) or _planned(choice) for choice in inputs.series),
        fragments=tuple(fragment.name for fragment in inputs.fragments),
        make_vars=inputs.make_vars,
        toolchain=inputs.toolchain,
    )


def _planned(choice: Choice) -> AppliedSeries:
    series = choice.series
    notes = (f"made for {series.ranges()}",) if choice.near else ()
    return AppliedSeries(
        name=series.name, kind=str(series.kind), patches=tuple(patch.name for patch in choice.patches), notes=notes
    )
