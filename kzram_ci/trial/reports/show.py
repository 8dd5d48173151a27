"""The answer in the form that was asked for. Pure."""

from __future__ import annotations

import json
from typing import Any

from kzram_ci.trial.findings import Findings
from kzram_ci.trial.reports import answer, text

FORMS = ("text", "json", "b4")
exit_code = answer.exit_code


def shown(found: Findings, form: str, *, directory: str) -> str:
    """The whole answer, with its last line ended."""
    if form == "text":
        return "".join(f"{line}\n" for line in text.report(found))
    data: Any = answer.as_b4(found) if form == "b4" else answer.as_json(found, directory=directory)
    return f"{json.dumps(data, indent=2)}\n"


def failure(message: str, form: str) -> str:
    """What programs get of a series that does not apply or build; "" for people, who get the error."""
    if form == "text":
        return ""
    told: Any = answer.b4_failure(message) if form == "b4" else {"answer": None, "why": message, "exit_code": 4}
    return f"{json.dumps(told, indent=2)}\n"
