"""Who looks after a file: the sections of the kernel's MAINTAINERS, by the rules that its head gives."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from kzram_ci.base import patterns
from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass

REST = "THE REST"
_FIELD = later(r"([A-Z]):\s+(\S.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One subsystem: its people as printed, and what it looks after."""

    name: str
    status: str = ""
    maintainers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def closeness(self, path: str) -> int:
        """How exactly this section names a file: 0 when it does not look after it."""
        if any(matches(pattern, path) for pattern in self.excluded):
            return 0
        exact = [2 + len(pattern.rstrip("*")) for pattern in self.files if matches(pattern, path)]
        return max((*exact, *(1 for word in self.words if _found(word, path))), default=0)


def _found(word: str, path: str) -> bool:
    try:
        patterns.check(word)
        return patterns.found(word, path)
    except (ValueError, patterns.PatternTooSlow):
        return False


def matches(pattern: str, path: str) -> bool:
    """Whether a file pattern takes a path: a slash at the end takes all below, a star stays within a directory."""
    wanted, have = pattern.replace("[", "[[]").split("/"), path.split("/")
    if pattern.endswith("/"):
        wanted.pop()
        below = len(have) > len(wanted)
    else:
        below = len(have) > len(wanted) and "*" not in pattern and "." not in pattern
    as_long = below or (len(have) == len(wanted) and not pattern.endswith("/"))
    return as_long and all(fnmatchcase(one, word) for word, one in zip(wanted, have, strict=False))


def parse(text: str) -> tuple[Section, ...]:
    """All sections of a MAINTAINERS file; what stands before the first one is its manual."""
    sections = []
    for block in re.split(r"\n\s*\n", text):
        head, _, body = block.strip("\n").partition("\n")
        lines = (line.rstrip() for line in body.splitlines())
        fields = [match.groups() for line in lines if (match := _FIELD.match(line))]
        if not head or head[0].isspace() or not any(key == "S" for key, _ in fields):
            continue

        def of(wanted: str, fields: list[tuple[str, ...]] = fields) -> tuple[str, ...]:
            return tuple(value for key, value in fields if key == wanted)

        sections.append(
            Section(
                name=head.strip(),
                status=" ".join(of("S")),
                maintainers=of("M"),
                reviewers=of("R"),
                lists=tuple(each.split()[0] for each in of("L")),
                files=of("F"),
                excluded=of("X"),
                words=of("N"),
            )
        )
    return tuple(sections)


def owners(sections: tuple[Section, ...], path: str) -> tuple[Section, ...]:
    """The sections that look after a file, the one that names it most exactly first; the rest only alone."""
    found = [(section.closeness(path), section) for section in sections]
    found = [entry for entry in found if entry[0]]
    ordered = [section for _, section in sorted(found, key=lambda entry: -entry[0])]
    return tuple(section for section in ordered if section.name != REST) or tuple(ordered)
