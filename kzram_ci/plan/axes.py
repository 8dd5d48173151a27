"""The axes of a matrix: a name, and for each of its values the fields it sets. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kzram_ci.base.grammar.problems import Document, Problems, Where
from kzram_ci.base.grammar.validation import checked
from kzram_ci.base.grammar.yaml_source import Map
from kzram_ci.base.suggest import did_you_mean
from kzram_ci.model.again import AXIS
from kzram_ci.plan import vocabulary
from kzram_ci.plan.merge import Data, as_data

if TYPE_CHECKING:
    from kzram_ci.plan.schema import PlanFile

Axes = dict[str, dict[str, Data]]
_LABEL = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")


def axis_names(data: Any, file: str, problems: Problems) -> tuple[str, ...]:
    """The axes a plan names, read before the schema is applied: selectors use them as keys."""
    from kzram_ci.plan.matrix_schema import Override

    matrix = data.get("matrix") if isinstance(data, dict) else None
    axes = matrix.get("axes") if isinstance(matrix, dict) else None
    if not isinstance(axes, dict):
        return ()
    reserved = {field.alias or name for name, field in Override.model_fields.items()}
    for name in axes:
        if name == AXIS:
            text = f"an axis cannot be called {name!r}: so are the repeats of a cell that `run --budget` adds"
            problems.add(file, ("matrix", "axes", name), text, key=True)
        if name.replace("_", "-") in reserved:
            text = f"an axis cannot be called {name!r}: entries under expect use that word"
            problems.add(file, ("matrix", "axes", name), text, key=True)
    return tuple(axes)


def axis_fields(model: PlanFile, document: Document, problems: Problems) -> Axes:
    """For each axis, what each of its values sets, by label."""
    result: Axes = {}
    for name, axis in model.matrix.axes.items():
        where: Where = ("matrix", "axes", name)
        place = (*where, "values") if document.has((*where, "values")) else where
        if isinstance(axis.values, list) and axis.values:
            result[name] = _listed(name, axis.set, axis.values, document=document, problems=problems, where=place)
        elif isinstance(axis.values, dict) and axis.values:
            if axis.set is not None:
                problems.add(document.file, (*where, "set"), "with named values, each says itself what it sets")
            result[name] = _named(axis.values, document, problems, place)
        else:
            problems.add(document.file, place, "an axis needs values: a list, or a mapping of names to fields")
            result[name] = {}
    return result


def _listed(
    name: str, field: str | None, values: list[Any], *, document: Document, problems: Problems, where: Where
) -> dict[str, Data]:
    if field is None:
        near = did_you_mean(name, vocabulary.KNOWN_AXES)
        text = (
            f"axis {name!r} does not say which field it sets: write {{set: FIELD, values: [...]}}; "
            f"only {', '.join(sorted(vocabulary.KNOWN_AXES))} need no `set`{near}"
        )
        problems.add(document.file, where, text, key=True)
        return {}
    result: dict[str, Data] = {}
    for index, value in enumerate(values):
        place = (*where, index)
        name_of_value = label(value)
        if name_of_value is None:
            text = "this value cannot be part of a cell's id; write values as a mapping: name: {field: value}"
            problems.add(document.file, place, text)
        elif name_of_value in result:
            problems.add(document.file, place, f"the value {name_of_value!r} is listed twice")
        else:
            result[name_of_value] = _set(field, value, document, problems, place) or {}
    return result


def label(value: Any) -> str | None:
    """A value's name in cell ids, None when it has none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value) if isinstance(value, (str, int, float)) else ""
    return text if _LABEL.match(text) else None


def _set(field: str, value: Any, document: Document, problems: Problems, where: Where) -> Data | None:
    """Fields with one of them set: `zram.algorithm` to a value."""
    from kzram_ci.plan.cell_schema import Defaults

    data = value
    for part in reversed(field.split(".")):
        outer = Map({part: data})
        outer.file, outer.at = document.file, where
        data = outer
    model = checked(Defaults, data, document, problems, where=where)
    return as_data(model) if model is not None else None


def _named(values: Mapping[str, Any], document: Document, problems: Problems, where: Where) -> dict[str, Data]:
    from kzram_ci.plan.cell_schema import Defaults

    result: dict[str, Data] = {}
    for name, fields in values.items():
        place = (*where, name)
        if not _LABEL.match(name):
            problems.add(document.file, place, f"{name!r} cannot be part of a cell's id", key=True)
        model = checked(Defaults, fields, document, problems, where=place)
        result[name] = as_data(model) if model is not None else {}
    return result


def include_values(model: PlanFile, axes: Axes, document: Document, problems: Problems) -> Axes:
    """The axes with the values that only `include` names: allowed where an axis sets one field."""
    result = {name: dict(values) for name, values in axes.items()}
    for index, entry in enumerate(model.matrix.include):
        for name, wanted in entry.axes_.items():
            field = model.matrix.axes[name].set
            for text in wanted:
                if field is None or text in result[name] or not _LABEL.match(text):
                    continue
                where: Where = ("matrix", "include", index, name)
                result[name][text] = _set(field, _scalar(text), document, problems, where) or {}
    return result


def _scalar(text: str) -> Any:
    if re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    return {"true": True, "false": False}.get(text, text)
