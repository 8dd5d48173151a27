"""The grammar of what a cell is: guest, zram device, fault injection, expectation. Imported late. Pure."""

from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from kzram_ci.base.grammar.scalars import Checked, Name, Regex, Word, choice, one_or_many
from kzram_ci.base.grammar.strict import Strict
from kzram_ci.model import filesystem
from kzram_ci.model.vocab import MOST_REPEATS, OOPS_TYPES
from kzram_ci.plan.merge import EVIDENCE
from kzram_ci.plan.scalars import (
    Algorithm,
    ArgValue,
    Bounds,
    Command,
    Counter,
    GuestPaths,
    KernelWord,
    MountOptions,
    Names,
    OopsType,
    Paths,
    Patterns,
    Seconds,
    Size,
    Words,
    Workload,
)


def _on_off(given: Any) -> Any:
    """The words `on` and `off`, which YAML 1.1 reads as true and false."""
    return ("off", "on")[given] if isinstance(given, bool) else given


class Machine(Strict):
    """Size and kind of the guest."""

    memory: Size | None = Field(None, description="guest memory, such as 768M; default 768M")
    cpus: Annotated[int, Field(ge=1, le=256)] | None = Field(None, description="virtual CPUs; default 2")
    accel: Literal["auto", "kvm", "tcg"] | None = Field(
        None, description="auto proves an accelerator first; default auto"
    )
    disk: Size | None = Field(None, description="scratch virtio disk, such as 256M; 0: none")
    cmdline: list[KernelWord] | None = Field(
        None, description='words added to the kernel command line; blanks in double quotes: dyndbg="file zram_drv.c +p"'
    )
    qemu_args: list[str] | None = Field(None, description="arguments added to QEMU's")
    dump: Literal["never", "on-crash"] | None = Field(
        None, description="on-crash: the memory of a guest that crashed or hangs is kept, for drgn; default never"
    )
    dump_limit: Size | None = Field(None, description="a dump that grows larger is given up; default 1G")
    boot_timeout: Seconds | None = Field(None, description="the workload must have started by then; default 120s")
    console_limit: Size | None = Field(None, description="a console larger than this is a flood; default 64M")
    snapshot: (
        Annotated[
            Literal["auto", "off", "on", "per-seed"],
            Checked(before=_on_off),
            WithJsonSchema({"enum": [True, False, "auto", "off", "on", "per-seed"]}),
        ]
        | None
    ) = Field(
        None,
        description="start cells from a saved guest that has booted, kept in the cache; auto, the default: where that "
        "was measured to change nothing; per-seed: one for each seed",
    )


class Zram(Strict):
    """The zram device."""

    size: Size | None = Field(None, description="disksize, such as 512M; default 512M")
    algorithm: Algorithm | None = Field(None, description="comp_algorithm; default lzo-rle")
    stable_writes: bool | None = Field(
        None, description="written to queue/stable_writes before swapon; omitted: left as the kernel has it"
    )
    swap: bool | None = Field(None, description="true: swap on it; false: the raw device only; default true")


class Filesystem(Strict):
    """A file system on the zram device, in place of swap; a kind alone is short for it."""

    model_config = ConfigDict(
        json_schema_extra=lambda s: s.update(type=["object", "string"], pattern=f"^({'|'.join(filesystem.NAMES)})$"),
    )
    kind: Annotated[str, choice("file system", filesystem.NAMES)] | None = Field(
        None, description=f"{', '.join(filesystem.NAMES)}; a kernel that is built needs the config fragment `fs`"
    )
    options: Words | None = Field(None, description="words for its mkfs, such as -O ^has_journal")
    mount: MountOptions | None = Field(
        None, description="mount options, such as data=journal; each must be in force afterwards"
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"kind": data} if isinstance(data, str) else data


class Root(Strict):
    """The root file system that the cell's programs see."""

    kind: Literal["initramfs", "debian", "image"] | None = Field(
        None, description="initramfs: ours, the default; debian: made of packages; image: a disk of your own"
    )
    suite: Name | None = Field(None, description="debian: of the archive; default trixie")
    packages: list[Annotated[str, Field(pattern="^[a-z0-9][a-z0-9+.-]*$")]] | None = Field(
        None, description="debian: more than the essential ones and apt"
    )
    path: str | None = Field(None, description="image: a disk, raw or qcow2, whole or partitioned")


class FaultInjection(Strict):
    """Which injector makes zram's atomic allocation fail, and how often."""

    kind: Literal["none", "failslab", "fail_page_alloc"] | None = Field(None, description="default none")
    probability: Annotated[int, Field(ge=0, le=100)] | None = Field(None, description="percent; default 100")
    interval: Annotated[int, Field(ge=1)] | None = Field(None, description="fail every n-th; default 1")
    times: Annotated[int, Field(ge=-1)] | None = Field(None, description="how often at most; -1 without limit")


