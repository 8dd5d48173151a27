"""The base of every model of the grammar: unknown keys are errors with a suggestion; imported late. Pure."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

from kzram_ci.base.grammar.yaml_source import Map
from kzram_ci.base.suggest import allowed


def kebab(name: str) -> str:
    """A key in the spelling of documents: with dashes. Underscores are accepted too."""
    return name.replace("_", "-")


class Strict(BaseModel):
    """Unknown keys are errors with a suggestion; all of them are reported, whatever else is wrong."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=kebab, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _keys(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        known = [field.alias or name for name, field in cls.model_fields.items() if name not in cls._hidden()]
        clean: dict[str, Any] = {}
        for key, value in data.items():
            name = next((a for a in known if kebab(a) == kebab(key)), None)
            if name is not None:
                clean[name] = value
            elif not cls._take(clean, key, value, info):
                _unknown(data, key, sorted({*known, *cls._more(info)}), info)
        return clean

    @classmethod
    def _hidden(cls) -> tuple[str, ...]:
        """Fields that are not keys of the file."""
        return ()

    @classmethod
    def _take(cls, clean: dict[str, Any], key: str, value: Any, info: ValidationInfo) -> bool:
        """Whether the model takes a key that is not one of its fields."""
        return False

    @classmethod
    def _more(cls, info: ValidationInfo) -> tuple[str, ...]:
        """Keys that `_take` takes."""
        return ()


def _unknown(data: dict[str, Any], key: str, known: list[str], info: ValidationInfo) -> None:
    text = f"unknown key {key!r}; {allowed(key, known)}"
    if key == "<<":
        text = "merge keys are not supported; use an alias for a whole value, or the file's own way to share fields"
    if info.context is None or not isinstance(data, Map):
        raise ValueError(text)
    info.context["problems"].add(data.file, (*data.at, key), text, key=True)
