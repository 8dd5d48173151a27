"""The grammar of plans and kernel files, as pydantic models; imported late, by `load` and `schema` only.

Models describe what people write, not what runs: nearly every field is optional, because defaults, tests,
axes and overrides are merged first (`matrix`). A field set to null goes back to its default.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from kzram_ci.base.grammar.strict import Strict, kebab
from kzram_ci.model.vocab import OOPS_TYPES
from kzram_ci.plan import vocabulary
from kzram_ci.plan.kernel_schema import KernelChoice, KernelsOfPlan
from kzram_ci.plan.scalars import (
    MANY_SCHEMA,
    Algorithm,
    ArgValue,
    Bounds,
    Name,
    OopsType,
    Patterns,
    Regex,
    Seconds,
    Size,
    Word,
    Workload,
    one_or_many,
)

SCHEMA_ID = "urn:kzram-ci:schema:plan:1"
KERNEL_SCHEMA_ID = "urn:kzram-ci:schema:kernel:1"


class Machine(Strict):
    """Size and kind of the guest."""

    memory: Size | None = Field(None, description="guest memory, such as 768M; default 768M")
    cpus: Annotated[int, Field(ge=1, le=256)] | None = Field(None, description="virtual CPUs; default 2")
    accel: Literal["auto", "kvm", "tcg"] | None = Field(
        None, description="auto proves an accelerator first; default auto"
    )
    disk: Size | None = Field(None, description="scratch virtio disk, such as 256M; 0: none")
    cmdline: list[Word] | None = Field(None, description="words added to the kernel command line")
    qemu_args: list[str] | None = Field(None, description="arguments added to QEMU's")
    boot_timeout: Seconds | None = Field(None, description="the workload must have started by then; default 120s")
    console_limit: Size | None = Field(None, description="a console larger than this is a flood; default 64M")


class Zram(Strict):
    """The zram device."""

    size: Size | None = Field(None, description="disksize, such as 512M; default 512M")
    algorithm: Algorithm | None = Field(None, description="comp_algorithm; default lzo-rle")
    stable_writes: bool | None = Field(
        None, description="written to queue/stable_writes before swapon; omitted: left as the kernel has it"
    )
    swap: bool | None = Field(None, description="true: swap on it; false: the raw device only; default true")


class FaultInjection(Strict):
    """Which injector makes zram's atomic allocation fail, and how often."""

    kind: Literal["none", "failslab", "fail_page_alloc"] | None = Field(None, description="default none")
    probability: Annotated[int, Field(ge=0, le=100)] | None = Field(None, description="percent; default 100")
    interval: Annotated[int, Field(ge=1)] | None = Field(None, description="fail every n-th; default 1")
    times: Annotated[int, Field(ge=-1)] | None = Field(None, description="how often at most; -1 without limit")


class Oops(Strict):
    """Which oops counts as the expected one; what is omitted matches anything."""

    types: (
        Annotated[
            list[OopsType],
            BeforeValidator(one_or_many),
            WithJsonSchema(
                {"anyOf": [{"enum": list(OOPS_TYPES)}, {"type": "array", "items": {"enum": list(OOPS_TYPES)}}]}
            ),
        ]
        | None
    ) = Field(None, description="words of the oops vocabulary")
    function: Regex | None = Field(None, description="regular expression, searched in the function and all frames")
    title: Regex | None = Field(None, description="regular expression, searched in the title")


