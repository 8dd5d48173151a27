"""The grammar of plans, as pydantic models; imported late, by `load` and the command `schema` only.

Models describe what people write, not what runs: nearly every field is optional, because defaults, tests,
axes and overrides are merged first (`expand`). A field set to null goes back to its default.
"""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from kzram_ci.base.grammar.scalars import Name, no_items
from kzram_ci.base.grammar.strict import Strict
from kzram_ci.plan.cell_schema import Defaults, Machine
from kzram_ci.plan.kernel_schema import Archs, KernelChoice, KernelsOfPlan
from kzram_ci.plan.matrix_schema import AXES_SCHEMA, Matrix, Override


class PlanTest(Defaults):
    """One test: a workload on a zram device, and when it has done enough."""

    description: str | None = Field(None, description="what the test shows")
    kernels: KernelChoice | None = Field(None, description="only on these kernels; default: all")
    axes: list[Name] | None = Field(None, description="only these axes of the matrix apply; default: all")


class PlanFile(Strict):
    """A test plan: kernels by tests by axes, and what is expected of each cell."""

    model_config = ConfigDict(title="kzram-ci plan")
    name: Name = Field(description="short name, used in the run directory's name")
    description: str = Field("", description="what the plan shows")
    kernels: KernelsOfPlan = Field(
        description="names of kernels, or kernels written out; or lines and variants, each with each"
    )
    arch: Archs | None = Field(
        None, description="architectures on which each kernel runs, such as [x86_64, arm64]; default: each kernel's own"
    )
    machine: Machine = Field(
        default_factory=lambda: Machine.model_validate({}), description="the guest, unless a test says otherwise"
    )
    defaults: Defaults = Field(
        default_factory=lambda: Defaults.model_validate({}), description="fields that all tests share"
    )
    tests: Annotated[dict[Name, PlanTest], Field(min_length=1)] = Field(description="test name: what runs")
    matrix: Matrix = Field(
        default_factory=lambda: Matrix.model_validate({}), description="more axes, cells to add or to leave out"
    )
    expect: list[Override] = Field(default_factory=no_items, description="per-cell overrides; later entries win")
    seed: Annotated[int, Field(ge=0)] = Field(1, description="each cell's seed is derived from this and its id")
    boot_retries: Annotated[int, Field(ge=0, le=10)] = Field(2, description="for boots that never reach the workload")
    jobs: Annotated[int, Field(ge=0)] = Field(0, description="guests at a time; 0: as many as the host carries")

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As pydantic makes it, with the short form of axes, which is unfolded before pydantic sees it."""
        document = super().model_json_schema(*args, **kwargs)
        document["$defs"]["Matrix"]["properties"]["axes"] |= AXES_SCHEMA
        document["$defs"].pop("Axis", None)
        return document
