"""The grammar of hooks.yaml, as pydantic models; imported late. Pure."""

from string import Template
from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from kzram_ci.base import patterns
from kzram_ci.base.grammar.scalars import Checked, Name, Text, choice, no_items, no_rows, one_or_many, text_of
from kzram_ci.base.grammar.strict import Strict
from kzram_ci.kernel.hooks.hook import Hook, Order, Put, Search, Way, compiled

_EXAMPLE = (
    "code without comments, strings and directives; a blank stands for any blanks, <name> for a simple expression"
)


def _check_pattern(value: str) -> str:
    try:
        patterns.check(compiled(value).pattern)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a pattern: {error.__cause__}") from error
    return value


def _check_template(value: str) -> str:
    if not Template(value).is_valid():
        raise ValueError(f"{value!r} has a $ that begins no name; a dollar of its own is $$")
    return value


_STRING: dict[str, Any] = {"type": "string"}
Pattern = Annotated[str, Checked(before=text_of, after=_check_pattern), WithJsonSchema(_STRING)]
Patterns = Annotated[
    list[Pattern],
    Checked(before=one_or_many),
    WithJsonSchema({"anyOf": [_STRING, {"type": "array", "items": _STRING}]}),
]
Filled = Annotated[Text, Checked(after=_check_template)]
PutWord = Annotated[str, choice("place", tuple(Put)), WithJsonSchema({"enum": list(Put)})]


class WayModel(Strict):
    """One way to find the place of a hook."""

    at: Pattern | None = Field(None, description=f"what is found; a group (?P<here>) in it is the place. {_EXAMPLE}")
    put: PutWord = Field(description="where the text goes, seen from there")
    text: Filled = Field(description="what is put there; $name is a group, or one of `set`")
    function: Pattern | None = Field(None, description="only in functions of this name; omitted: in the whole text")
    having: Patterns = Field(default_factory=no_items, description="only in functions that have all of these")
    given: Patterns = Field(default_factory=no_items, description="only in files that have all of these")
    unless: Patterns = Field(default_factory=no_items, description="only in files that have none of these")
    from_function: Patterns = Field(
        default_factory=no_items, description="more groups, each with one value in the function"
    )
    from_file: Patterns = Field(default_factory=no_items, description="more groups, each with one value in the file")
    set: dict[Name, Annotated[str, Checked(before=text_of, after=_check_template)]] = Field(
        default_factory=no_rows, description="more names for the text"
    )


class HookModel(Strict):
    """Something that is put into a file."""

    name: Name = Field(description="for people")
    file: Text = Field(description="path in the tree")
    mark: Text = Field(description="stands once in each text of the hook, and nowhere in a file without the hook")
    ways: Annotated[list[WayModel], Field(min_length=1)] = Field(
        description="ways to find the places; all of them together must give as many as wanted"
    )
    given: Pattern | None = Field(None, description="only for a file that has this; others need no such hook")
    times: int = Field(1, ge=1, description="how often it is wanted")
    each: Pattern | None = Field(None, description="wanted once for each of these, instead of `times`")
    among: Pattern | None = Field(None, description="where `each` is looked for: functions of this name")


class OrderModel(Strict):
    """What must follow what in the functions that hold a mark."""

    file: Text = Field(description="path in the tree")
    mark: Text = Field(description="functions that hold this")
    steps: Annotated[list[Pattern], Field(min_length=2)] = Field(description="in this order, as far as they are there")


class HooksFile(Strict):
    """An instrument by code search: kernels/patches/<series>/hooks.yaml."""

    model_config = ConfigDict(title="kzram-ci hooks")
    hooks: Annotated[list[HookModel], Field(min_length=1)] = Field(description="what is put into the source")
    order: list[OrderModel] = Field(default_factory=no_items, description="checks of the result")


def search_from(model: HooksFile) -> Search:
    """The value of a checked hooks.yaml."""
    return Search(
        hooks=tuple(_hook(row) for row in model.hooks),
        orders=tuple(Order(file=row.file, mark=row.mark, steps=tuple(row.steps)) for row in model.order),
    )


def _hook(row: HookModel) -> Hook:
    return Hook(
        name=row.name,
        file=row.file,
        mark=row.mark,
        ways=tuple(_way(way) for way in row.ways),
        given=row.given or "",
        times=row.times,
        each=row.each or "",
        among=row.among or "",
    )


def _way(row: WayModel) -> Way:
    return Way(
        put=Put(row.put),
        text=row.text,
        at=row.at or "",
        function=row.function or "",
        having=tuple(row.having),
        given=tuple(row.given),
        unless=tuple(row.unless),
        from_function=tuple(row.from_function),
        from_file=tuple(row.from_file),
        sets=tuple(row.set.items()),
    )
