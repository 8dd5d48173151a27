"""The run directory: written as it happens, readable at every moment, enough to render and resume from.

Layout in design.md section 6, plus `plan.json`: the expanded plan, so that reports and `--resume` need
neither the plan's source nor the kernel definitions it named.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kzram_ci.base import clock, files
from kzram_ci.base.digest import digest_bytes
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.model import codec
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.evidence import CellResult
from kzram_ci.plan.matrix import safe_id
from kzram_ci.results.reports import html, junit, kcidb, summary
from kzram_ci.results.reports.sanitize import decode, one_line
from kzram_ci.results.reports.summary_model import CellView, RunView, make_view

RESULTS, PLAN_JSON, PLAN_YAML, ENVIRONMENT = "results.jsonl", "plan.json", "plan.yaml", "environment.json"
REPORTS = ("junit.xml", "report.html", "summary.md", "kcidb.json")
TAIL_BYTES = 8 << 10
_CELL_FILES = frozenset({"cell.json", "repro.sh"})


@dataclass(slots=True, kw_only=True)
class RunDir:
    """An open run directory. One process writes it; its methods may be called from several threads."""

    path: Path
    plan: Plan
    _results: dict[str, CellResult] = field(default_factory=dict)
    _seen: dict[str, CellView] = field(default_factory=dict)  # finished cells do not change: read them once
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def place(self, cell: Cell) -> tuple[Path, str]:
        """A cell's directory and its path relative to the run directory. Never fails for any cell id."""
        relative = f"cells/{cell_folder(cell.id)}"
        return self.path / relative, relative

    def note_environment(self, environment: Mapping[str, Any]) -> None:
        """Add facts about host and tools to `environment.json`, as they become known; reports show them at once."""
        with self._lock:
            known = _environment(self.path)
            if {**known, **environment} != known:
                files.write_json(self.path / ENVIRONMENT, {**known, **environment})
                self.render()

    def finish(self, result: CellResult) -> None:
        """Record a finished cell for good and bring every report up to date. Raises InfraError (disk full)."""
        with self._lock:
            files.append_line(self.path / RESULTS, json.dumps(codec.to_json(result), sort_keys=True))
            self._results[result.id] = result
            self._seen.pop(result.id, None)
            cell = next((cell for cell in self.plan.cells if cell.id == result.id), None)
            if cell is not None:
                directory, _ = self.place(cell)
                files.write_json(directory / "cell.json", codec.to_json(result))
                if not (self.path / result.directory / "counters.json").is_file():  # the boot's own says more
                    files.write_json(directory / "counters.json", dict(result.evidence.counters))
                _write_repro(directory, cell.id, self.path / result.directory / "qemu.txt")
            self.render()

    def results(self) -> tuple[CellResult, ...]:
        """All cells in the order of the plan; those not finished are `not-run`."""
        with self._lock:
            return tuple(
                self._results.get(cell.id) or born(cell, relative=self.place(cell)[1]) for cell in self.plan.cells
            )

    def finished(self) -> frozenset[str]:
        """Ids of the cells that need not run again on resume."""
        with self._lock:
            return frozenset(self._results)

    def view(self) -> RunView:
        """What reports show of this run now."""
        view = make_view(
            self.plan,
            self.results(),
            name=self.path.name,
            started=_started(self.path.name),
            environment=_environment(self.path),
        )
        return replace(view, cells=tuple(self._with_files(cell) for cell in view.cells))

    def _with_files(self, cell: CellView) -> CellView:
        known = self._seen.get(cell.result.id)
        if known is not None:
            return known
        if cell.result.id not in self._results:
            return cell  # still running: its files are not evidence yet
        directory = self.path / cell.result.directory
        names = sorted(path.name for path in directory.iterdir() if path.is_file()) if directory.is_dir() else []
        tail = decode(_tail(directory / "console.log"))
        full = replace(cell, files=tuple(f"{cell.result.directory}/{name}" for name in names), console_tail=tail)
        self._seen[cell.result.id] = full
        return full

    def render(self) -> None:
        """Write junit.xml, summary.md, report.html and kcidb.json anew, each in one step."""
        with self._lock:
            view = self.view()
            files.write_atomic(self.path / "junit.xml", junit.render(view))
            files.write_atomic(self.path / "summary.md", summary.render(view))
            files.write_json(self.path / "kcidb.json", kcidb.render(view))
            page = html.render(view) if self._results else html.newborn(view)
            files.write_atomic(self.path / "report.html", page)


def create(root: Path, plan: Plan, *, environment: Mapping[str, Any] | None = None) -> RunDir:
    """Make `root/<UTC time>-<plan>-<short id>/` with every cell born `not-run`. Raises InfraError (disk)."""
    name = f"{clock.now_utc():%Y%m%dT%H%M%SZ}-{_slug(plan.name)[:60]}-{uuid.uuid4().hex[:6]}"
    path = root.absolute() / name
    files.make_private(path)
    run = RunDir(path=path, plan=plan)
    files.write_atomic(path / PLAN_YAML, plan.text)
    files.write_json(path / PLAN_JSON, codec.to_json(plan))
    files.write_json(path / ENVIRONMENT, dict(environment or {}))
    files.write_atomic(path / RESULTS, "")
    for cell in plan.cells:
        directory, relative = run.place(cell)
        _be_born(directory, born(cell, relative=relative))
    run.render()
    return run


def load(path: Path) -> tuple[Plan, tuple[CellResult, ...]]:
    """The plan and the finished results of a run, in the order of the plan; for reports and comparing."""
    run = open_run(path)
    return run.plan, tuple(result for result in run.results() if result.id in run.finished())


