"""A plan of one cell from words of a command line, for commands that take a test without a plan's file. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def script_plan(
    *,
    name: str,
    kernels: Sequence[str],
    run: Sequence[str],
    files: Sequence[str] = (),
    programs: Sequence[str] = (),
    results: Sequence[str] = (),
    duration: str = "60s",
    more: dict[str, Any] | None = None,
) -> str:
    """The text of a plan whose only test, `test`, is a script; `more` are further fields of it, such as zram or expect.

    The files are looked for beside the path that the text is given with (`run.checks.checked_plan`).
    """
    test: dict[str, Any] = {"workload": "script", "run": list(run), "duration": duration}
    given = {"files": list(files), "programs": list(programs), "results": list(results)}
    test |= {key: words for key, words in given.items() if words}
    return json.dumps({"name": name, "kernels": list(kernels), "tests": {"test": {**test, **(more or {})}}}, indent=1)
