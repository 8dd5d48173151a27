"""The grammar of kernels: sources, kernel files, the rows of lines and variants. Imported late, as `schema` is."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from kzram_ci.base.grammar.scalars import Checked, Name, Patterns, Word, choice, no_rows, one_or_many, text_of
from kzram_ci.base.grammar.strict import Strict
from kzram_ci.model.arch import ARCHS


class Source(Strict):
    """Where a kernel's source comes from."""

    kind: Literal["debian", "directory", "git", "tarball", "image", "given"] = Field(
        description="debian: a linux-source or linux-image package; directory: your own tree, never modified; "
        "git: a commit of a repository; tarball; image: a ready bzImage, no build; given: a tree that only the user has"
    )
    package: Word | None = Field(
        None, description="debian: the package, such as linux-source-6.12; linux-image-* is booted without a build"
    )
    suite: Word | None = Field(None, description="debian: archive suite; default: what the host's apt offers")
    mirror: Word | None = Field(None, description="debian: URL of the mirror that has the suite; default: the host's")
    path: str | None = Field(None, description="directory, image, tarball, git: a path, relative to this file")
    url: str | None = Field(None, description="git, tarball: where to fetch from")
    ref: Word | None = Field(None, description="git: branch, tag or commit")
    modules: str | None = Field(None, description="image: directory of its modules; default: where systems have it")
    config: str | None = Field(None, description="image: its .config; default: where systems have it")
    debug: str | None = Field(None, description="image: vmlinux with symbols; default: where systems have it")
    how: str | None = Field(None, description="given: where such a tree is to be had")
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(None, description="tarball: its digest")


ARCH_NAMES = tuple(row.name for row in ARCHS)
Arch = Annotated[
    str, Checked(before=text_of), choice("architecture", ARCH_NAMES), WithJsonSchema({"enum": list(ARCH_NAMES)})
]
Archs = Annotated[list[Arch], Checked(before=one_or_many), Field(min_length=1)]


def _as_written(name: str) -> str:
    return name


class KernelFields(Strict):
    """What a kernel adds to its base."""

    model_config = ConfigDict(alias_generator=_as_written)
    description: str | None = Field(None, description="what it is for")
    base: Name | None = Field(None, description="kernel, of a variant: variant, to inherit from")
    arch: Arch | None = Field(None, description="architecture; default: the base's, else x86_64")
    series: list[Word] | None = Field(None, description="patch series in order; replaces the base's")
    add_series: list[Word] | None = Field(None, description="patch series applied after the base's")
    config: list[Word] | None = Field(None, description="config fragments in order; replaces the base's")
    add_config: list[Word] | None = Field(None, description="config fragments merged after the base's")
    make: (
        dict[Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")], Annotated[str, Checked(before=text_of)]] | None
    ) = Field(None, description="make variables, such as CC: gcc-11; merged over the base's")


class KernelFile(KernelFields):
    """A kernel to test: source, patch series, config fragments; `base` inherits all from another kernel."""

    model_config = ConfigDict(alias_generator=_as_written, title="kzram-ci kernel")
    name: Name | None = Field(None, description="the name; in a file of its own it must be the file's name")
    source: Source | None = Field(None, description="where the source comes from; default: the base's")


class LineRow(Strict):
    """A line of kernels: where its source is, and what is known of it."""

    model_config = ConfigDict(alias_generator=_as_written)
    description: str | None = Field(None, description="what is particular about this line")
    source: Source | None = Field(None, description="where the source of its kernels comes from")
    add_config: list[Word] | None = Field(None, description="config fragments merged after the variant's")
    facts: dict[Word, str] | None = Field(
        None, description="what the mechanism map finds in its source: plans are read without it"
    )


class LinesFile(Strict):
    """The lines of kernels, a row each; a row in the working directory lies over one that ships."""

    model_config = ConfigDict(title="kzram-ci lines")
    default: Name | None = Field(None, description="the line whose kernels have no suffix")
    lines: dict[Name, LineRow] = Field(default_factory=no_rows, description="name of the line: its row")


class VariantRow(KernelFields):
    """A variant: what is done to the source of any line."""

    idea: str | None = Field(None, description="whose idea it is")


class VariantsFile(Strict):
    """The variants of kernels, a row each; a row in the working directory lies over one that ships."""

    model_config = ConfigDict(title="kzram-ci variants")
    variants: dict[Name, VariantRow] = Field(default_factory=no_rows, description="name of the variant: its row")


class KernelAxes(Strict):
    """Kernels by their axes; what is omitted means all."""

    lines: Patterns | None = Field(None, description="lines of kernels/lines.yaml (names or globs)")
    variants: Patterns | None = Field(None, description="variants of kernels/variants.yaml (names or globs)")


KernelChoice = Annotated[
    Annotated[Patterns, Tag("names")] | Annotated[KernelAxes, Tag("axes")],
    Discriminator(lambda value: "axes" if isinstance(value, dict | KernelAxes) else "names"),
]
KernelEntry = Annotated[
    Annotated[Name, Tag("name")] | Annotated[KernelFile, Tag("kernel")],
    Discriminator(lambda value: "kernel" if isinstance(value, dict) else "name"),
]
KernelsOfPlan = Annotated[
    Annotated[list[KernelEntry], Field(min_length=1), Tag("list")] | Annotated[KernelAxes, Tag("axes")],
    Discriminator(lambda value: "axes" if isinstance(value, dict | KernelAxes) else "list"),
]
