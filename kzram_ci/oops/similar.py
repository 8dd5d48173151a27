"""Which oopses are one crash: equal signatures, and stacks that differ only in their depth.

A function that one compiler inlines has no frame of its own, so the culprit of the same crash may be its caller in
another build. Such stacks are the same but for their depth: one holds all functions of the other, in its order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from kzram_ci.base.values import dataclass
from kzram_ci.oops import helpers
from kzram_ci.oops.frames import bare
from kzram_ci.oops.mangled import demangled
from kzram_ci.oops.model import Oops

SAME, DEPTH, OTHER = "", "depth", "way"
WORDS = {SAME: "", DEPTH: "same but for the depth of the stack", OTHER: "another way here"}
FEW = 3  # functions that two crashes share by chance
DEEPER = 12  # functions that compilers inline differently on one stack are no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One oops of a group; `differs` from the first: a key of WORDS."""

    log: str
    oops: Oops
    differs: str

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data: where it is and how it differs."""
        return {"log": self.log, "line": self.oops.line, "signature": self.oops.signature, "differs": self.differs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One crash, as often as it was seen, in the order of the logs."""

    signature: str
    title: str
    members: tuple[Member, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "signature": self.signature,
            "title": self.title,
            "count": len(self.members),
            "members": [member.to_json() for member in self.members],
        }


def path(oops: Oops) -> tuple[str, ...]:
    """The functions that led to a crash, innermost first: no inlined ones, nothing that printed; recursion once."""
    pointer = (oops.pointer,) if oops.pointer is not None else ()
    return way(frame.function for frame in (*pointer, *oops.frames) if frame.reliable and not frame.inline)


def way(functions: Iterable[str]) -> tuple[str, ...]:
    """The same of the functions of a stack, as they were printed."""
    printed = helpers.facilities()["report"].names | helpers.facilities()["sanitizer"].names
    names = [name for function in functions if (name := demangled(bare(function))) not in printed]
    return tuple(name for index, name in enumerate(names) if index == 0 or names[index - 1] != name)


def differs(first: Sequence[str], second: Sequence[str]) -> str:
    """How two paths differ: a key of WORDS."""
    if tuple(first) == tuple(second):
        return SAME
    shorter, longer = sorted((first, second), key=len)
    rest = iter(longer)
    return DEPTH if all(name in rest for name in shorter) else OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What says which crash an oops is."""

    signature: str
    type: str
    function: str | None
    path: tuple[str, ...]
    corrupted: bool = False

    @property
    def kind(self) -> str:
        """The signature without the function."""
        return self.signature.removesuffix(self.function or "")


def one_crash(first: Seen, second: Seen) -> bool:
    """Whether oopses of different signatures are one crash after all: two builds of the same code."""
    if first.type != second.type or first.kind != second.kind or first.function is None or second.function is None:
        return False
    sizes = sorted(map(len, (first.path, second.path)))
    return sizes[0] >= FEW and sizes[1] - sizes[0] <= DEEPER and differs(first.path, second.path) == DEPTH


class Homes:
    """The crashes known so far, each by the signature it was first seen with."""

    def __init__(self) -> None:
        self._known: dict[str, Seen] = {}
        self._innermost: dict[tuple[str, str], list[str]] = {}  # by kind and first function of the path
        self._through: dict[tuple[str, str], list[str]] = {}  # by kind and any function of it

    def of(self, seen: Seen) -> str:
        """The crash that an oops is; a new one, if no other is alike."""
        if seen.signature in self._known:
            return seen.signature
        if not seen.corrupted and (home := self._alike(seen)) is not None:
            return home
        self._known[seen.signature] = seen
        if seen.path:
            self._innermost.setdefault((seen.kind, seen.path[0]), []).append(seen.signature)
        for name in dict.fromkeys(seen.path):
            self._through.setdefault((seen.kind, name), []).append(seen.signature)
        return seen.signature

    def _alike(self, seen: Seen) -> str | None:
        """Of two stacks that differ in depth, the one with more functions has the first one of the other."""
        near = [*self._through.get((seen.kind, seen.path[0]), ())] if seen.path else []
        for name in dict.fromkeys(seen.path):
            near += self._innermost.get((seen.kind, name), ())
        return next((home for home in dict.fromkeys(near) if one_crash(self._known[home], seen)), None)


def groups(found: Iterable[tuple[str, Oops]]) -> tuple[Group, ...]:
    """The crashes, the most frequent first, then as they came. `found`: the name of a log, an oops in it."""
    homes, gathered = Homes(), dict[str, list[tuple[str, Oops]]]()
    for log, oops in found:
        seen = Seen(
            signature=oops.signature,
            type=oops.type,
            function=oops.function,
            path=path(oops),
            corrupted=oops.corrupted,
        )
        gathered.setdefault(homes.of(seen), []).append((log, oops))
    made = []
    for signature, entries in gathered.items():
        first = path(entries[0][1])
        members = [Member(log=log, oops=oops, differs=differs(first, path(oops))) for log, oops in entries]
        members[0] = replace(members[0], differs=SAME)
        made.append(Group(signature=signature, title=entries[0][1].title, members=tuple(members)))
    return tuple(sorted(made, key=lambda group: -len(group.members)))


def text(group: Group) -> str:
    """A group for people: how often, what, and where."""
    lines = [f"{len(group.members)} x {group.title}", f"  signature {group.signature}"]
    for member in group.members:
        words = WORDS[member.differs]
        lines.append(f"  {member.log}:{member.oops.line}" + (f": {words}" if words else ""))
    return "\n".join(lines)
