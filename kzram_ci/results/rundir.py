"""The run directory as a record: each result is on disk as soon as it is known. Reports are drawn from it elsewhere.

`plan.json` holds the expanded plan, so that reports, `--resume` and `repro.sh` need neither the plan's source nor the
kernel definitions it named.
"""

from __future__ import annotations

import json
import shlex
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kzram_ci.base import clock, files
from kzram_ci.base.errors import InfraError, KzramError, UserError
from kzram_ci.model import codec
from kzram_ci.model.blame import Blame
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import CellFile, RunFile
from kzram_ci.model.outcome import Outcome
from kzram_ci.results.layout import CellDir, RunDirLayout, slug
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.repro import repro_script


@dataclass(slots=True, kw_only=True)
class RunDir:
    """An open run directory. One process writes it; its methods may be called from several threads.

    `revision` grows with everything that reports show.
    """

    layout: RunDirLayout
    plan: Plan
    environment: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0
    _results: dict[str, CellResult] = field(default_factory=dict)
    _planned: frozenset[str] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._planned = frozenset(cell.id for cell in self.plan.cells)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.layout.path

    def cell_dir(self, cell: Cell) -> CellDir:
        """A cell's directory."""
        return self.layout.cell(cell.id)

    def note_environment(self, environment: Mapping[str, Any]) -> None:
        """Add facts about host and tools to `environment.json`, as they become known."""
        with self._lock:
            grown = {**self.environment, **environment}
            if grown != self.environment:
                files.write_json(self.layout.file(RunFile.ENVIRONMENT), grown)
                self.environment = grown
                self.revision += 1

    def blames(self) -> dict[str, Blame]:
        """Whose code the crashes are in, by signature; empty where that was not asked."""
        file = self.layout.file(RunFile.BLAME)
        if not file.is_file():
            return {}
        return {name: codec.from_json(Blame, data) for name, data in files.read_json(file).items()}

    def note_blames(self, found: Mapping[str, Blame]) -> None:
        """Record whose code the crashes are in. Raises InfraError (disk full)."""
        with self._lock:
            data = {name: codec.to_json(one) for name, one in found.items()}
            files.write_json(self.layout.file(RunFile.BLAME), data)
            self.revision += 1

    def finish(self, result: CellResult) -> None:
        """Record a finished cell for good. Raises InfraError (disk full).

        Its line is pushed to the disk; the files of its directory only say again what stands there.
        """
        data = codec.to_json(result)
        with self._lock:
            files.append_line(self.layout.file(RunFile.RESULTS), json.dumps(data, sort_keys=True))
            self._results[result.id] = result
            self.revision += 1
        if result.id in self._planned:
            own, shown = self.layout.cell(result.id), self.layout.at(result.directory)
            files.write_json(own.file(CellFile.CELL), data, pushed=False)
            if not shown.file(CellFile.COUNTERS).is_file():  # the boot's own holds more
                files.write_json(own.file(CellFile.COUNTERS), dict(result.evidence.counters), pushed=False)
            text = repro_script(result.id, command=shown.qemu_command())
            files.write_atomic(own.file(CellFile.REPRO), text, pushed=False, mode=0o755)

    def results(self) -> tuple[CellResult, ...]:
        """All cells in the order of the plan, repeats last; those not finished are `not-run`."""
        with self._lock:
            known, plan = dict(self._results), self.plan
        return tuple(
            known.get(cell.id) or born(cell, relative=self.layout.cell(cell.id).relative) for cell in plan.cells
        )

    def finished_results(self) -> tuple[CellResult, ...]:
        """What finished here, and the results of controls that were taken over from an earlier run."""
        with self._lock:
            ran = {name: one for name, one in self._results.items() if _ran(one)}
            return (*ran.values(), *(one for one in self.plan.controls if one.id not in ran))

    def finished(self) -> frozenset[str]:
        """Ids of the cells that need not run again on resume; one that its run had no time for must."""
        with self._lock:
            return frozenset(name for name, one in self._results.items() if _ran(one))

    def grow(self, cell: Cell) -> None:
        """Add a cell to the plan of this run, before it begins. Raises InfraError (disk full)."""
        _be_born(self.cell_dir(cell), cell)
        with self._lock:
            plan = replace(self.plan, cells=(*self.plan.cells, cell))
            files.write_json(self.layout.file(RunFile.PLAN), codec.to_json(plan))
            self.plan = plan
            self._planned |= {cell.id}
            self.revision += 1


def create(root: Path, plan: Plan, *, environment: Mapping[str, Any] | None = None) -> RunDir:
    """Make `root/<UTC time>-<plan>-<short id>/` with every cell born `not-run`. Raises InfraError (disk)."""
    name = f"{clock.now_utc():%Y%m%dT%H%M%SZ}-{slug(plan.name)[:60]}-{uuid.uuid4().hex[:6]}"
    layout = RunDirLayout(path=root.absolute() / name)
    files.make_private(layout.path)
    run = RunDir(layout=layout, plan=plan, environment=dict(environment or {}))
    files.write_atomic(layout.file(RunFile.PLAN_YAML), plan.text)
    files.write_json(layout.file(RunFile.PLAN), codec.to_json(plan))
    files.write_json(layout.file(RunFile.ENVIRONMENT), run.environment)
    files.write_atomic(layout.file(RunFile.RESULTS), "")
    for cell in plan.cells:
        _be_born(run.cell_dir(cell), cell)
    with files.disk_errors(f"cannot write {layout.path}"):
        files.keep_names(layout.path)
        files.keep_names(layout.path.parent)
    return run


