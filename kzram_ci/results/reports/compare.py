"""What changed between two runs, cell by cell. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Verdict
from kzram_ci.results.reports.summary_model import RECOMPRESSIONS
from kzram_ci.results.reports.wording import word
from kzram_ci.verdict.exposure import OVERRUNS, counted
from kzram_ci.verdict.judge import principal_oops


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One cell that differs. `kind`: regressed, fixed, changed, crash, kernel, added, removed."""

    kind: str
    id: str
    before: str = ""
    after: str = ""

    @property
    def worse(self) -> bool:
        """Whether what was ok no longer is."""
        return self.kind == "regressed"


ORDER = ("regressed", "fixed", "changed", "crash", "kernel", "added", "removed")


def compare(before: Sequence[CellResult], after: Sequence[CellResult]) -> tuple[Change, ...]:
    """Differences of two runs, regressions first, otherwise in the order of the cells."""
    old, new = {result.id: result for result in before}, {result.id: result for result in after}
    changes = []
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            changes.append(Change(kind="removed", id=name, before=describe(old[name])))
        elif name not in old:
            changes.append(Change(kind="added", id=name, after=describe(new[name])))
        elif (kind := _kind(old[name], new[name])) == "kernel":
            key_before, key_after = old[name].kernel_key[:12], new[name].kernel_key[:12]
            changes.append(Change(kind=kind, id=name, before=f"kernel {key_before}", after=f"kernel {key_after}"))
        elif kind:
            changes.append(Change(kind=kind, id=name, before=describe(old[name]), after=describe(new[name])))
    return tuple(sorted(changes, key=lambda change: ORDER.index(change.kind)))


def _kind(old: CellResult, new: CellResult) -> str:
    was, now = old.judgement, new.judgement
    if was.verdict is not now.verdict:
        if was.verdict is Verdict.OK:
            return "regressed" if now.verdict is Verdict.FINDING else "changed"
        return "fixed" if now.verdict is Verdict.OK and was.verdict is Verdict.FINDING else "changed"
    if was.outcome is not now.outcome:
        return "changed"
    if _signature(old) != _signature(new):
        return "crash"
    return "kernel" if old.kernel_key and new.kernel_key and old.kernel_key != new.kernel_key else ""


def _signature(result: CellResult) -> str:
    oops = principal_oops(result.evidence.oopses)
    return oops.signature if oops is not None else ""


def describe(result: CellResult) -> str:
    """Verdict, outcome and what matters most, on one line."""
    parts = [word(result.judgement)]
    oops = principal_oops(result.evidence.oopses)
    parts += [oops.title] if oops is not None else []
    for name in (RECOMPRESSIONS, OVERRUNS):
        value = counted(result, name)
        parts += [f"{name} {value:,}"] if value is not None else []
    return ", ".join(parts)
