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
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from kzram_ci.model.vocab import OOPS_TYPES
from kzram_ci.plan import vocabulary
from kzram_ci.plan.marks import Map, allowed
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
    text_of,
)

SCHEMA_ID = "urn:kzram-ci:schema:plan:1"
KERNEL_SCHEMA_ID = "urn:kzram-ci:schema:kernel:1"


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Strict(BaseModel):
    """Unknown keys are errors with a suggestion; all of them are reported, whatever else is wrong."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=_kebab)

    @model_validator(mode="before")
    @classmethod
    def _keys(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        known = [field.alias or name for name, field in cls.model_fields.items() if name != "axes_"]
        clean: dict[str, Any] = {}
        for key, value in data.items():
            name = next((a for a in known if _kebab(a) == _kebab(key)), None)
            if name is not None:
                clean[name] = value
            elif not cls._take(clean, key, value, info):
                _unknown(data, key, sorted({*known, *cls._more(info)}), info)
        return clean

    @classmethod
    def _take(cls, clean: dict[str, Any], key: str, value: Any, info: ValidationInfo) -> bool:
        """Whether a model knows what to do with a key that is no field of it."""
        return False

    @classmethod
    def _more(cls, info: ValidationInfo) -> tuple[str, ...]:
        return ()


def _unknown(data: dict[str, Any], key: str, known: list[str], info: ValidationInfo) -> None:
    told = f"unknown key {key!r}; {allowed(key, known)}"
    if key == "<<":
        told = "merge keys are not supported; put what tests share under `defaults:`"
    if info.context is None or not isinstance(data, Map):
        raise ValueError(told)
    info.context["problems"].add(data.file, (*data.at, key), told, key=True)


class Source(Strict):
    """Where a kernel's source comes from."""

    kind: Literal["debian", "directory", "git", "tarball", "image"] = Field(
        description="debian: a linux-source or linux-image package; directory: your own tree, never modified; "
        "git: a commit of a repository; tarball; image: a ready bzImage, no build"
    )
    package: Word | None = Field(
        None, description="debian: the package, such as linux-source-6.12; linux-image-* is booted as it is"
    )
    suite: Word | None = Field(None, description="debian: archive suite; default: what the host's apt offers")
    mirror: Word | None = Field(None, description="debian: URL of the mirror that has the suite; default: the host's")
    path: str | None = Field(None, description="directory, image, tarball, git: a path, relative to this file")
    url: str | None = Field(None, description="git, tarball: where to fetch from")
    ref: Word | None = Field(None, description="git: branch, tag or commit")
    modules: str | None = Field(None, description="image: directory of its modules; default: where systems have it")
    config: str | None = Field(None, description="image: its .config; default: where systems have it")
    debug: str | None = Field(None, description="image: vmlinux with symbols; default: where systems have it")
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(None, description="tarball: its digest")


class KernelFile(Strict):
    """A kernel to test: source, patch series, config fragments; `base` inherits all from another kernel."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=lambda name: name, title="kzram-ci kernel"
    )
    name: Name | None = Field(None, description="the name; in a file of its own it must be the file's name")
    description: str | None = Field(None, description="what this kernel is for")
    base: Name | None = Field(None, description="kernel to inherit from")
    source: Source | None = Field(None, description="where the source comes from; default: the base's")
    arch: Word | None = Field(None, description="architecture; default: the base's, else x86_64")
    series: list[Word] | None = Field(None, description="patch series in order; replaces the base's")
    add_series: list[Word] | None = Field(None, description="patch series applied after the base's")
    config: list[Word] | None = Field(None, description="config fragments in order; replaces the base's")
    add_config: list[Word] | None = Field(None, description="config fragments merged after the base's")
    make: (
        dict[Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")], Annotated[str, BeforeValidator(text_of)]] | None
    ) = Field(None, description="make variables, such as CC: gcc-11; merged over the base's")


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
    """What the kernel is expected to do."""

    outcome: Literal["pass", "oops"] | None = Field(
        None, description="default pass; changing it clears floors, ceilings and oops that were set before"
    )
    oops: Oops | None = Field(None, description="which oops is the expected one")
    floors: Bounds | None = Field(None, description="counter: at least; below it there is no proof")
    ceilings: Bounds | None = Field(None, description="counter: at most; above it is a finding (pass: overruns: 0)")


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
    kernels: Patterns | None = Field(None, description="only on these kernels (names or globs); default: all")
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
        alias_generator=_kebab,
        json_schema_extra=lambda s: s.update(additionalProperties=MANY_SCHEMA),
    )
    kernel: Patterns | None = Field(None, description="names or globs")
    test: Patterns | None = Field(None, description="names or globs")
    axes_: SkipJsonSchema[dict[str, Patterns]] = Field(default_factory=dict, alias=" axes", exclude=True)

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


KernelEntry = Annotated[
    Annotated[Name, Tag("name")] | Annotated[KernelFile, Tag("kernel")],
    Discriminator(lambda value: "kernel" if isinstance(value, dict) else "name"),
]


class PlanFile(Strict):
    """A test plan: kernels by tests by axes, and what is expected of each cell."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=_kebab, title="kzram-ci plan")
    name: Name = Field(description="short name, used in the run directory's name")
    description: str = Field("", description="what the plan shows")
    kernels: Annotated[list[KernelEntry], Field(min_length=1)] = Field(
        description="names of kernels/<name>.yaml, or kernels written out"
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
