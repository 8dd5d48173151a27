"""A session as its reports show it: every commit with what is believed of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kzram_ci.bisect.belief.decide import Kind
from kzram_ci.bisect.reports.answer import answer_lines, other_crashes, progress_lines
from kzram_ci.bisect.reports.model import BisectView, BootView, CommitView
from kzram_ci.bisect.reports.wording import kernels
from kzram_ci.bisect.session.findings import Findings
from kzram_ci.bisect.session.model import REVERT
from kzram_ci.bisect.session.observations import BuildRecord, SeenBoot

_DOUBT = 0.05  # below it, the side of a booted commit is shown


def view_of(findings: Findings, *, name: str) -> BisectView:
    """Everything the reports need; `name` is that of the session's directory."""
    asked, facts = findings.asked, findings.facts
    return BisectView(
        name=name,
        plan=asked.plan,
        cell=asked.cell.id,
        repository=asked.repository,
        wanted=findings.wanted.text() or "the first crash of the bad end",
        done=facts.answer is not None,
        lines=answer_lines(findings) or progress_lines(findings),
        none=findings.standing.belief.none,
        commits=_commits(findings),
        revert=_boots(findings.boots_of(REVERT)),
        notes=(*((asked.note,) if asked.note else ()), *facts.notes, *other_crashes(findings)),
        facts=_facts(findings),
    )


def _commits(findings: Findings) -> tuple[CommitView, ...]:
    """What lies before the range first, then the range, oldest first."""
    standing, graph, marks, roles = findings.standing, findings.graph, dict(findings.facts.marks), _roles(findings)
    twins = {other: one for one, other in standing.state.same}
    own = {build.commit for build in findings.facts.builds}
    probabilities = standing.belief.each()

    def view(node: int, name: str) -> CommitView:
        commit, build = findings.commit(name), findings.builds.get(name)
        known = build is not None or node in standing.counts
        return CommitView(
            name=name,
            subject=commit.subject,
            author=commit.author,
            date=commit.date,
            probability=probabilities[node] if node < graph.candidates else 0.0,
            candidate=node < graph.candidates,
            side=standing.side(node, _DOUBT) if known else "",
            roles=tuple(roles.get(name, ())),
            build=_build_text(build) if build is not None and name in own else "",
            failed=bool(build is not None and build.failed),
            boots=_boots(findings.boots_of(name)),
            mark=marks[name].value.removeprefix("mark-") if name in marks else "",
            twin=twins.get(name, ""),
        )

    views = [view(node, name) for node, name in enumerate(graph.names)]
    return (*views[graph.candidates :], *views[: graph.candidates])


def _roles(findings: Findings) -> Mapping[str, list[str]]:
    roles: dict[str, list[str]] = {findings.bad: ["bad end"]}
    for good in findings.goods:
        roles.setdefault(good, []).append("good end")
    answer = findings.facts.answer
    if answer is not None and answer.kind in (Kind.CULPRIT, Kind.SUSPECTS):
        for name in answer.commits:
            roles.setdefault(name, []).insert(0, "culprit" if answer.kind is Kind.CULPRIT else "suspect")
        if answer.kind is Kind.CULPRIT:
            for parent in findings.parents(answer.commits[0]):
                roles.setdefault(parent, []).append("parent of the culprit")
    return roles


def _build_text(build: BuildRecord) -> str:
    if build.failed:
        return f"not built: {build.failed}"
    how = "from the cache" if build.cached else f"built in {build.seconds:.0f} s"
    return f"{build.release} {how}, key {build.key[:12]}, image {build.sha256[:12]}"


def _boots(boots: Iterable[SeenBoot]) -> tuple[BootView, ...]:
    return tuple(
        BootView(
            number=boot.record.number,
            what=boot.what.value,
            text=crash.signature if (crash := boot.record.principal) is not None else boot.record.reason,
            seconds=boot.record.seconds,
            directory=boot.record.directory,
        )
        for boot in boots
    )


def _facts(findings: Findings) -> tuple[tuple[str, str], ...]:
    asked = findings.asked
    goods = " ".join(good[:12] for good in findings.goods)
    limits = " --first-parent" * asked.first_parent
    rows = (
        ("range", f"{findings.graph.candidates} commits, {goods}..{findings.bad[:12]}{limits}"),
        ("paths", " ".join(asked.paths)),
        ("repository", asked.repository),
        ("plan", f"{asked.plan}, {asked.cell.id}"),
        ("series", " ".join(asked.cell.kernel.series)),
        ("wanted", findings.wanted.text()),
        ("boots", str(len(findings.facts.boots))),
        ("kernels", kernels(findings)),
        ("crash rate of a bad kernel", f"{findings.standing.belief.rate_bad():.0%}"),
    )
    return tuple((name, value) for name, value in rows if value)
