"""Whether the crash is gone when the culprit is taken out of the bad end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kzram_ci.bisect.belief.model import EVIDENCE, Observation
from kzram_ci.bisect.session.boots import Boots
from kzram_ci.bisect.session.builds import Builds
from kzram_ci.bisect.session.findings import Findings
from kzram_ci.bisect.session.model import REVERT, Commit, Revert
from kzram_ci.bisect.session.store import Session

LUCK = 0.02  # chance that the clean boots of a reverted culprit are luck
MOST_BOOTS = 120


def try_revert(session: Session, builds: Builds, boots: Boots, culprit: str) -> None:
    """Revert the culprit on the bad end, boot that, write down the outcome. Not again once it is known."""
    before = session.findings
    if before.facts.revert is not None and before.facts.revert.heals is not None:
        return
    tree, why = builds.runner.without(culprit, before.bad)
    asked = Revert(tree=tree, why=why, boots=_enough(before))
    _keep(session, asked)
    if why:
        builds.tell(REVERT, why)
        return
    if twin := _commit_of(before, tree):
        _keep(session, verdict(before, asked, of=twin))
        return
    builds.tell(REVERT, f"is the crash gone without the culprit? ({asked.boots} boots)")
    version = before.commit(before.bad).version
    kernel = builds.kernel(Commit(name=REVERT, tree=tree, version=version, subject="the bad end without the culprit"))
    if kernel is None:
        _keep(session, replace(asked, why="the bad end without the culprit does not build"))
        return
    if twin := _booted_as(session.findings, kernel.sha256):
        _keep(session, verdict(session.findings, asked, of=twin))
        return
    more = _wanted_boots(session, asked)
    boots.run(REVERT, kernel, more(), more)
    _keep(session, verdict(session.findings, asked, of=REVERT))


def _keep(session: Session, revert: Revert) -> None:
    session.keep(replace(session.facts, revert=revert))


def verdict(findings: Findings, asked: Revert, *, of: str) -> Revert:
    """What the boots of a commit (or of REVERT itself) show about the revert."""
    seen = [boot.what for boot in findings.boots_of(of)]
    same = "" if of == REVERT else f"the same kernel as {of[:12]}"
    if Observation.CRASH in seen:
        return replace(asked, heals=False, why=same)
    clean = seen.count(Observation.CLEAN)
    return replace(asked, heals=True if clean >= asked.boots or (same and clean) else None, why=same)


def _wanted_boots(session: Session, asked: Revert) -> Callable[[], int]:
    def more() -> int:
        findings = session.findings
        seen = [boot.what for boot in findings.boots_of(REVERT)]
        useless = sum(what not in EVIDENCE for what in seen)
        if verdict(findings, asked, of=REVERT).heals is not None or useless > asked.boots:
            return 0
        return asked.boots - seen.count(Observation.CLEAN)

    return more


def _commit_of(findings: Findings, tree: str) -> str:
    """A commit with this tree that was booted; "" when there is none."""
    name = next((name for name in findings.graph.names if findings.commit(name).tree == tree), "")
    return name if any(boot.what in EVIDENCE for boot in findings.boots_of(name)) else ""


def _booted_as(findings: Findings, sha256: str) -> str:
    """A commit whose kernel has these bytes and was booted; "" when there is none."""
    return next(
        (
            build.commit
            for build in findings.facts.builds
            if build.sha256 == sha256 and build.commit != REVERT and findings.boots_of(build.commit)
        ),
        "",
    )


def _enough(findings: Findings) -> int:
    """Clean boots that a bad kernel would show by luck with a chance below LUCK."""
    belief = findings.standing.belief
    return next((n for n in range(1, MOST_BOOTS) if belief.miss(n) <= LUCK), MOST_BOOTS)
