"""Functions that stand on stacks without being the culprit: by the place where they live, and by their names.

facilities.txt.gz knows where a function of the kernel lives (written from the sources, see facilities.toml); for
all others helpers.toml has patterns of names. Both are read once, on first use.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from kzram_ci.base.values import dataclass

DISPATCH = "dispatch"  # the facility that hands control on
MAX_KNOWN = 4096  # names of which the answer is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Function names with one reason; see the head of helpers.toml for `where`. `name` is set for the walk sets.

    `not_for`: types of reports that do not pass over them after all.
    """

    where: str
    why: str
    names: str
    name: str = ""
    not_for: str = ""


class Words:
    """Whole names, and names with stars, each of which stands for any rest."""

    __slots__ = ("_lengths", "_others", "_starts", "_whole")

    def __init__(self, words: Iterable[str]) -> None:
        """Most are whole or end in the star; only the others need an expression."""
        known = frozenset(words)
        self._whole = frozenset(word for word in known if "*" not in word)
        self._starts = frozenset(word[:-1] for word in known if word.find("*") == len(word) - 1 >= 0)
        self._lengths = sorted({len(start) for start in self._starts})
        others = known - self._whole - {f"{start}*" for start in self._starts}
        self._others = re.compile("|".join(re.escape(word).replace(r"\*", r"[\w.$:<>]*") for word in others) or r"(?!)")

    def match(self, name: str) -> bool:
        """Whether one of them is this name."""
        if name in self._whole:
            return True
        starts = self._starts
        return any(name[:length] in starts for length in self._lengths) or bool(self._others.fullmatch(name))


class Helpers:
    """The functions that reports of one kind pass over."""

    __slots__ = ("_all", "_known", "_names", "_words")

    def __init__(self, names: frozenset[str], words: Words, *, all_of: bool = False) -> None:
        """`names` by place, `words` for what has no place; `all_of` the names, also those that hand control on."""
        self._names, self._words, self._all = names, words, all_of
        self._known: dict[str, bool] = {}

    def match(self, name: str) -> bool:
        """Whether this function is one of them."""
        found = self._known.get(name)
        if found is None:
            found = self.places(name) or self._words.match(name)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[name] = found
        return found

    def places(self, name: str) -> bool:
        """Whether a facility defines this function, and it is none that hands control on."""
        return name in self._names and (self._all or not family("dispatchers").match(name))


@cache
def families() -> tuple[Family, ...]:
    """All rules about names."""
    import tomllib  # a clean log needs no table

    data = tomllib.loads(files("kzram_ci.oops").joinpath("helpers.toml").read_text(encoding="utf-8"))
    return tuple(Family(**entry) for entry in data["family"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """The functions of one facility, and the types of reports that pass over them."""

    names: frozenset[str]
    kinds: frozenset[str]
    only: bool  # `kinds` are those that do; else those that do not

    def holds(self, kind: str) -> bool:
        """Whether reports of this type pass over it."""
        return (kind in self.kinds) == self.only


@cache
def facilities() -> Mapping[str, Facility]:
    """What facilities.txt.gz holds."""
    text = gzip.decompress(files("kzram_ci.oops").joinpath("facilities.txt.gz").read_bytes()).decode()
    found = {}
    for section in text.split("\n[")[1:]:
        head, _, names = section.partition("\n")
        name, _, kinds = head.partition("]")
        found[name] = Facility(
            names=frozenset(names.split()),
            kinds=frozenset(kinds.strip().removeprefix("!").split()),
            only="!" in kinds,
        )
    return found


@cache
def placed(kind: str) -> frozenset[str]:
    """The functions that live in a facility, as far as a report of this type passes over them."""
    return frozenset().union(*(facility.names for facility in facilities().values() if facility.holds(kind)))


@cache
def pattern(names: str) -> Words:
    """The words of a text."""
    return Words(names.split())


@cache
def helpers(kind: str, title: str) -> Helpers:
    """All functions that a report of this type and title passes over."""
    wanted = ("any", kind, title.lower().rpartition(": ")[2])
    names = [each.names for each in families() if each.where in wanted and kind not in each.not_for.split()]
    return Helpers(placed(kind), pattern(" ".join(names)))


@cache
def family(name: str) -> Words:
    """One of the sets that stalls, overflows and hung tasks are judged by, as far as words go."""
    return next(pattern(family.names) for family in families() if family.name == name)


@cache
def walk(name: str) -> Words | Helpers:
    """The same with what the places of functions say."""
    return Helpers(facilities()[DISPATCH].names, family(name), all_of=True) if name == "dispatchers" else family(name)
