"""The answer of a bisection in sentences, or how far it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from kzram_ci.base.units import say_count
from kzram_ci.bisect.belief.decide import Answer, Kind
from kzram_ci.bisect.belief.model import EVIDENCE, Observation
from kzram_ci.bisect.reports.git_log import fixes
from kzram_ci.bisect.reports.wording import crashed_in, kernels, percent, spread
from kzram_ci.bisect.session.findings import Findings
from kzram_ci.bisect.session.model import REVERT


def answer_lines(findings: Findings) -> tuple[str, ...]:
    """The answer line by line; none while there is no answer."""
    answer = findings.facts.answer
    if answer is None:
        return ()
    lines = [*_HEADS[answer.kind](findings, answer), *_behind(findings, answer), *_revert(findings)]
    if answer.kind is Kind.CULPRIT:
        culprit = findings.commit(answer.commits[0])
        lines.append(fixes(culprit.name, culprit.subject))
    return tuple(lines)


def progress_lines(findings: Findings) -> tuple[str, ...]:
    """How far a bisection without an answer is."""
    belief = findings.standing.belief
    lines = [f"{say_count(len(findings.facts.boots), 'boot')}, {kernels(findings)}; no answer yet"]
    if (top := belief.top) is not None and findings.facts.boots:
        first = findings.commit(findings.graph.names[next(findings.graph.members(top.commits))])
        shown = f"{first.name[:12]} ({first.subject})" if top.size == 1 else f"one of {top.size} commits"
        lines.append(
            f"most probable: {shown} with {percent(top.weight)}; no commit of the range {percent(belief.none)}"
        )
    return tuple(lines)


def other_crashes(findings: Findings) -> tuple[str, ...]:
    """Crashes that were not counted: the user may know them for the same bug."""
    seen = Counter(
        crash.signature
        for boots in findings.boots.values()
        for boot in boots
        if boot.what is Observation.OTHER and (crash := boot.record.principal) is not None
    )
    if not seen:
        return ()
    listed = ", ".join(f"{signature} ({count})" for signature, count in seen.most_common(5))
    return (f"other crashes, without evidence about the wanted one: {listed}; --signature counts one as the same",)


def _culprit(findings: Findings, answer: Answer) -> list[str]:
    commit = findings.commit(answer.commits[0])
    return [
        f"culprit: {commit.name[:12]} {commit.subject}",
        f"author: {commit.author}, {commit.date}",
        f"confidence: {percent(answer.confidence)}",
    ]


def _suspects(findings: Findings, answer: Answer) -> list[str]:
    listed = [f"suspect: {name[:12]} {findings.commit(name).subject}" for name in answer.commits]
    sure = percent(answer.confidence)
    return [f"one of {len(answer.commits)} commits, with {sure}; no commit between them can be tested", *listed]


def _none(findings: Findings, answer: Answer) -> list[str]:
    goods = ", ".join(good[:12] for good in findings.goods)
    return [
        f"no commit of this range is to blame ({percent(answer.confidence)}): "
        f"the good end {goods} crashes like the bad end",
        "fix: give a --good that does not crash",
    ]


def _not_reproduced(findings: Findings, answer: Answer) -> list[str]:
    what = findings.wanted.text()
    shown = f" ({what})" if what else ""
    return [
        f"the bad end {findings.bad[:12]} does not show the wanted crash{shown}; no commit can be blamed",
        "fix: check --bad, and what is looked for (--signature); a rarer crash needs a longer test",
    ]


def _untestable_end(findings: Findings, answer: Answer) -> list[str]:
    end = answer.commits[0] if answer.commits else findings.bad
    build = findings.builds.get(end)
    reasons = Counter(boot.record.reason for boot in findings.boots_of(end)).most_common(1)
    why = (build.failed if build is not None else "") or (reasons[0][0] if reasons else "no boot reached the workload")
    side = "bad" if end == findings.bad else "good"
    fix = f"{build.fix}, or " if build is not None and build.fix else ""
    return [f"the {side} end {end[:12]} cannot be tested: {why}", f"fix: {fix}give another --{side}"]


_HEADS: dict[Kind, Callable[[Findings, Answer], list[str]]] = {
    Kind.CULPRIT: _culprit,
    Kind.SUSPECTS: _suspects,
    Kind.NONE: _none,
    Kind.NOT_REPRODUCED: _not_reproduced,
    Kind.UNTESTABLE_END: _untestable_end,
}


def _behind(findings: Findings, answer: Answer) -> list[str]:
    """What the answer stands on."""
    wanted = findings.wanted.text()
    boots = tuple(boot for commit, seen in findings.boots.items() if commit != REVERT for boot in seen)
    counted = f" ({spread(boots)})" if boots else ""
    lines = [f"wanted: {wanted}"] if wanted else []
    lines.append(f"behind it: {say_count(len(boots), 'boot')}{counted}, {kernels(findings)}")
    if answer.kind is Kind.CULPRIT:
        culprit = answer.commits[0]
        lines.append(f"culprit {_own(findings, culprit)}")
        lines += [f"its parent {parent[:12]} {_own(findings, parent)}" for parent in findings.parents(culprit)]
        useless = any(boot.what not in EVIDENCE for boot in boots)
        rates = f"{answer.rate_bad:.0%} with the culprit, {answer.rate_good:.2%} without".replace("%", " %")
        lines.append(f"crash rate {'of boots that are evidence' if useless else 'a boot'}: {rates}")
    if answer.commits and answer.kind is not Kind.UNTESTABLE_END:
        other = findings.commit(answer.runner_up) if answer.runner_up else None
        name = f"{other.name[:12]} {other.subject}" if other is not None else "no commit of this range"
        lines.append(f"runner-up: {name}, {percent(answer.runner_up_probability)}")
    return lines


def _own(findings: Findings, commit: str) -> str:
    """The boots of a kernel with exactly these bytes."""
    boots = findings.boots_like(commit)
    if any(boot.what in EVIDENCE for boot in boots):
        return crashed_in(boots)
    if (build := findings.builds.get(commit)) is not None and build.failed:
        return "could not be built"
    if (mark := dict(findings.facts.marks).get(commit)) is not None:
        return f"was marked {mark.value.removeprefix('mark-')}"
    return "could not be tested itself" + (f" ({spread(boots)})" if boots else "")


def _revert(findings: Findings) -> list[str]:
    revert = findings.facts.revert
    if revert is None:
        return []
    how = f" ({revert.why})" if revert.why else ""
    if revert.heals is None:
        return [f"revert on the bad end: unknown, {revert.why or 'too few boots were evidence'}"]
    if not revert.heals:
        return [f"revert on the bad end: the crash is still there{how}, something else crashes alike"]
    clean = sum(boot.what is Observation.CLEAN for boot in findings.boots_of(REVERT))
    return [f"revert on the bad end: the crash is gone{how or f', {clean} boots without it'}"]
