"""The grammar of rootfs/rootfs.yaml, as pydantic models; imported late. Pure."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from kzram_ci.base.grammar.scalars import Checked, Text, Word, any_word, no_items, no_rows, text_of
from kzram_ci.base.grammar.strict import Strict

Mode = Annotated[str, Checked(before=text_of), Field(pattern="^[0-7]{3,5}$")]
Applet = Annotated[str, Checked(before=any_word), Field(min_length=1)]  # true and false are programs


class FileRow(Strict):
    """A file of the guest."""

    from_: Text = Field(alias="from", description="the file here, relative to rootfs.yaml")
    mode: Mode | None = Field(None, description='octal mode, such as "0755"; default "0644"')


class NodeRow(Strict):
    """A device node."""

    path: Text = Field(description="its path in the guest")
    type: Literal["b", "c"] = Field(description="b: block device; c: character device")
    major: Annotated[int, Field(ge=0)] = Field(description="major number")
    minor: Annotated[int, Field(ge=0)] = Field(description="minor number")
    mode: Mode = Field("0600", description="octal mode")


class BusyboxRow(Strict):
    """Links to busybox."""

    init: list[Applet] = Field(default_factory=no_items, description="programs that init needs")
    shell: list[Applet] = Field(
        default_factory=no_items, description="programs that a shell has, where busybox has them"
    )


class RecipeFile(Strict):
    """The recipe of the guest's initramfs: rootfs/rootfs.yaml."""

    model_config = ConfigDict(title="kzram-ci rootfs", alias_generator=lambda name: name)
    programs: dict[Word, Annotated[list[Text], Field(min_length=1)]] = Field(
        description="program: its C sources, compiled to /bin/PROGRAM"
    )
    headers: list[Text] = Field(default_factory=no_items, description="files that the sources include")
    cflags: list[Text] = Field(default_factory=no_items, description="flags for the compiler")
    files: dict[str, FileRow] = Field(default_factory=no_rows, description="path in the guest: where it comes from")
    busybox: BusyboxRow = Field(
        default_factory=lambda: BusyboxRow.model_validate({}), description="links to the static busybox"
    )
    directories: list[Text] = Field(default_factory=no_items, description="directories of the guest")
    nodes: list[NodeRow] = Field(default_factory=no_items, description="device nodes")
    kernel_config: list[Word] = Field(default_factory=no_items, description="what a kernel must have for this guest")