class StopEvidence(Strict):
    """`evidence:` of `stop:`; a number alone is short for `luck`."""

    luck: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="the probability with which a kernel as bad as the control may come through"
    )
    races: Counter | None = Field(None, description="the counter of races; default: what the floors say")


def _long(value: Any) -> Any:
    """`evidence: 0.01` as a mapping, so that it is told from the bound of a counter."""
    if not isinstance(value, dict) or isinstance(value.get(EVIDENCE), dict | None):
        return value
    return {**value, EVIDENCE: {"luck": value[EVIDENCE]}}


def _only_evidence(value: dict[str, Any]) -> dict[str, Any]:
    for name, bound in value.items():
        if name != EVIDENCE and isinstance(bound, StopEvidence):
            raise ValueError(f"{name}: expected a whole number, got a mapping")
    return value


def _kind(value: Any) -> str:
    return EVIDENCE if isinstance(value, dict | StopEvidence) else "bound"


_Bound = Annotated[Annotated[int, Field(ge=0)], Tag("bound")] | Annotated[StopEvidence, Tag(EVIDENCE)]
_STOP_SCHEMA = {
    "type": "object",
    "properties": {
        EVIDENCE: {
            "description": "the probability with which a kernel as bad as the control may come through",
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                {
                    "type": "object",
                    "properties": {
                        "luck": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                        "races": {"type": "string"},
                    },
                    "required": ["luck"],
                    "additionalProperties": False,
                },
                {"type": "null"},
            ],
        }
    },
    "additionalProperties": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
}
Stop = Annotated[
    dict[Counter, Annotated[_Bound, Discriminator(_kind)] | None],
    Checked(before=_long, after=_only_evidence),
    WithJsonSchema(_STOP_SCHEMA),
]


class Oops(Strict):
    """Which oops counts as the expected one; what is omitted matches anything."""

    types: (
        Annotated[
            list[OopsType],
            Checked(before=one_or_many),
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

    workload: Workload | None = Field(
        None,
        description="program in the guest: anonmutate, directmutate, fsmutate, pressure; script, kunit, kselftest",
    )
    args: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_-]*$")], ArgValue] | None = Field(
        None, description="arguments: `pages: 8192` becomes --pages 8192, true a bare flag, false and null nothing"
    )
    run: Command | None = Field(
        None, description="script: the test's program and its arguments; ./NAME lies beside the plan and is sent along"
    )
    files: Paths | None = Field(
        None, description="script: files and folders of the plan's folder that the guest gets, in the test's folder"
    )
    programs: Names | None = Field(
        None,
        description="script, kselftest: programs of this host that the guest gets, with their libraries, such as bash",
    )
    results: GuestPaths | None = Field(
        None, description="script: files of the guest that come back into the cell's directory, 8 MiB together"
    )
    suites: Word | None = Field(
        None, description="kunit: only these suites, as a glob, or SUITE.TEST; default: all that the kernel has"
    )
    collections: Patterns | None = Field(
        None, description="kselftest: which, or COLLECTION:TEST, as globs; built from the cell's own kernel tree"
    )
    test_timeout: Annotated[Seconds, Field(ge=1)] | None = Field(
        None, description="kselftest: limit of a single test, in place of the one that the tree gives it"
    )
    zram: Zram | None = Field(None, description="the zram device; script, kunit, kselftest: none unless this is there")
    filesystem: Filesystem | None = Field(None, description="a file system on the zram device, in place of swap")
    rootfs: Root | None = Field(None, description="the root file system that programs see")
    fault: FaultInjection | None = Field(None, description="fault injection on zram's atomic allocation")
    machine: Machine | None = Field(None, description="over the plan's machine")
    stop: Stop | None = Field(
        None,
        description="counter: at least; when all are reached the cell ends. `evidence`: so many races that a kernel as "
        "bad as the control would come through with this probability at most",
    )
    duration: Seconds | None = Field(None, description="the workload ends at the latest after this; default 60s")
    sample: Seconds | None = Field(None, description="how often counters are sampled; default 250ms")
    readers: Annotated[int, Field(ge=0, le=64)] | None = Field(
        None, description="background readers of the scratch disk, for page cache pressure"
    )
    uid: Annotated[int, Field(ge=0, lt=1 << 31)] | None = Field(
        None, description="user that readers are, and a workload that can (fsmutate); default 0, root"
    )
    repeats: Annotated[int, Field(ge=1, le=MOST_REPEATS)] | None = Field(
        None, description="a pass must come that often; an expected oops has that many tries; default 1"
    )
    control: bool | None = Field(None, description="the cell proves that the plan can tell good from bad")
    skip: Annotated[str, Field(min_length=1)] | None = Field(None, description="never run, for this reason")


class Defaults(Fields):
    """Fields that all tests share."""

    expect: Expect | None = Field(None, description="what the kernel is expected to do")
