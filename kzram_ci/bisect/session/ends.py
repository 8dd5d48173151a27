"""What the sources of the ends tell before anything is built: whether the test can show anything on them."""

from __future__ import annotations

from dataclasses import replace

from kzram_ci.base.errors import Interrupted, KzramError
from kzram_ci.bisect.session.builds import Tell
from kzram_ci.bisect.session.choice import tail
from kzram_ci.bisect.session.observations import BuildRecord
from kzram_ci.bisect.session.runner import Runner
from kzram_ci.bisect.session.store import Session


def look_at_ends(session: Session, runner: Runner, tell: Tell) -> None:
    """Write down the ends on which the test can show nothing, with the tests that can; such an end is not built.

    What goes wrong with looking is left to the build. Raises Interrupted.
    """
    asked, findings = session.asked, session.findings
    for end in (findings.bad, *findings.goods):
        if end in findings.builds or not findings.commit(end).tree:
            continue
        try:
            reason, *others = runner.obstacles(findings.commit(end), (asked.cell, *asked.instead))
        except Interrupted:
            raise
        except KzramError:
            continue
        if not reason:
            continue
        fit = [tail(cell) for cell, obstacle in zip(asked.instead, others, strict=True) if not obstacle]
        record = BuildRecord(commit=end, failed=reason, fix=f"--test {' or '.join(fit)}" if fit else "")
        session.keep(replace(session.facts, builds=(*session.facts.builds, record)))
        tell(end, f"not built, no evidence: {reason}")
