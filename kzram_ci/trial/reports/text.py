"""The report to paste into a mail, 72 columns: counts, chance, crash; a tag only where it is deserved. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from textwrap import wrap

from kzram_ci.base.units import say_count
from kzram_ci.results.reports.sanitize import one_line, visible
from kzram_ci.trial.costs import costs_of
from kzram_ci.trial.decide import Answer
from kzram_ci.trial.findings import Findings, Tested, fixing_patch
from kzram_ci.trial.model import BuildRecord
from kzram_ci.trial.seen import Seen, What
from kzram_ci.verdict import races

COLUMNS = 72
_OOPS_LINES = 30
_CODE = re.compile(
    r"\s*[->*]*\s*-?\d+ +\S"
)  # the instructions around the one that failed: for a debugger, not for a mail
_NAME = 10  # column of what a line is about
_SAID = {
    Answer.FIXED: "fixed: the crash comes without the series, and not with it",
    Answer.NOT_FIXED: "not fixed",
    Answer.CANNOT_SAY: "cannot say",
    Answer.NOTHING_NEW: "nothing new",
}


def report(found: Findings) -> list[str]:
    """The whole report, line by line."""
    return [
        *_paragraph(one_line(found.asked.posted.title, 300)),
        *_paragraph(headline(found)),
        *_fix(found),
        "",
        *_tested(found),
        "",
        *(line for test in found.tests for line in _test(test)),
        *_each(found),
        *_others(found),
        *_costs(found),
        *_warnings(found),
        *_oops(found),
        *tags(found),
    ]


def headline(found: Findings) -> str:
    """The answer on one line."""
    if found.answer is None:
        return "not finished"
    said = _SAID[found.answer]
    return f"{said}: {found.why}" if found.why else said


def _fix(found: Findings) -> list[str]:
    """What to do where no test that was asked for can show anything."""
    fit = " ".join(f"--test {name}" for name in found.facts.fit)
    return _paragraph(f"fix: {fit} can show something there") if fit else []


def tags(found: Findings) -> list[str]:
    """What a mail of someone who tested ends with; the tag only when the crash is fixed."""
    link = [f"Link: {found.asked.posted.link}"] if found.asked.posted.link else []
    if found.answer is not Answer.FIXED or not found.asked.tester:
        return ["", *link] if link else []
    return ["", f"Tested-by: {found.asked.tester}", *link]


def _tested(found: Findings) -> Iterator[str]:
    """What was run, and on what."""
    asked, builds = found.asked, {build.patches: build for build in found.facts.builds}
    before, after = builds.get(0), builds.get(len(asked.posted.patches))
    yield from _named("series", f"{_version(asked.posted.version)}{patches_text(len(asked.posted.patches))}")
    for note in asked.notes:
        yield from _named("", one_line(note, 200))
    yield from _named("kernel", _kernel(before) or asked.before.source.words())
    yield from _named("before", f"{asked.before.name}, key {_key(before)}")
    yield from _named("after", f"{asked.after.name}, key {_key(after)}")
    cell = asked.tests[0].cell
    accels = "/".join(dict.fromkeys(boot.accel for boot in found.facts.boots if boot.accel)) or "not booted"
    yield from _named(
        "guest", f"{cell.machine.arch}, {accels}, {say_count(cell.machine.cpus, 'CPU')}, {cell.machine.memory_mib} MiB"
    )


def patches_text(count: int) -> str:
    """`1 patch`, `3 patches`."""
    return f"{count} {'patch' if count == 1 else 'patches'}"


def _version(number: int) -> str:
    return f"v{number}, " if number > 1 else ""


def _kernel(build: BuildRecord | None) -> str:
    return "" if build is None else "; ".join(part for part in (build.source, build.compiler) if part)


def _key(build: BuildRecord | None) -> str:
    return build.key[:12] if build is not None and build.key else "none"


def _test(test: Tested) -> Iterator[str]:
    answer, stands = test.standing.answer, test.standing
    yield from _paragraph(f"{test.test.id}: {answer or 'not finished'}{f' ({stands.why})' if stands.why else ''}")
    if test.skipped:
        return
    yield from _named("before", f"{side_text(test.sides.before)}{_faces(test.wanted)}", indent=2)
    yield from _named("after", f"{side_text(test.sides.after)}{_faces(test.again)}", indent=2)
    if answer is Answer.FIXED and stands.chance is not None:
        unit = "races" if stands.unit == "races" else "clean boots"
        text = f"a kernel as bad as before comes through these {unit} with a chance of {chance_text(stands.chance)}"
        yield from _named("luck", text, indent=2)


def chance_text(chance: float) -> str:
    """A probability for people."""
    if chance < 1e-6:
        return "less than one in a million"
    return races.percent(chance)


def side_text(side: Seen) -> str:
    """What the boots of one side showed: "crashed in 4 of 5 boots"."""
    evidence = side.crash + side.clean
    text = f"crashed in {side.crash} of {say_count(evidence, 'boot')}"
    if side.tally is not None and side.tally.races:
        text += f", lost {side.tally.lost:,} of {say_count(side.tally.races, 'race')}"
    if dull := side.started - side.running - evidence:
        text += f"; {say_count(dull, 'more boot')} without evidence"
    return text


def _faces(signatures: Sequence[tuple[str, int]]) -> str:
    shown = [f"{name} ({count})" for name, count in signatures[:4]]
    more = f", {len(signatures) - 4} more" if len(signatures) > 4 else ""
    return f": {', '.join(shown)}{more}" if shown else ""


def _each(found: Findings) -> Iterator[str]:
    """What the first patches of the series do without those after them."""
    patches = found.asked.posted.patches
    if not found.prefixes:
        return
    yield ""
    yield "with the first patches of the series, one boot each:"
    for test in found.tests:
        for prefix in (prefix for prefix in found.prefixes if prefix.test == test.test.id):
            said = f"crash ({', '.join(prefix.faces[:3])})" if prefix.what is What.CRASH else str(prefix.what)
            where = f"{prefix.patches} of {len(patches)}"
            yield from _named(where, f"{prefix.test}: {said}", indent=2)
        if number := fixing_patch(found, test):
            yield from _named("", f"{test.test.id}: the crash goes with {patches[number - 1].name}", indent=2)


def _others(found: Findings) -> Iterator[str]:
    """Crashes that are not the wanted one."""
    new, old = found.new, [other for other in found.others if other.before]
    once = [other for other in found.others if not other.new and not other.before]
    if not (new or old or once):
        return
    yield ""
    for words, others in (
        ("new with the series", new),
        ("not counted, comes without it too", old),
        ("seen once", once),
    ):
        for other in others:
            count = f"{say_count(other.after, 'boot')} with the series, {other.before} without"
            yield from _paragraph(f"{words}: {other.signature} ({count}): {one_line(other.title, 120)}")


def _costs(found: Findings) -> Iterator[str]:
    lines = [line for cost in costs_of(found) for line in _paragraph(cost.text())]
    if lines:
        yield ""
        yield "cost of the series, after / before, with 95 % intervals:"
        yield from (f"  {line}" for line in lines)


def _warnings(found: Findings) -> Iterator[str]:
    builds = [build for build in found.facts.builds if build.warnings]
    for build in sorted(builds, key=lambda build: build.patches):
        yield ""
        yield from _paragraph(f"patch {build.patches} brings {say_count(len(build.warnings), 'compiler warning')}:")
        for warning in build.warnings[:8]:
            yield f"  {_cut(warning, COLUMNS - 2)}"


def _oops(found: Findings) -> Iterator[str]:
    """The crash without the series, decoded."""
    whole = [line.rstrip() for line in visible(found.facts.oops).splitlines() if line.strip()]
    lines = list(takewhile(lambda line: not _CODE.match(line), whole))
    if not lines:
        return
    yield ""
    yield "The crash without the series:"
    yield ""
    yield from (f"  {_cut(line.expandtabs(2), COLUMNS - 2)}" for line in lines[:_OOPS_LINES])
    if len(lines) > _OOPS_LINES:
        yield f"  [{len(lines) - _OOPS_LINES} more lines]"


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _named(name: str, text: str, *, indent: int = 0) -> list[str]:
    head = " " * indent + f"{name:<{_NAME - indent}}"
    return wrap(
        one_line(text, 1_000), COLUMNS, initial_indent=head, subsequent_indent=" " * _NAME, break_on_hyphens=False
    ) or [head.rstrip()]


def _paragraph(text: str) -> list[str]:
    return wrap(one_line(text, 1_000), COLUMNS, subsequent_indent="  ", break_on_hyphens=False)
