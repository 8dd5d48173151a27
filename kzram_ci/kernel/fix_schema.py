"""The grammar of toolchain/fixes.yaml, as pydantic models; imported late. Pure."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, RootModel

from kzram_ci.base.grammar.scalars import Name, Regex, Text, Word, no_items
from kzram_ci.base.grammar.strict import Strict
from kzram_ci.kernel.schema import Constraint
from kzram_ci.model.version import TOOL


def _check_tool(value: str) -> str:
    if not TOOL.fullmatch(value):
        raise ValueError(f"{value!r} is not a tool with a version; write such as gcc>=10, clang<15 or ld>=2.36")
    return value


Texts = list[Text]


class FixRow(Strict):
    """What an old kernel needs with new tools."""

    name: Name = Field(description="name, for people")
    why: Text = Field(description="what goes wrong without it")
    versions: list[Constraint] = Field(
        default_factory=no_items, description="kernel versions it is applied to; omitted: it only gives advice"
    )
    arch: list[Word] = Field(default_factory=no_items, description="architectures; omitted: all")
    tools: list[Annotated[str, AfterValidator(_check_tool)]] = Field(
        default_factory=no_items, description="tools that must all match, such as gcc>=10 or ld>=2.36"
    )
    cc: Texts = Field(default_factory=no_items, description="flags for the kernel's compiler command")
    hostcflags: Texts = Field(default_factory=no_items, description="flags for host programs")
    config: Texts = Field(default_factory=no_items, description="lines of a config fragment that is merged last")
    upstream: list[Word] = Field(default_factory=no_items, description="commits that make it superfluous")
    symptoms: list[Regex] = Field(
        default_factory=no_items, description="regular expressions, searched in each line of the log of a failed build"
    )
    advice: Text | None = Field(None, description="what to do when a symptom is found")


class FixesFile(RootModel[list[FixRow]]):
    """Build fixes: kernels/toolchain/fixes.yaml."""

    model_config = ConfigDict(title="kzram-ci fixes")
