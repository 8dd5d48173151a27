"""Results of a run as a watch sees them."""

from kzram_ci.model.evidence import CellResult, Evidence, Judgement, OopsSummary
from kzram_ci.model.outcome import Outcome, Verdict


def result(cell: str, outcome: Outcome, verdict: Verdict, signature: str = "", *, control: bool = False) -> CellResult:
    kernel, _, test = cell.partition("/")
    oops = OopsSummary(title=f"BUG in {signature}", type="bug", function=None, signature=signature, file="oops-1.txt")
    return CellResult(
        id=cell, kernel=kernel, test=test, control=control, directory=f"cells/{kernel}.{test}",
        judgement=Judgement(outcome=outcome, verdict=verdict, reason="why"),
        evidence=Evidence(oopses=(oops,)) if signature else Evidence(),
    )  # fmt: skip


OK = result("k/t", Outcome.PASS, Verdict.OK)
CRASH = result("k/t", Outcome.OOPS, Verdict.FINDING, "bug:f")
INFRA = result("k/u", Outcome.INFRA, Verdict.ERROR)
