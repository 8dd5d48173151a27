"""Results of elsewhere into the history: run directories, other histories, and JUnit files of any runner.

A run directory has everything, and so has another history, but for the texts of oopses. A JUnit file has names, how
each test ended and the message; where it is one of ours, also the plan, the run, the kernel's key, and the crash with
its signature. What is read twice is recorded once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree

from kzram_ci.base import clock, files
from kzram_ci.base.errors import UserError
from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.model.evidence import CellResult, Evidence, Judgement, OopsSummary
from kzram_ci.model.layout import RunFile
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results import rundir
from kzram_ci.results.history import History, history_at
from kzram_ci.results.reports.sanitize import one_line

JUNIT_BYTES = 256 << 20
NAME_LIMIT = 300
SQLITE = b"SQLite format 3\0"
ALL = 1 << 31  # rows
_SIGNATURE = re.compile(r"([a-z][a-z_]*):([^<:\s]+)")  # kind:function<caller<…, as ours are
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of one file or directory."""

    path: str
    run: str
    new: int
    known: int

    def __str__(self) -> str:
        """The line for people."""
        known = f", {self.known:,} known already" if self.known else ""
        return f"{self.path}: {say_count(self.new, 'result')} of {self.run}{known}"


def import_path(path: Path, history: History) -> Imported:
    """A run directory, a history file or a JUnit file into the history.

    Raises UserError when it is none of these, InfraError (disk).
    """
    if (path / RunFile.PLAN).is_file():
        return _run(path, history)
    if path.is_dir():
        raise UserError(f"{path} is not a run directory: no {RunFile.PLAN}", hint="name a directory under runs/")
    return _history(path, history) if _is_history(path) else _junit(path, history)


def _is_history(path: Path) -> bool:
    with files.disk_errors(f"cannot read {path}"):
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE


def _history(path: Path, history: History) -> Imported:
    """All runs of another history; of what a cell did in one, the last."""
    other = history_at(path)
    runs, new, known = other.runs(limit=ALL), 0, 0
    for run in runs:
        results = {record.result.id: record.result for record in other.records(run=run.run, limit=ALL)}
        added = history.add_past(
            run.run,
            tuple(results.values()),
            plan=run.plan,
            directory=run.directory,
            recorded=run.recorded,
            origin=run.origin or f"history {path.name}",
        )
        new, known = new + added, known + len(results) - added
    return Imported(path=str(path), run=say_count(len(runs), "run"), new=new, known=known)


def _run(path: Path, history: History) -> Imported:
    run = rundir.open_run(path)
    done = run.finished()
    results = [result for result in run.results() if result.id in done]
    started = [result.started for result in results if result.started]
    new = history.add_past(
        run.path.name,
        results,
        plan=run.plan.name,
        directory=str(run.path),
        recorded=min(started, default="") or _now(),
        origin="run directory",
        environment=run.environment,
    )
    return Imported(path=str(path), run=run.path.name, new=new, known=len(results) - new)


def _junit(path: Path, history: History) -> Imported:
    with files.disk_errors(f"cannot read {path}"):
        if not path.is_file():
            raise UserError(f"no such run, history or JUnit file: {path}")
        if path.stat().st_size > JUNIT_BYTES:
            raise UserError(f"{path} has more than {JUNIT_BYTES >> 20} MiB")
        data = path.read_bytes()
    root = _root(data, path)
    suites = list(root.iter("testsuite"))  # in one another, as deep as they are
    found = {result.id: result for suite in suites for result in _cases(suite)}
    if not found:
        raise UserError(f"{path} has no testcase")
    named = next((facts for suite in suites if (facts := _properties(suite)).get("run")), {})
    run = one_line(named.get("run", "")) or f"junit-{sha256(data).hexdigest()[:12]}"
    stamps = [stamp for suite in suites if _STAMP.match(stamp := suite.get("timestamp", ""))]
    new = history.add_past(
        run,
        tuple(found.values()),
        plan=one_line(named.get("plan", "") or root.get("name", "") or path.stem),
        directory=str(path.absolute().parent),
        recorded=f"{min(stamps)[:19]}+00:00" if stamps else _now(),
        origin=f"junit {path.name}",
    )
    return Imported(path=str(path), run=run, new=new, known=len(found) - new)


def _root(data: bytes, path: Path) -> ElementTree.Element:
    """Entities are refused: no runner writes them, and they can make a small file large."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UserError(f"{path} declares a document type or entities, which no JUnit file needs")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise UserError(f"{path} is not XML: {one_line(str(error))}") from error
    if root.tag not in ("testsuites", "testsuite"):
        raise UserError(f"{path} is not a JUnit file: its root is <{one_line(root.tag, 60)}>")
    return root


def _cases(suite: ElementTree.Element) -> Iterator[CellResult]:
    facts = _properties(suite)
    for case in suite.findall("testcase"):
        name = one_line(case.get("name", ""), NAME_LIMIT) or "unnamed"
        place = one_line(case.get("classname", "") or suite.get("name", ""), NAME_LIMIT) or "unnamed"
        judgement, oops = _judged(case)
        yield CellResult(
            id=one_line(facts.get(f"{name}.id", "")) or f"{place}/{name}",
            kernel=place,
            test=name,
            control=facts.get(f"{name}.control") == "true",
            judgement=judgement,
            evidence=Evidence(ready=True, oopses=() if oops is None else (oops,)),
            attempts=1,
            kernel_key=one_line(facts.get("kernel_key", "")),
            kernel_release=one_line(facts.get("kernel_release", "")),
            seconds=_seconds(case.get("time", "")),
        )


def _judged(case: ElementTree.Element) -> tuple[Judgement, OopsSummary | None]:
    """What JUnit says: a failure is a finding, an error leaves the question open."""
    kinds = {str(outcome) for outcome in Outcome}
    for tag, outcome, verdict in (
        ("failure", Outcome.FAIL, Verdict.FINDING),
        ("error", Outcome.INFRA, Verdict.ERROR),
        ("skipped", Outcome.SKIPPED, Verdict.SKIPPED),
    ):
        element = case.find(tag)
        if element is None:
            continue
        message = one_line(element.get("message", "") or element.text or "", NAME_LIMIT) or "no reason given"
        kind = element.get("type", "")
        if tag == "failure" and (match := _SIGNATURE.match(kind)):
            oops = OopsSummary(title=message, type=match[1], function=match[2], signature=one_line(kind))
            return Judgement(outcome=Outcome.OOPS, verdict=verdict, reason=message), oops
        ours = Outcome(kind) if kind in kinds and kind not in (Outcome.PASS, Outcome.OOPS) else outcome
        meant = Verdict.INCONCLUSIVE if ours is Outcome.INCONCLUSIVE else verdict
        return Judgement(outcome=ours, verdict=meant, reason=message), None
    return Judgement(outcome=Outcome.PASS, verdict=Verdict.OK, reason="passed"), None


def _properties(suite: ElementTree.Element) -> Mapping[str, str]:
    return {one.get("name", ""): one.get("value", "") for one in suite.findall("properties/property")}


def _seconds(text: str) -> float:
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return value if 0.0 <= value < 1e9 else 0.0


def _now() -> str:
    return clock.now_utc().isoformat(timespec="seconds")
