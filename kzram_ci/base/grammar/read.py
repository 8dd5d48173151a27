"""A file to a checked model, or all that is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kzram_ci.base.errors import PlanError
from kzram_ci.base.grammar.problems import Document, Problems
from kzram_ci.base.grammar.validation import checked
from kzram_ci.base.grammar.yaml_source import parse

if TYPE_CHECKING:
    from pydantic import BaseModel

    M = TypeVar("M", bound=BaseModel)


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises PlanError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PlanError(f"{path}:1:1: cannot be read: {error.strerror}") from error


def read_document(path: Path, problems: Problems) -> Document:
    """The data of a file with positions; its `data` is None when that is recorded as wrong. Raises PlanError."""
    return parse(read_bytes(path), str(path), problems)


def read_model(model: type[M], path: Path, problems: Problems) -> M | None:
    """The model of a file; None when what is wrong with it is recorded. Raises PlanError when it cannot be read."""
    document = read_document(path, problems)
    return None if document.data is None else checked(model, document.data, document, problems)
