"""The workloads of the guest and their arguments: rows of rootfs/workloads.yaml, and what a plan gets wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from kzram_ci.base.grammar.problems import Document, Problems
from kzram_ci.base.grammar.validation import checked
from kzram_ci.base.suggest import allowed
from kzram_ci.base.values import dataclass

if TYPE_CHECKING:
    from kzram_ci.plan.workload_schema import ArgumentRow, WorkloadRow

Fault = tuple[str, str]  # (argument, what is wrong with it)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workloads:
    """All workloads by name."""

    rows: Mapping[str, WorkloadRow] = field(default_factory=dict)
    most_threads: int = 64

    def faults(self, program: str, args: Mapping[str, Any]) -> Iterator[Fault]:
        """What is wrong with the arguments that a plan gives a workload; of an unknown workload, nothing."""
        if (row := self.rows.get(program)) is None:
            return
        for name, value in args.items():
            if name not in row.arguments:
                known = allowed(name, sorted(row.arguments))
                yield name, f"{program} has no argument {name!r} (`{name}: null` omits it); {known}"
            elif wrong := _wrong(row.arguments[name], value):
                yield name, wrong
        given = {name: args.get(name, row.arguments[name].default) for name in row.threads}
        total = sum(int(count) for count in given.values() if str(count).isdecimal())
        if total > self.most_threads:
            named = next((name for name in row.threads if name in args), "")
            yield named, f"{total} threads ({' + '.join(row.threads)}); at most {self.most_threads}"

    def counter_fault(self, program: str, name: str) -> str:
        """What is wrong with `name` as a counter that the workload itself reports, or nothing."""
        if (row := self.rows.get(program)) is None or name in row.reports:
            return ""
        return f"{program} does not report {name!r}; {allowed(name, row.reports)}"


def _wrong(argument: ArgumentRow, value: Any) -> str:
    """What is wrong with a value, or nothing."""
    if argument.type == "flag":
        return "" if isinstance(value, bool) else f"expected true or false, got {value!r}"
    if isinstance(value, bool):
        return "" if value is False else f"a value is needed, as in {argument.default!r}"
    if argument.type == "count":
        good = str(value).isdecimal() and int(value) >= argument.min
        return "" if good else f"expected a whole number of at least {argument.min}, got {value!r}"
    if argument.type == "choice" and str(value) not in (argument.values or ()):
        return f"unknown value {value!r}; {allowed(str(value), argument.values or ())}"
    return ""


def workloads_of(documents: Iterable[Document], problems: Problems) -> Workloads:
    """The workloads that files of rows come to; of two rows with one name the first holds."""
    from kzram_ci.plan.workload_schema import WorkloadsFile

    rows: dict[str, WorkloadRow] = {}
    most: int | None = None
    for document in documents:
        if document.data is None or (model := checked(WorkloadsFile, document.data, document, problems)) is None:
            continue
        most = most or model.most_threads
        for name, row in model.workloads.items():
            for argument in set(row.threads) - set(row.arguments):
                where = ("workloads", name, "threads", row.threads.index(argument))
                problems.add(document.file, where, f"no argument {argument!r}; {allowed(argument, row.arguments)}")
            rows.setdefault(name, row)
    return Workloads(rows=rows, most_threads=most or 64)
