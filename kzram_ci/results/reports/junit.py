"""JUnit XML: one suite a kernel, one case a cell and a test it told of; valid at every moment of a run. Pure.

Written by junit-xml, then trimmed to what the common schema (Jenkins' xunit plugin) allows: no `disabled`,
seconds with three decimals. That schema has no properties on a case, so a case's seed and counters stand as
properties of its suite, with the case's name in front, and again at the head of its `system-out`.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from kzram_ci.model.evidence import OopsSummary
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import memory, points, summary_model
from kzram_ci.results.reports.sanitize import cut, one_line, visible
from kzram_ci.results.reports.summary_model import CellView, RunView
from kzram_ci.results.reports.tested import kernel_of
from kzram_ci.results.reports.tested import properties as tested_properties

OOPS_LIMIT = 64 << 10  # characters; readers of JUnit (GitHub, GitLab) refuse files of many MB
TAIL_LIMIT = 8 << 10
MESSAGE_LIMIT = 500


def render(view: RunView) -> str:
    """The whole file as text, with declaration. Any text in the results is made safe here."""
    return as_text([_suite(view, kernel) for kernel in view.kernels], name=one_line(view.plan))


def as_text(suites: list[Any], *, name: str) -> str:
    """Suites of junit-xml as the text of a file that the common schema takes."""
    from junit_xml import to_xml_report_string

    root = ElementTree.fromstring(to_xml_report_string(suites, prettyprint=False))
    root.set("name", name)
    _trim(root)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _name(text: str) -> str:
    return one_line(text) or "unnamed"


def _trim(root: ElementTree.Element) -> None:
    for element in root.iter():
        element.attrib.pop("disabled", None)
        if "time" in element.attrib:
            element.set("time", f"{float(element.attrib['time']):.3f}")


def _suite(view: RunView, kernel: str) -> Any:
    from junit_xml import TestSuite

    cells = view.of(kernel)
    properties = {"plan": view.plan, "run": view.name}
    properties |= {f"environment.{key}": value for key, value in summary_model.facts(view).items()}
    properties |= tested_properties(kernel_of(view, kernel))
    for cell in cells:
        result = cell.result
        properties |= {"kernel_key": result.kernel_key} if result.kernel_key else {}
        properties |= {"kernel_release": result.kernel_release} if result.kernel_release else {}
        properties |= {f"{cell.column}.{name}": value for name, value in case_properties(cell).items()}
    return TestSuite(
        _name(kernel),
        [case for cell in cells for case in (_case(view, cell), *points.junit_cases(cell))],
        hostname=one_line(summary_model.facts(view).get("host.name", "")) or None,
        timestamp=view.started[:19] or None,
        properties={_name(name): one_line(value, MESSAGE_LIMIT) for name, value in properties.items()},
    )


def case_properties(cell: CellView) -> dict[str, str]:
    """Seed, acceleration, attempts and counters of a cell, as words."""
    result = cell.result
    found = {
        "id": result.id,
        "seed": str(result.seed),
        "control": str(result.control).lower(),
        "expected": result.expected,
        "attempts": str(result.attempts),
        "boot_failures": str(result.boot_failures),
        "accel": result.accel,
        "started_from": "saved guest" if result.evidence.restored else "",
        "kernel_key": result.kernel_key,
        "kernel_release": result.kernel_release,
    }
    found |= {name: str(value) for name, value, _ in summary_model.counters(cell) if value is not None}
    return {name: value for name, value in found.items() if value}


def _case(view: RunView, cell: CellView) -> Any:
    from junit_xml import TestCase

    result = cell.result
    case = TestCase(
        _name(cell.column), classname=_name(result.kernel), elapsed_sec=result.seconds, stdout=_stdout(view, cell)
    )
    reason = one_line(result.judgement.reason, MESSAGE_LIMIT) or "no reason given"
    verdict = result.judgement.verdict
    if verdict is Verdict.FINDING:
        message, kind = _failure_head(cell, reason)
        case.add_failure_info(message=message, output=_failure_text(view, cell), failure_type=kind)
    elif verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR):
        case.add_error_info(message=reason, output=_failure_text(view, cell), error_type=str(result.judgement.outcome))
    elif verdict is Verdict.SKIPPED:
        case.add_skipped_info(message=reason)
    return case


def _failure_head(cell: CellView, reason: str) -> tuple[str, str]:
    """Message and type: title and signature of the oops where the oops is the finding."""
    outcome, oops = cell.result.judgement.outcome, cell.oops
    if outcome is Outcome.OOPS and oops is not None:
        return one_line(oops.title, MESSAGE_LIMIT) or reason, one_line(oops.signature) or str(outcome)
    return reason, "not-reproduced" if outcome is Outcome.PASS else str(outcome)


def _failure_text(view: RunView, cell: CellView) -> str:
    result = cell.result
    lines = [visible(result.judgement.reason)]
    lines += [f"corruption: {one_line(line)}" for line in result.evidence.corruptions[:20]]
    lines += [f"guest: {one_line(line)}" for line in result.evidence.guest_errors[:20]]
    exposure = summary_model.exposure_text(cell)
    lines += [f"counters: {one_line(exposure)}"] if exposure else []
    lines += [visible(line) for line in memory.text(result)]
    if (oops := cell.oops) is not None:
        lines += _same_crash(view, cell)
        lines += _blamed(view, oops)
        lines += [
            "",
            f"full text: {visible(summary_model.oops_path(cell, oops))}",
            "",
            cut(summary_model.crash_text(oops), OOPS_LIMIT),
        ]
    return "\n".join(lines)


def _same_crash(view: RunView, cell: CellView) -> list[str]:
    group = view.same_crash(cell)
    return [f"same crash in {len(group.cells)} cells: {group.listed}"] if group is not None else []


def _blamed(view: RunView, oops: OopsSummary) -> list[str]:
    blame = view.blame(oops)
    return [] if blame is None else ["", *(visible(line) for line in blame.lines())]


def _stdout(view: RunView, cell: CellView) -> str:
    lines = [f"{one_line(name)}: {one_line(value, MESSAGE_LIMIT)}" for name, value in case_properties(cell).items()]
    if cell.result.judgement.outcome is Outcome.NOT_RUN:
        return "\n".join(lines)
    lines.append(f"directory: {visible(cell.result.directory)}")
    if proof := summary_model.proof(view, cell):
        lines.append(f"proof: {proof}")
    lines += [visible(line) for line in memory.text(cell.result)]
    oops = cell.oops
    if oops is not None and cell.result.judgement.verdict is Verdict.OK:
        lines += [*_same_crash(view, cell), *_blamed(view, oops)]
        lines += ["", f"expected oops: {one_line(oops.title)}", cut(summary_model.crash_text(oops), OOPS_LIMIT)]
    if cell.console_tail:
        lines += ["", "end of the console:", cut(cell.console_tail, TAIL_LIMIT, tail=True)]
    return "\n".join(lines)
