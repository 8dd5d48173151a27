"""Which oopses are one crash: equal signatures, and stacks that differ only in their depth.

A function that one compiler inlines has no frame of its own, so the culprit of the same crash may be its caller in
another build. Such stacks are the same but for their depth: one holds all functions of the other, in its order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    names = [
        demangled(bare(frame.function)) for frame in (*pointer, *oops.frames) if frame.reliable and not frame.inline
    ]
    printed = helpers.facilities()["report"].names | helpers.facilities()["sanitizer"].names
    names = [name for name in names if name not in printed]
    return tuple(name for index, name in enumerate(names) if index == 0 or names[index - 1] != name)


def differs(first: Sequence[str], second: Sequence[str]) -> str:
    """How two paths differ: a key of WORDS."""
    if tuple(first) == tuple(second):
        return SAME
    shorter, longer = sorted((first, second), key=len)
    rest = iter(longer)
    return DEPTH if all(name in rest for name in shorter) else OTHER


def _one(first: Oops, second: Oops) -> bool:
    """Whether oopses of different signatures are one crash after all: two builds of the same code."""
    if first.type != second.type or first.function is None or second.function is None:
        return False
    if first.signature.removesuffix(first.function) != second.signature.removesuffix(second.function):
        return False
    ways = path(first), path(second)
    sizes = sorted(map(len, ways))
    return sizes[0] >= FEW and sizes[1] - sizes[0] <= DEEPER and differs(*ways) == DEPTH


def groups(found: Iterable[tuple[str, Oops]]) -> tuple[Group, ...]:
    """The crashes, the most frequent first, then as they came. `found`: the name of a log, an oops in it."""
    gathered: dict[str, list[tuple[str, Oops]]] = {}
    for log, oops in found:
        home = oops.signature
        if home not in gathered and not oops.corrupted:
            home = next((key for key, known in gathered.items() if _one(known[0][1], oops)), home)
        gathered.setdefault(home, []).append((log, oops))
    made = []
    for signature, entries in gathered.items():
        way = path(entries[0][1])
        members = [Member(log=log, oops=oops, differs=differs(way, path(oops))) for log, oops in entries]
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
