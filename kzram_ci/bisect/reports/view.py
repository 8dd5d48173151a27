"""A session as its reports show it: the answer in words, and every commit with what is believed of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kzram_ci.bisect.belief.decide import Answer, Kind
from kzram_ci.bisect.belief.model import Bisection, Observation
from kzram_ci.bisect.belief.posterior import Posterior, posterior, tallies
from kzram_ci.bisect.belief.untestable import untestable
from kzram_ci.bisect.reports.git_log import fixes
from kzram_ci.bisect.reports.model import BisectView, BootView, CommitView
from kzram_ci.bisect.session.observations import BootRecord, told
from kzram_ci.bisect.session.store import REVERT, Session

_SIDE = 0.05  # a booted commit's side is told when the doubt about it is below this


def view_of(session: Session) -> BisectView:
    """Everything the reports need. Raises UserError when marks contradict each other."""
    state, facts = session.state(), session.facts
    belief = posterior(state)
    commits = _commits(session, state, belief)
    answer = facts.answer
    return BisectView(
        name=session.path.name,
        plan=session.asked.plan,
        cell=session.asked.cell.id,
        repository=session.asked.repository,
        wanted=session.wanted().words() or "the first crash of the bad end",
        done=answer is not None,
        lines=words(session) if answer is not None else _so_far(session, belief),
        none=belief.none,
        commits=commits,
        revert=_boots(session, session.boots_of(REVERT)),
        notes=(*((session.asked.note,) if session.asked.note else ()), *facts.notes, *_other_crashes(session)),
        facts=_facts(session, belief),
    )


def _commits(session: Session, state: Bisection, belief: Posterior) -> tuple[CommitView, ...]:
    graph, counts = state.graph, tallies(state)
    broken = untestable(counts, state.settings)
    each, marks, roles = belief.each(), dict(session.facts.marks), _roles(session)
    twins = {other: one for one, other in state.same}
    result = []
    for node, name in enumerate(graph.names):
        commit, build = session.commit(name), session.build(name)
        known = build is not None or node in counts
        result.append(
            CommitView(
                name=name,
                subject=commit.subject,
                author=commit.author,
                date=commit.date,
                probability=each[node] if node < graph.candidates else 0.0,
                candidate=node < graph.candidates,
                side=_side(belief, node, skip=node in broken) if known else "",
                roles=roles.get(name, ()),
                build=_built(session, name),
                failed=bool(build is not None and build.failed),
                boots=_boots(session, session.boots_of(name)),
                mark=marks[name].value.removeprefix("mark-") if name in marks else "",
                twin=twins.get(name, ""),
            )
        )
    order = sorted(range(len(result)), key=lambda node: (node < graph.candidates, node))  # what lies before, first
    return tuple(result[node] for node in order)


def _roles(session: Session) -> dict[str, tuple[str, ...]]:
    roles: dict[str, list[str]] = {session.bad: ["bad end"]}
    for good in session.goods:
        roles.setdefault(good, []).append("good end")
    answer = session.facts.answer
    if answer is not None and answer.kind in (Kind.CULPRIT, Kind.SUSPECTS):
        for name in answer.commits:
            roles.setdefault(name, []).insert(0, "culprit" if answer.kind is Kind.CULPRIT else "suspect")
        if answer.kind is Kind.CULPRIT:
            for parent in _parents(session, answer.commits[0]):
                roles.setdefault(parent, []).append("parent of the culprit")
    return {name: tuple(words) for name, words in roles.items()}


def _parents(session: Session, commit: str) -> tuple[str, ...]:
    graph = session.start.graph
    return tuple(graph.names[parent] for parent in graph.parents[graph.numbers[commit]])


def _side(belief: Posterior, node: int, *, skip: bool) -> str:
    if skip:
        return "skip"
    if not belief.graph.reach[node]:
        return "good" if belief.none < 1.0 - _SIDE else ""
    bad = belief.bad(node)
    return "bad" if bad >= 1.0 - _SIDE else "good" if bad <= _SIDE else ""


def _built(session: Session, name: str) -> str:
    build = next((one for one in session.facts.builds if one.commit == name), None)
    if build is None:
        return ""
    if build.failed:
        return f"not built: {build.failed}"
    how = "from the cache" if build.cached else f"built in {build.seconds:.0f} s"
    return f"{build.release} {how}, key {build.key[:12]}, image {build.sha256[:12]}"


def _boots(session: Session, boots: Sequence[BootRecord]) -> tuple[BootView, ...]:
    wanted = session.wanted()
    return tuple(
        BootView(
            number=boot.number,
            what=told(boot, wanted).value,
            text=boot.principal.signature if boot.principal is not None else boot.reason,
            seconds=boot.seconds,
            directory=boot.directory,
        )
        for boot in boots
    )


def _so_far(session: Session, belief: Posterior) -> tuple[str, ...]:
    boots, top = session.facts.boots, belief.top
    lines = [f"{_many(len(boots), 'boot')}, {_kernels(session)}; no answer yet"]
    if top is not None and boots:
        members = [session.commit(belief.graph.names[node]) for node in belief.graph.members(top.commits)]
        shown = f"{members[0].name[:12]} ({members[0].subject})" if top.size == 1 else f"one of {top.size} commits"
        lines.append(
            f"most probable: {shown} with {percent(top.weight)}; no commit of the range {percent(belief.none)}"
        )
    return tuple(lines)


def percent(value: float) -> str:
    """Never "100 %" for what is not certain."""
    if value >= 0.9995:
        return f"{int(value * 1e5) / 1e3:.3f} %" if value < 1.0 else "100 %"
    return f"{value:.1%}".replace("%", " %")


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _kernels(session: Session) -> str:
    builds = [build for build in session.facts.builds if build.commit != REVERT]
    failed = sum(bool(build.failed) for build in builds)
    cached = sum(build.cached for build in builds)
    made = len(builds) - failed - cached
    parts = [f"{_many(made, 'kernel')} built"]
    parts += [f"{cached} from the cache"] if cached else []
    parts += [f"{failed} did not build"] if failed else []
    return ", ".join(parts)


def words(session: Session) -> tuple[str, ...]:
    """The answer for people, line by line."""
    answer = session.facts.answer
    if answer is None:
        return ()
    return (*_head(session, answer), *_behind(session, answer), *_revert(session), *_fixes(session, answer))


def _head(session: Session, answer: Answer) -> list[str]:
    sure = percent(answer.confidence)
    goods = ", ".join(good[:12] for good in session.goods)
    match answer.kind:
        case Kind.CULPRIT:
            commit = session.commit(answer.commits[0])
            return [
                f"culprit: {commit.name[:12]} {commit.subject}",
                f"author: {commit.author}, {commit.date}",
                f"confidence: {sure}",
            ]
        case Kind.SUSPECTS:
            listed = [f"suspect: {name[:12]} {session.commit(name).subject}" for name in answer.commits]
            return [f"one of {len(answer.commits)} commits, with {sure}; no commit between them can be tested", *listed]
        case Kind.NONE:
            end = f"the good end {goods} crashes like the bad end"
            return [f"no commit of this range is to blame ({sure}): {end}", "fix: give a --good that does not crash"]
        case Kind.NOT_REPRODUCED:
            what = session.wanted().words()
            shown = f" ({what})" if what else ""
            return [
                f"the bad end {session.bad[:12]} does not show the wanted crash{shown}; no commit can be blamed",
                "fix: check --bad, and what is looked for (--signature); a rarer crash needs a longer test",
            ]
        case Kind.UNTESTABLE_END:
            end = answer.commits[0] if answer.commits else session.bad
            build = session.build(end)
            why = build.failed if build is not None and build.failed else _most(session, end)
            side = "bad" if end == session.bad else "good"
            return [f"the {side} end {end[:12]} cannot be tested: {why}", f"fix: give another --{side}"]


def _most(session: Session, commit: str) -> str:
    said = Counter(boot.reason for boot in session.boots_of(commit)).most_common(1)
    return said[0][0] if said else "nothing is known of it"


def _behind(session: Session, answer: Answer) -> list[str]:
    wanted, boots = session.wanted(), [boot for boot in session.facts.boots if boot.commit != REVERT]
    seen = Counter(told(boot, wanted) for boot in boots)
    lines = [f"wanted: {wanted.words()}"] if wanted.words() else []
    spread = f" ({', '.join(f'{count} {what}' for what, count in seen.items())})" if boots else ""
    lines.append(f"behind it: {_many(len(boots), 'boot')}{spread}, {_kernels(session)}")
    if answer.kind is Kind.CULPRIT:
        culprit = answer.commits[0]
        lines.append(f"culprit {_own(session, culprit)}")
        lines += [f"its parent {parent[:12]} {_own(session, parent)}" for parent in _parents(session, culprit)]
        lines.append(
            f"crash rate a boot: {answer.rate_bad:.0%} with the culprit, {answer.rate_good:.2%} without".replace(
                "%", " %"
            )
        )
    if answer.commits and answer.kind is not Kind.UNTESTABLE_END:
        other = session.commit(answer.runner_up) if answer.runner_up else None
        name = f"{other.name[:12]} {other.subject}" if other is not None else "no commit of this range"
        lines.append(f"runner-up: {name}, {percent(answer.runner_up_probability)}")
    return lines


def _own(session: Session, commit: str) -> str:
    """The boots of a kernel with exactly these bytes."""
    wanted, content = session.wanted(), session.content(commit)
    boots = [boot for boot in session.facts.boots if boot.commit != REVERT and session.content(boot.commit) == content]
    seen = Counter(told(boot, wanted) for boot in boots)
    total = seen[Observation.CRASH] + seen[Observation.CLEAN]
    if not total:
        build = session.build(commit)
        if build is not None and build.failed:
            return "could not be built"
        marked = dict(session.facts.marks).get(commit)
        return f"was marked {marked.value.removeprefix('mark-')}" if marked else "could not be tested itself"
    return f"crashed in {seen[Observation.CRASH]} of {total} boots"


def _revert(session: Session) -> list[str]:
    revert = session.facts.revert
    if revert is None:
        return []
    if revert.heals is None:
        return [f"revert on the bad end: not told, {revert.why or 'too few boots said anything'}"]
    how = f" ({revert.why})" if revert.why else ""
    boots = session.boots_of(REVERT)
    if revert.heals:
        wanted = session.wanted()
        clean = sum(told(boot, wanted) is Observation.CLEAN for boot in boots)
        return [f"revert on the bad end: heals it{how or f', {clean} boots without a crash'}"]
    return [f"revert on the bad end: does not heal it{how}, something else crashes alike"]


def _fixes(session: Session, answer: Answer) -> list[str]:
    if answer.kind is not Kind.CULPRIT:
        return []
    commit = session.commit(answer.commits[0])
    return [fixes(commit.name, commit.subject)]


def _other_crashes(session: Session) -> tuple[str, ...]:
    """Crashes that were not counted: the user may know them for the same bug."""
    wanted = session.wanted()
    seen = Counter(
        crash.signature
        for boot in session.facts.boots
        if told(boot, wanted) is Observation.OTHER and (crash := boot.principal) is not None
    )
    if not seen:
        return ()
    listed = ", ".join(f"{signature} ({count})" for signature, count in seen.most_common(5))
    return (f"other crashes, which say nothing about the wanted one: {listed}; --signature counts one as the same",)


def _facts(session: Session, belief: Posterior) -> tuple[tuple[str, str], ...]:
    asked, graph, wanted = session.asked, session.start.graph, session.wanted()
    goods = " ".join(good[:12] for good in session.goods)
    rows = [
        (
            "range",
            f"{graph.candidates} commits, {goods}..{session.bad[:12]}" + (" --first-parent" * asked.first_parent),
        ),
        ("paths", " ".join(asked.paths)),
        ("repository", asked.repository),
        ("plan", f"{asked.plan}, {asked.cell.id}"),
        ("series", " ".join(asked.cell.kernel.series)),
        ("wanted", wanted.words()),
        ("boots", str(len(session.facts.boots))),
        ("kernels", _kernels(session)),
        ("crash rate of a bad kernel", f"{belief.rate_bad():.0%}"),
    ]
    return tuple((name, value) for name, value in rows if value)