def open_run(path: Path) -> RunDir:
    """A run directory as it is on disk, unchanged.

    Raises UserError when it is none, InfraError when results in it are damaged.
    """
    path = path.absolute()
    try:
        plan = codec.from_json(Plan, json.loads((path / PLAN_JSON).read_bytes()))
    except OSError as error:
        raise UserError(
            f"{path} is not a run directory: no {PLAN_JSON}", hint="name a directory under runs/"
        ) from error
    except ValueError as error:
        raise InfraError(f"{path / PLAN_JSON} is damaged: {one_line(str(error))}") from error
    run = RunDir(path=path, plan=plan)
    run._results = {result.id: result for result in _read_results(path / RESULTS)}
    return run


def resume(path: Path) -> RunDir:
    """Open a run that was stopped, to go on with it.

    A half-written last line is cut off, and what unfinished cells left is set aside (`interrupted-N`), so
    that logs of two attempts never mix. Raises as `open_run` does.
    """
    run = open_run(path)
    results = run.path / RESULTS
    with files.disk_errors(f"cannot go on with {path}"):
        data = results.read_bytes() if results.is_file() else b""
        if data and not data.endswith(b"\n"):
            kept = data[: data.rfind(b"\n") + 1]
            files.write_atomic(results, kept + b"".join(_last_line_if_whole(data)))
        for cell in run.plan.cells:
            if cell.id not in run.finished():
                directory, relative = run.place(cell)
                _set_aside(directory)
                _be_born(directory, born(cell, relative=relative))
    run.render()
    return run


def born(cell: Cell, *, relative: str) -> CellResult:
    """The result of a cell that has not run: the truth until something better is proved."""
    return CellResult(
        id=cell.id,
        kernel=cell.kernel.name,
        test=cell.test,
        axes=cell.axes,
        seed=cell.seed,
        control=cell.control,
        expected=cell.expect.outcome,
        directory=relative,
    )


def _be_born(directory: Path, result: CellResult) -> None:
    """What a cell has before it runs. Not pushed to the disk one by one: nothing is lost that `plan.json` lacks."""
    with files.disk_errors(f"cannot write {directory}"):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cell.json").write_text(json.dumps(codec.to_json(result), indent=2, sort_keys=True) + "\n")
        script = directory / "repro.sh"
        script.write_text(_repro(result.id))
        script.chmod(0o755)


def cell_folder(cell_id: str) -> str:
    """A folder name for a cell id: its usual file name, or a readable form and a digest where that is unfit."""
    safe = safe_id(cell_id)
    slug = _slug(safe)
    if slug == safe and len(slug) <= 120:
        return slug
    return f"{slug[:100]}-{digest_bytes(cell_id.encode('utf-8', 'surrogatepass'))[:8]}"


def _slug(text: str) -> str:
    """Letters, digits and a few signs that no shell, file system or URL takes amiss; never a dot file."""
    return re.sub(r"[^A-Za-z0-9._=+-]+", "-", text).strip(".-") or "unnamed"


def _set_aside(directory: Path) -> None:
    if not directory.is_dir():
        return
    left = [path for path in directory.iterdir() if path.name not in _CELL_FILES and "interrupted-" not in path.name]
    if not left:
        return
    number = 1
    while (aside := directory / f"interrupted-{number}").exists():
        number += 1
    aside.mkdir()
    for path in left:
        path.rename(aside / path.name)


def _last_line_if_whole(data: bytes) -> list[bytes]:
    line = data[data.rfind(b"\n") + 1 :]
    return [line + b"\n"] if _parse(line) is not None else []


def _parse(line: bytes) -> CellResult | None:
    try:
        return codec.from_json(CellResult, json.loads(line))
    except ValueError:
        return None


def _read_results(path: Path) -> list[CellResult]:
    """Finished cells; a torn last line (power cut, kill -9) is no result, a damaged one before it an error."""
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    results = []
    for number, line in enumerate(lines, start=1):
        result = _parse(line) if line.strip() else None
        if result is not None:
            results.append(result)
        elif line.strip() and number < len(lines):
            raise InfraError(f"{path}:{number} is damaged", hint=f"delete line {number} and run with --resume")
    return results


def _environment(path: Path) -> dict[str, Any]:
    try:
        found = json.loads((path / ENVIRONMENT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _started(name: str) -> str:
    """ISO 8601 from the directory's name; empty when somebody renamed it."""
    match = re.match(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-", name)
    return "{}-{}-{}T{}:{}:{}+00:00".format(*match.groups()) if match else ""


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return handle.read()
    except OSError:
        return b""


def _write_repro(directory: Path, cell_id: str, qemu: Path) -> None:
    text = _repro(cell_id, command=_tail(qemu).decode("utf-8", "backslashreplace"))
    files.write_atomic(directory / "repro.sh", text)
    with files.disk_errors(f"cannot write {directory / 'repro.sh'}"):
        (directory / "repro.sh").chmod(0o755)


def _repro(cell_id: str, *, command: str = "") -> str:
    """`repro.sh`: this very cell again, by the kzram-ci that made it unless $KZRAM_CI names another."""
    comment = ["# The boot itself:", *(f"#   {line}" for line in command.splitlines())] if command.strip() else []
    python = shlex.quote(sys.executable)
    lines = (
        "#!/bin/sh",
        f"# Runs cell {one_line(cell_id)} again, in a new run directory under ./runs; arguments are passed on.",
        *comment,
        "set -eu",
        'run=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)',
        f'set -- run {shlex.quote(f"--cell={cell_id}")} "$@" "$run/{PLAN_JSON}"',
        'if [ -n "${KZRAM_CI:-}" ]; then exec "$KZRAM_CI" "$@"; fi',
        f'if [ -x {python} ]; then exec {python} -m kzram_ci "$@"; fi',
        'exec kzram-ci "$@"',
    )
    return "\n".join(lines) + "\n"
