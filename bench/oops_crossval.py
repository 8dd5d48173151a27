"""How often the oops parser names the right function, and how much of that is memory: leave-one-title-out.

    python bench/oops_crossval.py DIR...

DIR holds logs and a cases.json: {"cases": [{"id", "log", "has_oops", "kind", "function", "function_aliases",
"corrupted", "suppressed", "scope"}]}. The rules are data (helpers.toml: words; facilities.toml: places), so what a
case taught them can be taken away again: for each title, every word and facility that no case of another title
ever needed is dropped, and only then its cases are judged. That is harsher than new logs are, since a word that
only one case needed may be known for other reasons. Each source of knowledge is also measured with the other off.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kzram_ci.oops import culprit, helpers, parse
from kzram_ci.oops.report import Report

# Waits and cross calls have one name for each whole family: the words are the definition, not experience.
DEFINED = ("rcu_waits", "net_waits", "cross_calls")


@dataclass(frozen=True)
class Case:
    """A log whose culprit is known."""

    name: str
    kind: str
    wanted: frozenset[str]
    group: str
    report: Report | None


@dataclass
class Knowledge:
    """The rules as units that can be dropped, and which of them the current judgement used."""

    words: bool = True
    places: bool = True
    dropped: frozenset[str] = frozenset()
    used: set[str] = field(default_factory=set)

    def ask(self, units: list[str]) -> bool:
        """Whether one of these units still holds; all of them count as used."""
        self.used.update(units)
        return any(unit not in self.dropped for unit in units)


def words() -> list[tuple[helpers.Family, str, helpers.Words]]:
    """Each word of helpers.toml with its family."""
    return [(family, word, helpers.pattern(word)) for family in helpers.families() for word in family.names.split()]


class Matcher:
    """Stands in for one set of helpers: asks unit by unit."""

    def __init__(
        self, knowledge: Knowledge, rules: list[tuple[str, helpers.Words]], kind: str | None, *, hands_on: bool = False
    ) -> None:
        self.knowledge, self.rules, self.kind, self.hands_on = knowledge, rules, kind, hands_on
        self.known: dict[str, tuple[list[str], list[str]]] = {}

    def units(self, name: str) -> tuple[list[str], list[str]]:
        """The words and the facilities that know a function."""
        if name not in self.known:
            placed = []
            if self.hands_on and name in helpers.facilities()[helpers.DISPATCH].names:
                placed = [f"[{helpers.DISPATCH}]"]
            if self.kind is not None and not helpers.family("dispatchers").match(name):
                placed = [
                    f"[{place}]"
                    for place, facility in helpers.facilities().items()
                    if name in facility.names and facility.holds(self.kind)
                ]
            self.known[name] = ([unit for unit, pattern in self.rules if pattern.match(name)], placed)
        return self.known[name]

    def match(self, name: str) -> bool:
        """As the parser asks."""
        by_word, by_place = self.units(name)
        wanted = [*(by_word if self.knowledge.words or self.kind is None else ())]
        wanted += by_place if self.knowledge.places else []
        return self.knowledge.ask(wanted)

    def places(self, name: str) -> bool:
        """As the parser asks."""
        return self.knowledge.places and bool(self.units(name)[1])


def install(knowledge: Knowledge) -> None:
    """Let the strategies ask `knowledge` instead of the tables."""
    table = words()
    made: dict[tuple[str, str], Matcher] = {}

    def for_report(kind: str, name: str) -> Matcher:
        key = (kind, name.lower().rpartition(": ")[2])
        if key not in made:
            rules = [
                (f"{family.where}/{word}", pattern)
                for family, word, pattern in table
                if family.where in ("any", *key) and kind not in family.not_for.split()
            ]
            made[key] = Matcher(knowledge, rules, kind)
        return made[key]

    def for_walk(name: str) -> Matcher:
        if ("walk", name) not in made:
            prefix = "" if name in DEFINED else "walk/"
            rules = [(f"{prefix}{name}/{word}", pattern) for family, word, pattern in table if family.name == name]
            made["walk", name] = Matcher(knowledge, rules, None, hands_on=name == "dispatchers")
        return made["walk", name]

    stand = type("Stand", (), {"helpers": staticmethod(for_report), "walk": staticmethod(for_walk)})
    vars(culprit)["helpers"] = stand


def first_report(log: Path) -> Report | None:
    """The report that the first oops of a log was made of."""
    seen: list[Report] = []
    judge = culprit.culprit_of

    def spy(report: Report) -> culprit.Answer:
        seen.append(report)
        return judge(report)

    culprit.culprit_of = spy
    found = parse(log)
    culprit.culprit_of = judge
    return next((report for report in seen if found and report.line.start == found[0].start), None)


def cases(directory: Path) -> Iterator[Case]:
    """The cases that expect a function."""
    for entry in json.loads((directory / "cases.json").read_text())["cases"]:
        whole = entry["has_oops"] and not entry.get("corrupted") and not entry.get("suppressed")
        if whole and entry.get("scope") in (None, "kernel") and entry.get("function"):
            wanted = frozenset((entry["function"], *entry.get("function_aliases", ())))
            report = first_report(directory / entry["log"])
            yield Case(f"{directory.name}/{entry['id']}", entry["kind"], wanted, entry["function"], report)


def judge(case: Case, knowledge: Knowledge, dropped: frozenset[str]) -> str | None:
    """The culprit of a case without some units."""
    knowledge.dropped, knowledge.used = dropped, set()
    return culprit.culprit_of(case.report)[0] if case.report else None


def measure(name: str, known: list[Case], knowledge: Knowledge, *, show: bool) -> None:
    """Print how many are right with all knowledge and how many without what their own title taught."""
    fitted = 0
    needs, support = [], defaultdict(set)
    for case in known:
        fitted += judge(case, knowledge, frozenset()) in case.wanted
        needs.append(frozenset(knowledge.used))
        for unit in knowledge.used:
            support[unit].add(case.group)
    wrong = []
    for case, used in zip(known, needs, strict=True):
        own = frozenset(unit for unit in used if support[unit] == {case.group} and not unit.startswith(DEFINED))
        found = judge(case, knowledge, own)
        if found not in case.wanted:
            wrong.append(f"  {case.name} {case.kind}: {found}, not {min(case.wanted, key=len)}")
    count = len(known)
    print(f"{name:14} fitted {fitted / count:6.1%}   left out {(count - len(wrong)) / count:6.1%}   of {count}")
    if show:
        print("\n".join(wrong))


def main() -> None:
    """Each source of knowledge with the other off, then both."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    arguments.add_argument("--failures", action="store_true", help="list what is wrong without its own words")
    args = arguments.parse_args()
    known = [case for directory in args.directories for case in cases(directory)]
    knowledge = Knowledge()
    install(knowledge)
    for name, knowledge.words, knowledge.places in (("words alone", True, False), ("places alone", False, True)):
        measure(name, known, knowledge, show=False)
    knowledge.words = knowledge.places = True
    measure("both", known, knowledge, show=args.failures)


if __name__ == "__main__":
    main()
