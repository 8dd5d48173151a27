"""The grammar of axes, of selectors and of what differs in the cells they select. Imported late. Pure."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from kzram_ci.base.grammar.scalars import MANY_SCHEMA, Name, Patterns, no_items, no_rows
from kzram_ci.base.grammar.strict import Strict
from kzram_ci.plan import vocabulary
from kzram_ci.plan.cell_schema import Fields, Oops
from kzram_ci.plan.scalars import Bounds


class Axis(Strict):
    """An axis: values for one field (`set`), or named sets of fields."""

    set: str | None = Field(None, description="the field that the values go to, such as zram.algorithm")
    values: Any = Field(description="a list for `set`, else a mapping: name of the value to the fields it sets")

    @model_validator(mode="before")
    @classmethod
    def _values_have_a_key(cls, data: Any) -> Any:
        """One error where `values:` was left out, not one for each of them."""
        named = isinstance(data, dict) and data and not {"set", "values"} & data.keys()
        if named and all(isinstance(fields, dict) for fields in data.values()):
            raise ValueError(f"values with names stand under `values`: {{values: {{{next(iter(data))}: …}}}}")
        return data


class Selector(Strict):
    """Cells by kernel, test and axis values; what is omitted matches all."""

    model_config = ConfigDict(
        json_schema_extra=lambda s: s.update(additionalProperties=MANY_SCHEMA),
    )
    kernel: Patterns | None = Field(None, description="names or globs")
    line: Patterns | None = Field(None, description="lines of kernels, names or globs")
    variant: Patterns | None = Field(None, description="variants of kernels, names or globs")
    arch: Patterns | None = Field(None, description="architectures of kernels, names or globs")
    test: Patterns | None = Field(None, description="names or globs")
    axes_: SkipJsonSchema[dict[str, Patterns]] = Field(default_factory=no_rows, alias=" axes", exclude=True)

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


AXES_SCHEMA = {
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

    axes: dict[Name, Axis] = Field(default_factory=no_rows, description="axis name: values")
    include: list[Selector] = Field(default_factory=no_items, description="cells to add; axes may take new values")
    exclude: list[Selector] = Field(default_factory=no_items, description="cells to leave out")

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