def load(path: Path) -> tuple[Plan, tuple[CellResult, ...]]:
    """The plan and the finished results of a run, in the order of the plan; for reports and comparing."""
    run = open_run(path)
    finished = run.finished()
    return run.plan, tuple(result for result in run.results() if result.id in finished)


def open_run(path: Path) -> RunDir:
    """A run directory from disk; nothing in it is changed.

    Raises UserError when it is not one, InfraError when results in it are damaged.
    """
    layout = RunDirLayout(path=path.absolute())
    file = layout.file(RunFile.PLAN)
    try:
        plan = codec.from_json(Plan, json.loads(file.read_bytes()))
    except OSError as error:
        raise UserError(
            f"{layout.path} is not a run directory: no {RunFile.PLAN}", hint="name a directory under runs/"
        ) from error
    except ValueError as error:
        hint = f"the run cannot be gone on with; anew: kzram-ci run {shlex.quote(str(layout.file(RunFile.PLAN_YAML)))}"
        raise InfraError(f"{file} is damaged: {one_line(str(error))}", hint=hint) from error
    run = RunDir(layout=layout, plan=plan, environment=_environment(layout.file(RunFile.ENVIRONMENT)))
    run._results = {result.id: result for result in _read_results(layout.file(RunFile.RESULTS))}
    return run


def resume(path: Path) -> RunDir:
    """Open a run that was stopped, to go on with it.

    A half-written last line is cut off, and what unfinished cells left is set aside (`interrupted-N`), so
    that logs of two attempts never mix. Raises as `open_run` does.
    """
    layout = RunDirLayout(path=path.absolute())
    if not layout.file(RunFile.PLAN).is_file():
        open_run(path)  # which says what is wrong
    with files.held(layout.path):
        return _resumed(open_run(path))


def _resumed(run: RunDir) -> RunDir:
    results = run.layout.file(RunFile.RESULTS)
    with files.disk_errors(f"cannot go on with {run.path}"):
        data = results.read_bytes() if results.is_file() else b""
        if data and not data.endswith(b"\n"):
            kept = data[: data.rfind(b"\n") + 1]
            files.write_atomic(results, kept + b"".join(_last_line_if_whole(data)))
        finished = run.finished()
        for cell in run.plan.cells:
            if cell.id not in finished:
                run.cell_dir(cell).keep_interrupted()
                _be_born(run.cell_dir(cell), cell)
    return run


def newest(root: Path) -> Path:
    """The newest run below a directory that is neither finished nor worked on. Raises UserError when there is none.

    One that was killed behind its last cell is not finished while its reports do not show that cell.
    """
    for path in files.newest_first(root.glob(f"*/{RunFile.PLAN}")):
        with suppress(KzramError):  # damaged, or another process works on it
            run = open_run(path)
            if run.finished() >= {cell.id for cell in run.plan.cells} and _drawn(run.layout):
                continue
            with files.held(run.path):
                return path
    raise UserError(f"no unfinished run in {root}", hint="kzram-ci run --resume RUNDIR, or --runs DIR")


def _drawn(layout: RunDirLayout) -> bool:
    """Whether the report that is drawn last is there, and younger than the last result."""
    report, results = layout.file(RunFile.HTML), layout.file(RunFile.RESULTS)
    return report.is_file() and report.stat().st_mtime_ns >= results.stat().st_mtime_ns


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


def _ran(result: CellResult) -> bool:
    return result.judgement.outcome is not Outcome.NOT_RUN


def _be_born(place: CellDir, cell: Cell) -> None:
    """What a cell has before it runs. Not pushed to the disk one by one: nothing is lost that `plan.json` lacks."""
    data = codec.to_json(born(cell, relative=place.relative))
    with files.disk_errors(f"cannot write {place.path}"):
        place.path.mkdir(parents=True, exist_ok=True)
        place.file(CellFile.CELL).write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")
        script = place.file(CellFile.REPRO)
        script.write_text(repro_script(cell.id))
        script.chmod(0o755)


def _last_line_if_whole(data: bytes) -> list[bytes]:
    line = data[data.rfind(b"\n") + 1 :]
    return [line + b"\n"] if _parse(line) is not None else []


def _parse(line: bytes) -> CellResult | None:
    try:
        return codec.from_json(CellResult, json.loads(line))
    except ValueError:
        return None


def _read_results(path: Path) -> list[CellResult]:
    """Finished cells; a torn last line (power cut, kill -9) is not a result, a damaged one before it an error."""
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
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
