"""What changed between two runs, cell by cell, and what made their kernels differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Verdict
from kzram_ci.model.provenance import Provenance
from kzram_ci.results.reports import noise
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.summary_model import RECOMPRESSIONS
from kzram_ci.results.reports.tested import SHORT
from kzram_ci.results.reports.wording import word
from kzram_ci.verdict.exposure import OVERRUNS, counted
from kzram_ci.verdict.judge import principal_oops
from kzram_ci.verdict.together import folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One cell that differs. `kind`: one of ORDER.

    `why`: what differs of its kernel and of its set-up, where something does, and what chance has to do with it.
    `new`: a finding that was not seen in this cell before.
    """

    kind: str
    id: str
    before: str = ""
    after: str = ""
    why: str = ""
    new: bool = False

    @property
    def worse(self) -> bool:
        """Whether what was ok no longer is: a finding now, or without a verdict."""
        return self.kind in ("regressed", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelChange:
    """A kernel of the same name in both runs that is not the same."""

    kernel: str
    before: str  # key
    after: str
    differences: tuple[str, ...]


ORDER = ("regressed", "lost", "rate", "fixed", "flaky", "changed", "crash", "kernel", "setup", "added", "removed")
NOT_RECORDED = "what differs was not recorded"
CONTENT = "the content of the source, of patches or of config fragments"
SETUP = "machine, workload, expectation, root file system or accelerator"


def compare(
    before: Sequence[CellResult], after: Sequence[CellResult], past: Mapping[str, Sequence[CellResult]] | None = None
) -> tuple[Change, ...]:
    """Differences of two runs, regressions first, otherwise in the order of the cells.

    Repeats count as their cell. `past`: earlier results of a cell, which tell a new finding from one that comes and
    goes.
    """
    old, new = ({result.id: result for result in folded(run)} for run in (before, after))
    changes = []
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            changes.append(Change(kind="removed", id=name, before=describe(old[name])))
        elif name not in old:
            first_seen = noise.is_new(new[name], (past or {}).get(name, ()))
            changes.append(Change(kind="added", id=name, after=describe(new[name]), new=first_seen))
        elif kind := _kind(old[name], new[name], known := (*(past or {}).get(name, ()), old[name])):
            texts = (_kernel(one) if kind == "kernel" else describe(one) for one in (old[name], new[name]))
            first, second = ("", "") if kind == "setup" else texts
            why = "; ".join((*_why(old[name], new[name]), *noise.words(kind, old[name], new[name], known)))
            first_seen = noise.is_new(new[name], known)
            changes.append(Change(kind=kind, id=name, before=first, after=second, why=why, new=first_seen))
    return tuple(sorted(changes, key=lambda change: ORDER.index(change.kind)))


def kernel_changes(before: Sequence[CellResult], after: Sequence[CellResult]) -> tuple[KernelChange, ...]:
    """Kernels that differ, each once, in the order of their cells."""
    new = {result.id: result for result in after}
    found: dict[str, KernelChange] = {}
    for old in before:
        now = new.get(old.id)
        if now is not None and old.kernel not in found and _other_kernel(old, now):
            found[old.kernel] = KernelChange(
                kernel=old.kernel,
                before=old.kernel_key,
                after=now.kernel_key,
                differences=differences(old.provenance, now.provenance),
            )
    return tuple(found.values())


def _other_kernel(old: CellResult, new: CellResult) -> bool:
    return bool(old.kernel_key and new.kernel_key and old.kernel_key != new.kernel_key)


def _other_setup(old: CellResult, new: CellResult) -> bool:
    return bool(old.setup_key and new.setup_key and old.setup_key != new.setup_key)


def _why(old: CellResult, new: CellResult) -> Iterator[str]:
    if _other_kernel(old, new):
        yield f"kernel {old.kernel_key[:SHORT]} -> {new.kernel_key[:SHORT]}"
    if _other_setup(old, new):
        yield f"another {SETUP}"


def _kernel(result: CellResult) -> str:
    return f"kernel {result.kernel_key[:SHORT]}"


_AFTER_OK = {
    Verdict.OK: "",
    Verdict.FINDING: "regressed",
    Verdict.ERROR: "lost",
    Verdict.INCONCLUSIVE: "lost",
    Verdict.SKIPPED: "changed",
}


def _kind(old: CellResult, new: CellResult, known: Sequence[CellResult]) -> str:
    was, now = old.judgement, new.judgement
    if noise.comes_and_goes(old, new, known):
        return "flaky"
    if was.verdict is not now.verdict:
        if was.verdict is Verdict.OK:
            return _AFTER_OK[now.verdict]
        return "fixed" if now.verdict is Verdict.OK and was.verdict is Verdict.FINDING else "changed"
    tests = (
        ("changed", was.outcome is not now.outcome),
        ("rate", noise.other_rate(old, new)),
        ("crash", _signature(old) != _signature(new)),
        ("kernel", _other_kernel(old, new)),
        ("setup", _other_setup(old, new)),
    )
    return next((kind for kind, found in tests if found), "")


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


def differences(old: Provenance | None, new: Provenance | None) -> tuple[str, ...]:
    """What made two kernels differ: source, commit, series, config, make variables, toolchain."""
    if old is None or new is None:
        return (NOT_RECORDED,)
    return tuple(_differences(old, new)) or (CONTENT,)


def _differences(old: Provenance, new: Provenance) -> Iterator[str]:
    yield from _moved("source", old.source, new.source)
    yield from _moved("version", old.version, new.version)
    yield from _moved("commit", old.commit[:SHORT], new.commit[:SHORT])
    if old.dirty != new.dirty:
        yield f"the tree is {'dirty now' if new.dirty else 'as committed now'}"
    elif old.dirty and old.identity != new.identity:
        yield "the dirty tree has other content"
    was, now = {one.name: one for one in old.series}, {one.name: one for one in new.series}
    for name in dict.fromkeys((*was, *now)):
        if name not in was or name not in now:
            yield f"series {name} {'added' if name in now else 'removed'}"
        elif was[name].patches != now[name].patches:
            yield f"series {name}: {_patches(was[name].patches)} -> {_patches(now[name].patches)}"
    if tuple(was) != tuple(now) and set(was) == set(now):
        yield "another order of series"
    yield from _members("config", old.fragments, new.fragments)
    yield from _entries("make", dict(old.make_vars), dict(new.make_vars))
    yield from _entries("toolchain", dict(old.toolchain), dict(new.toolchain))


def _moved(what: str, old: str, new: str) -> Iterator[str]:
    if old != new:
        yield f"{what} {old or 'none'} -> {new or 'none'}"


def _patches(names: Sequence[str]) -> str:
    return ", ".join(names) or "left out"


def _members(what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        if (name in old) != (name in new):
            yield f"{what} {name} {'added' if name in new else 'removed'}"


def _entries(what: str, old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        yield from _moved(f"{what} {name}", old.get(name, ""), new.get(name, ""))


def as_lines(changes: Sequence[Change], kernels: Sequence[KernelChange], *, total: int) -> list[str]:
    """One line a change, or one for "no change"; then what made kernels differ."""
    if not changes:
        return [f"no change in {say_count(total, 'cell')}"]
    shown = []
    for change in changes:
        arrow = f"{one_line(change.before) or '-'} -> {one_line(change.after) or '-'}"
        text = change.why if change.kind == "setup" else arrow
        why = f" ({change.why})" if change.why and change.kind not in ("kernel", "setup") else ""
        why += "; a new finding" if change.new else ""
        shown.append(f"{change.kind:<9}  {one_line(change.id)}: {text}{why}")
    for kernel in kernels:
        keys = f"{kernel.before[:SHORT]} -> {kernel.after[:SHORT]}"
        shown.append(f"kernel {one_line(kernel.kernel)}: {keys}: {one_line('; '.join(kernel.differences), 500)}")
    return shown
