"""What a plan would do, as far as this host knows before anything is fetched, built or booted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from kzram_ci.base.errors import KzramError, UserError
from kzram_ci.kernel import mechanism
from kzram_ci.kernel.fit import foreseen, without_proof
from kzram_ci.kernel.mechanism import Facts
from kzram_ci.kernel.workshop import KernelContext, Prospect, facts_at_hand, image_at_hand, plan_build, prospect
from kzram_ci.model.cell import Plan
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.plan import cost
from kzram_ci.run.selection import Selection, again, plan_of, selected


def preview(name: str, selection: Selection) -> tuple[Plan, tuple[cost.BuildCost, ...]]:
    """The plan as a run will find it, and what its kernels cost. Raises UserError.

    Sources that are not on this host are not fetched: their kernels count as not built, and nothing is known of them.
    Nothing is started that the plan names: a compiler that was not asked for its version leaves the key unknown.
    """
    plan = selected(plan_of(name, selection.archs), selection, again(name, selection))
    context = KernelContext(offline=True)

    def facts(spec: KernelSpec) -> Facts | None:
        try:
            return facts_at_hand(spec, context)
        except UserError:  # a directory that holds no kernel, a repository that is not there
            raise
        except KzramError:
            return None

    def image(spec: KernelSpec) -> KernelImage | None:
        try:
            return image_at_hand(spec, context)
        except KzramError:
            return None

    def unbuilt(spec: KernelSpec) -> Prospect | None:
        try:
            return prospect(spec, context, fetch=False)
        except KzramError:
            return None

    asked = {spec.name: facts(spec) for spec in plan.kernels()}
    known = {name: found for name, found in asked.items() if found is not None}
    suited = mechanism.suited_plan(plan, known)
    built = {spec.name: there for spec in suited.kernels() if (there := image(spec)) is not None}
    ahead = {spec.name: found for spec in suited.kernels() if (found := unbuilt(spec)) is not None}
    cells = tuple(
        foreseen(cell, ahead[cell.kernel.name])
        if cell.kernel.name in ahead
        else without_proof(cell, built.get(cell.kernel.name))
        for cell in suited.cells
    )
    return replace(suited, cells=cells), cost.build_costs(plan, partial(_build, context))


def _build(context: KernelContext, spec: KernelSpec) -> tuple[str, bool]:
    try:
        return plan_build(spec, context)
    except KzramError as error:
        if isinstance(error, UserError) and spec.source.ready:  # no such image
            raise
        return cost.unknown(spec)