class Expect(Strict):
    """What the kernel is expected to do; an outcome alone is short for it."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=kebab,
        json_schema_extra=lambda s: s.update(type=["object", "string"], pattern="^(pass|oops|derived)$"),
    )
    outcome: Literal["pass", "oops", "derived"] | None = Field(
        None,
        description="default pass; derived: what follows from the kernel's source, by the mechanism map; changing it "
        "clears floors, ceilings and oops that were set before",
    )
    oops: Oops | None = Field(None, description="which oops is the expected one")
    floors: Bounds | None = Field(None, description="counter: at least; below it there is no proof")
    ceilings: Bounds | None = Field(None, description="counter: at most; above it is a finding (pass: overruns: 0)")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"outcome": data} if isinstance(data, str) else data


class Fields(Strict):
    """What a test, the defaults, an axis value or an override may set."""

    workload: Workload | None = Field(None, description="program in the guest: anonmutate, directmutate, pressure")
    args: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_-]*$")], ArgValue] | None = Field(
        None, description="arguments: `pages: 8192` becomes --pages 8192, true a bare flag, false and null nothing"
    )
    zram: Zram | None = Field(None, description="the zram device")
    fault: FaultInjection | None = Field(None, description="fault injection on zram's atomic allocation")
    machine: Machine | None = Field(None, description="over the plan's machine")
    stop: Bounds | None = Field(None, description="counter: at least; when all are reached the cell ends")
    duration: Seconds | None = Field(None, description="the workload ends at the latest after this; default 60s")
    sample: Seconds | None = Field(None, description="how often counters are sampled; default 250ms")
    readers: Annotated[int, Field(ge=0, le=64)] | None = Field(
        None, description="background readers of the scratch disk, for page cache pressure"
    )
    repeats: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="a pass must come that often; an expected oops has that many tries; default 1"
    )
    control: bool | None = Field(None, description="the cell proves that the plan can tell good from bad")
    skip: Annotated[str, Field(min_length=1)] | None = Field(None, description="never run, for this reason")


class Defaults(Fields):
    """Fields that all tests share."""

    expect: Expect | None = Field(None, description="what the kernel is expected to do")


class PlanTest(Defaults):
    """One test: a workload on a zram device, and when it has done enough."""

    description: str | None = Field(None, description="what the test shows")
    kernels: KernelChoice | None = Field(None, description="only on these kernels; default: all")
    axes: list[Name] | None = Field(None, description="only these axes of the matrix apply; default: all")


class Axis(Strict):
    """An axis: values for one field (`set`), or named sets of fields."""

    set: str | None = Field(None, description="the field that the values go to, such as zram.algorithm")
    values: Any = Field(description="a list for `set`, else a mapping: name of the value to the fields it sets")


class Selector(Strict):
    """Cells by kernel, test and axis values; what is omitted matches all."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=kebab,
        json_schema_extra=lambda s: s.update(additionalProperties=MANY_SCHEMA),
    )
    kernel: Patterns | None = Field(None, description="names or globs")
    line: Patterns | None = Field(None, description="lines of kernels, names or globs")
    variant: Patterns | None = Field(None, description="variants of kernels, names or globs")
    test: Patterns | None = Field(None, description="names or globs")
    axes_: SkipJsonSchema[dict[str, Patterns]] = Field(default_factory=dict, alias=" axes", exclude=True)

    @classmethod
    def _hidden(cls) -> tuple[str, ...]:
        return ("axes_",)

    @classmethod
    def _take(cls, clean: dict[str, Any], key: str, value: Any, info: ValidationInfo) -> bool:
        if key not in cls._more(info):
            return False
        clean.setdefault(" axes", {})[key] = value
        return True

    @classmethod
    def _more(cls, info: ValidationInfo) -> tuple[str, ...]:
        return tuple((info.context or {}).get("axes", ()))


class Override(Selector, Fields):
    """What is different in the cells it selects; later entries win. It must select at least one cell."""

    derived: Literal["pass", "oops"] | None = Field(
        None, description="only where this outcome is derived; it holds when the cell's source is known"
    )
    outcome: Literal["pass", "oops"] | None = Field(
        None, description="expected outcome; changing it clears floors, ceilings and oops that were set before"
    )
    oops: Oops | None = Field(None, description="which oops is the expected one")
    floors: Bounds | None = Field(None, description="counter: at least")
    ceilings: Bounds | None = Field(None, description="counter: at most")


_AXES_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1},
            {
                "type": "object",
                "properties": {
                    "set": {"type": "string", "description": "the field that the values go to, as zram.algorithm"},
                    "values": {
                        "description": "a list for `set`; else a mapping, name of the value to the fields it sets",
                        "anyOf": [
                            {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1},
                            {"type": "object", "additionalProperties": {"$ref": "#/$defs/Defaults"}},
                        ],
                    },
                },
                "required": ["values"],
                "additionalProperties": False,
            },
        ]
    },
}


class Matrix(Strict):
    """Axes beside kernel and test."""

    axes: dict[Name, Axis] = Field(default_factory=dict, description="axis name: values")
    include: list[Selector] = Field(default_factory=list, description="cells to add; axes may take new values")
    exclude: list[Selector] = Field(default_factory=list, description="cells to leave out")

    @field_validator("axes", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """`compressor: [lzo, zstd]` is short for a mapping; `set` follows from the axis' name where it is known."""
        if not isinstance(value, dict):
            return value
        full = {name: {"values": axis} if isinstance(axis, list) else axis for name, axis in value.items()}
        return {
            name: {"set": vocabulary.KNOWN_AXES[name], **axis}
            if name in vocabulary.KNOWN_AXES and isinstance(axis, dict) and isinstance(axis.get("values"), list)
            else axis
            for name, axis in full.items()
        }


class PlanFile(Strict):
    """A test plan: kernels by tests by axes, and what is expected of each cell."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=kebab, title="kzram-ci plan")
    name: Name = Field(description="short name, used in the run directory's name")
    description: str = Field("", description="what the plan shows")
    kernels: KernelsOfPlan = Field(
        description="names of kernels, or kernels written out; or lines and variants, each with each"
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
    expect: list[Override] = Field(default_factory=list, description="per-cell overrides; later entries win")
    seed: Annotated[int, Field(ge=0)] = Field(1, description="each cell's seed is derived from this and its id")
    boot_retries: Annotated[int, Field(ge=0, le=10)] = Field(2, description="for boots that never reach the workload")
    jobs: Annotated[int, Field(ge=0)] = Field(0, description="guests at a time; 0: as many as the host carries")


def schema(kind: type[BaseModel] = PlanFile, identity: str = SCHEMA_ID) -> dict[str, Any]:
    """JSON Schema (2020-12) of plans, or of kernel files, for editors."""
    document = kind.model_json_schema(by_alias=True)
    if matrix := document.get("$defs", {}).get("Matrix"):  # the short form is unfolded before pydantic sees it
        matrix["properties"]["axes"] |= _AXES_SCHEMA
        document["$defs"].pop("Axis", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identity, **document}
