"""What each command prints with --json, as shapes that become JSON Schemas: `kzram-ci schema --json-of COMMAND`.

A dict is an object, its keys as they are printed (`key?`: not always there), a list an array, a string `module:Class`
a value as the codec writes it, a type itself. A tuple adds what the field means. VERSION goes up when a field goes or
changes its meaning; new fields may come at any time.
"""

from __future__ import annotations

import importlib
from typing import Any

VERSION = 1
_RESULT = "kzram_ci.model.evidence:CellResult"
_SIDE = {
    "boots": int,
    "crashed": int,
    "clean": int,
    "races": int | None,
    "lost": int | None,
    "signatures": (dict[str, int], "how often each crash came"),
}
_OTHER = {"signature": str, "title": str, "before": int, "after": int}
_OOPS = {"of": "kzram_ci.oops.model:Oops", "with": {"blame?": "kzram_ci.model.blame:Blame|None"}}

# name of the answer: the command that prints it, and the shape
ANSWERS: dict[str, tuple[str, Any]] = {
    "run": (
        "kzram-ci run PLAN --json",
        {
            "version": int,
            "run": (str, "the run directory"),
            "exit_code": (int, "of this command"),
            "results": ([_RESULT], "a value each cell, as `report --json` has it"),
        },
    ),
    "plan": (
        "kzram-ci plan PLAN --json",
        {
            "name": str,
            "description": str,
            "path": str,
            "cells": [{"of": "kzram_ci.model.cell:Cell", "without": ("cases",), "with": {"at_most_seconds": float}}],
            "kernels": (["kzram_ci.plan.cost:BuildCost"], "what each costs to build"),
        },
    ),
    "validate": (
        "kzram-ci validate PLAN --json",
        {
            "version": int,
            "plans": [
                {
                    "plan": (str, "as it was asked for"),
                    "good": bool,
                    "path": (str, "of its file; empty where there is none"),
                    "cells": int,
                    "kernels": int,
                    "problems": [{"file": str, "line": int, "column": int, "path": str, "text": str}],
                }
            ],
        },
    ),
    "build": ("kzram-ci build KERNEL --json", ["kzram_ci.model.kernel:KernelImage"]),
    "boot": (
        "kzram-ci boot KERNEL --json -- true",
        {
            "version": int,
            "kernel": str,
            "exit_code": (int, "of this command: the guest's command's own, 1 when the kernel crashed"),
            "output": (str, "what the command printed"),
            "notes": (list[str], "what a person is told: acceleration, a crash, decoded"),
            "directory": (str, "where the logs are kept; empty where they are not"),
        },
    ),
    "oops": ("kzram-ci oops LOG --json", [{"log": str, "oopses": [_OOPS]}]),
    "oops-group": (
        "kzram-ci oops LOG --group --json",
        [
            {
                "signature": str,
                "title": str,
                "count": int,
                "members": [{"log": str, "line": int, "signature": str, "differs": str}],
            }
        ],
    ),
    "ktap": (
        "kzram-ci ktap LOG --json",
        [
            {
                "log": str,
                "ok": bool,
                "counts": dict[str, int],
                "problems": list[str],
                "unplanned": (bool, "the log says nowhere how many tests there are"),
                "bailed_out": str | None,
                "tests": ["kzram_ci.ktap.report:Node"],
            }
        ],
    ),
    "report": ("kzram-ci report RUNDIR --json", [_RESULT]),
    "history": ("kzram-ci history --json", ["kzram_ci.results.trails:Trail"]),
    "history-runs": ("kzram-ci history --runs --json", ["kzram_ci.results.history:RunRecord"]),
    "history-crashes": ("kzram-ci history --crashes --json", ["kzram_ci.results.crashes:Crash"]),
    "history-import": ("kzram-ci history import RUNDIR --json", ["kzram_ci.results.imports:Imported"]),
    "compare": ("kzram-ci compare RUN_A RUN_B --json", ["kzram_ci.results.reports.compare:Change"]),
    "bisect": (
        "kzram-ci bisect status --json",
        {
            "directory": str,
            "done": bool,
            "answer": "kzram_ci.bisect.belief.decide:Answer|None",
            "revert": "kzram_ci.bisect.session.model:Revert|None",
            "wanted": (str, "the signatures that are looked for"),
            "no_culprit": (float, "probability that no commit of the range is to blame"),
            "lines": (list[str], "how far it is, for people"),
            "notes": list[str],
            "commits": [
                {
                    "commit": str,
                    "subject": str,
                    "probability": float,
                    "side": str,
                    "roles": list[str],
                    "boots": dict[str, int],
                    "build": str,
                }
            ],
        },
    ),
    "try": (
        "kzram-ci try SERIES --json",
        {
            "answer": (str | None, "fixed, not fixed, cannot say; null where the series does not apply or build"),
            "why": str,
            "exit_code": int,
            "directory?": str,
            "series?": {
                "title": str,
                "version": int,
                "message_id": str,
                "link": str,
                "base_commit": str,
                "patches": list[str],
            },
            "luck?": float,
            "notes?": list[str],
            "kernels?": ["kzram_ci.trial.model:BuildRecord"],
            "tests?": [
                {
                    "test": str,
                    "answer": str | None,
                    "why": str,
                    "guard": bool,
                    "unit": str,
                    "chance": float | None,
                    "fixed_by_patch?": int | None,
                    "before": _SIDE,
                    "after": _SIDE,
                }
            ],
            "new?": [_OTHER],
            "not_counted?": [_OTHER],
            "prefixes?": ["kzram_ci.trial.findings:Prefix"],
            "steps?": [{"patches": int, "signature": str}],
            "costs?": ["kzram_ci.trial.costs:Cost"],
            "oops?": str,
            "tested_by?": str,
        },
    ),
    "mechanism": (
        "kzram-ci mechanism KERNEL --json",
        {
            "kernel": str,
            "source": str,
            "series": list[str],
            "facts": (dict[str, dict[str, Any]], "by name: value, where it was found, the line there, why"),
            "amplifier": dict[str, Any],
            "expected": (dict[str, dict[str, Any]], "by workload"),
            "filesystem": dict[str, Any],
            "skipped": (str, "why the kernel's series have no meaning on this source; empty where they have"),
        },
    ),
    "doctor": ("kzram-ci doctor --json", {"ok": bool, "checks": ["kzram_ci.host.doctor:Check"]}),
    "repro": (
        "kzram-ci repro RUNDIR CELL --print --json",
        {"version": int, "cell": str, "commands": (list[str], "shell; comments begin with #")},
    ),
    "cache-ls": (
        "kzram-ci cache ls --json",
        [{"entry": str, "bytes": int, "age_seconds": (int, "since it was used last")}],
    ),
    "cache-gc": (
        "kzram-ci cache gc --json",
        {
            "version": int,
            "dry_run": bool,
            "freed_bytes": int,
            "entries": [{"entry": str, "bytes": int, "removed": (bool, "false: in use, or a dry run")}],
        },
    ),
}


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an answer."""
    command, shape = ANSWERS[name]
    parts: dict[str, Any] = {}
    body = _schema(shape, parts)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:kzram-ci:json:{name}:{VERSION}",
        "title": command,
        **body,
        **({"$defs": parts} if parts else {}),
    }


def _schema(shape: Any, parts: dict[str, Any]) -> dict[str, Any]:
    if isinstance(shape, tuple):
        return {**_schema(shape[0], parts), "description": shape[1]}
    if isinstance(shape, list):
        return {"type": "array", "items": _schema(shape[0], parts)}
    if isinstance(shape, dict):
        return _changed(shape, parts) if "of" in shape else _object(shape, parts)
    if isinstance(shape, str):
        kind = shape.removesuffix("|None")
        found = _named(kind, parts)
        return found if kind == shape else {"anyOf": [found, {"type": "null"}]}
    from pydantic import TypeAdapter

    return dict(TypeAdapter(shape).json_schema())


def _object(fields: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name.rstrip("?"): _schema(shape, parts) for name, shape in fields.items()},
        "required": [name for name in fields if not name.endswith("?")],
    }


def _changed(shape: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """A value of a class, with other fields than it has."""
    reference = _named(shape["of"], parts)["$ref"]
    own = dict(parts[reference.rpartition("/")[2]])
    more = _object(shape["with"], parts)
    left = {name: one for name, one in own["properties"].items() if name not in shape.get("without", ())}
    required = [name for name in own.get("required", ()) if name in left] + more["required"]
    return {**own, "properties": {**left, **more["properties"]}, "required": required}


def _named(place: str, parts: dict[str, Any]) -> dict[str, Any]:
    """A class by module and name; its parts, and itself, go to `parts`."""
    from pydantic import TypeAdapter

    module, _, name = place.partition(":")
    kind = getattr(importlib.import_module(module), name)
    made = TypeAdapter(kind).json_schema(mode="serialization")
    parts.update(made.pop("$defs", {}))
    if "$ref" not in made:
        parts[name] = made
    return {"$ref": f"#/$defs/{name}"}
