"""The grammar of series.yaml, as pydantic models; imported late. Pure."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from kzram_ci.base.grammar.scalars import Checked, Name, Regex, Text, no_items, no_rows, text_of
from kzram_ci.base.grammar.strict import Strict
from kzram_ci.model.version import is_constraint


def _check_constraint(value: str) -> str:
    if not is_constraint(value):
        raise ValueError(f'{value!r} is not a constraint; write them such as ">=6.12", "<6.13"')
    return value


def _check_path(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{value!r} must lie below the directory of the series")
    return value


def _check_tree_path(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or value.split() != [value]:
        raise ValueError(f"{value!r} is not a path in the tree")
    return value


def _yes_or_no(value: Any) -> Any:
    """`yes` and `no` are words in YAML 1.2."""
    return {"yes": True, "no": False}.get(value, value) if isinstance(value, str) else value


Constraint = Annotated[str, Checked(before=text_of, after=_check_constraint)]
PatchFile = Annotated[str, Checked(before=text_of, after=_check_path)]
TreePath = Annotated[str, Checked(after=_check_tree_path)]
YesOrNo = Annotated[
    bool, Checked(before=_yes_or_no), WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no"]}]})
]
Needs = dict[TreePath, Annotated[list[Regex], Field(min_length=1)]]
_NEEDS_TOO = "the needs of the series hold too"


class SeriesLine(Strict):
    """The patches of a series for one range of versions."""

    versions: Annotated[list[Constraint], Field(min_length=1)] = Field(
        description='constraints on the kernel version that must all hold, such as [">=6.1", "<6.2"]'
    )
    patches: Annotated[list[PatchFile], Field(min_length=1)] = Field(description="patch files, in order")
    needs: Needs = Field(default_factory=no_rows, description=f"as in the series; {_NEEDS_TOO}")


class SeriesFile(Strict):
    """A patch series: kernels/patches/<name>/series.yaml."""

    model_config = ConfigDict(title="kzram-ci series")
    name: Name = Field(description="the name; it must be the name of the directory")
    kind: Literal["fix", "regression", "instrument", "build"] = Field(
        description="fix: what is under test; regression: brings a fault back; instrument: only counts or delays; "
        "build: lets a kernel be built"
    )
    optional: YesOrNo = Field(
        False, description="yes: a version without patches of its own, where no other line's apply, is built without it"
    )
    after: list[Name] = Field(default_factory=no_items, description="series that must come before it")
    author: Text | None = Field(None, description="who wrote the patches")
    upstream: Text | None = Field(None, description="the commit that has the change upstream, or null")
    why: Text | None = Field(None, description="what it changes, and why")
    files: dict[TreePath, PatchFile] = Field(
        default_factory=no_rows,
        description="path in the tree: file beside series.yaml that is put there, on every version, first",
    )
    needs: Needs = Field(
        default_factory=no_rows,
        description="path in the tree: regular expressions that must be found in that file before the patches are "
        "applied: what they call, which locks they take, where context that matches is not enough",
    )
    hooks: PatchFile | None = Field(
        None,
        description="hooks.yaml: how code search puts it into a kernel that takes none of the patches",
    )
    versions: list[Constraint] = Field(
        default_factory=no_items,
        description="constraints on the kernel version that must all hold; omitted: any version",
    )
    patches: Annotated[list[PatchFile], Field(min_length=1)] | None = Field(
        None, description="patch files, in order; or `lines`"
    )
    lines: Annotated[list[SeriesLine], Field(min_length=1)] | None = Field(
        None, description="patch files by kernel version; the first line whose versions fit is taken"
    )
