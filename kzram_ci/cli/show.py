"""The table of a run on standard output, for the terminal or the file that it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from kzram_ci.base import proc
from kzram_ci.cli.answers import VERSION
from kzram_ci.cli.output import terminal_of
from kzram_ci.results.reports import remarks, table
from kzram_ci.results.reports.summary_model import RunView


def show_run(view: RunView, *, root: str, files: Sequence[str]) -> None:
    """Print the table. `root` is put before paths of crashes; `files` are named at the end."""
    table.show(view, sys.stdout, screen=terminal_of(sys.stdout), root=root, files=files)


def show_changes(view: RunView, *, root: str, files: Sequence[str]) -> None:
    """Print what changed since the last good run, one line where nothing did; the table where none is known."""
    if view.since is None:
        show_run(view, root=root, files=files)
        print("no good run of this plan is known before this one")
        return
    lines = table.since_lines(view, files)
    sys.stdout.write(table.printable("".join(f"{line}\n" for line in lines), sys.stdout))


def show_json(results: Sequence[Any], *, run: str, code: int) -> None:
    """Print the results of a run for programs, with its directory and the exit code of the command."""
    from kzram_ci.model import codec

    told: dict[str, Any] = {"version": VERSION, "run": run, "exit_code": 130 if proc.cancelled() else code}
    print(json.dumps({**told, "results": [codec.to_json(one) for one in results]}, indent=2))


def show_annotations(view: RunView) -> None:
    """Write what went wrong as workflow commands of GitHub to standard output."""
    text = "".join(f"{line}\n" for line in remarks.lines(view))
    sys.stdout.write(table.printable(text, sys.stdout))
