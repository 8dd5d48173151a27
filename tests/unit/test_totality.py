"""A map over an enum has a row for each member: a new outcome, verdict or kind cannot be forgotten anywhere."""

import ast
import importlib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kzram_ci

PACKAGE = Path(kzram_ci.__file__).parent
# Maps that are partial on purpose: module, name, and why.
PARTIAL = {
    ("kzram_ci.watch.session", "_STEPS"): "an idle watch has no step to take",
    ("kzram_ci.plan.source_args", "FORMS"): "a given source is in no command line",
    ("kzram_ci.plan.source_args", "_EXTRAS"): "only these two sources take more after a #",
    ("kzram_ci.trial.decide", "_DULL"): "what is evidence has no reason for being none",
}


def modules() -> Iterator[tuple[ModuleType, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if parts[-1] not in ("__init__", "__main__"):
            yield importlib.import_module(".".join(parts)), ast.parse(path.read_text())


def enum_of(module: ModuleType, key: ast.expr | None) -> type[Enum] | None:
    """The enum whose member a key names."""
    if not (isinstance(key, ast.Attribute) and isinstance(key.value, ast.Name)):
        return None
    kind = getattr(module, key.value.id, None)
    return kind if isinstance(kind, type) and issubclass(kind, Enum) and key.attr in kind.__members__ else None


def maps() -> Iterator[tuple[str, str, type[Enum], set[Any]]]:
    """Every mapping that is written down with members of an enum as keys: where, name, enum, its keys."""
    for module, tree in modules():
        named = {
            id(inner): target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
            for inner in ast.walk(node.value)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict) and node.keys and (kind := enum_of(module, node.keys[0])) is not None:
                name = named.get(id(node), "")
                whole = getattr(module, name, None)
                if isinstance(whole, dict):
                    yield module.__name__, name, kind, set(whole)
                else:
                    keys = {kind[key.attr] for key in node.keys if isinstance(key, ast.Attribute)}
                    yield module.__name__, name or f"line {node.lineno}", kind, keys


FOUND = list(maps())


@pytest.mark.parametrize(("module", "name", "kind", "keys"), FOUND, ids=[f"{row[0]}.{row[1]}" for row in FOUND])
def test_a_map_over_an_enum_is_total(module: str, name: str, kind: type[Enum], keys: set[Any]) -> None:
    if (module, name) in PARTIAL:
        assert keys < set(kind), "not partial any more: take it off the list"
    else:
        assert keys == set(kind), sorted(set(kind) ^ keys, key=str)


def test_the_search_finds_the_maps() -> None:
    names = {(kind.__name__) for _, _, kind, _ in FOUND}
    assert {"Outcome", "Verdict", "Kind", "Stage", "SourceKind", "Fault"} <= names
    assert set(PARTIAL) <= {(module, name) for module, name, _, _ in FOUND}
