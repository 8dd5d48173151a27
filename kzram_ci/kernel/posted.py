"""A series as it was posted: which mails of a thread are its patches, in which order, and what it says of itself.

Pure. The newest version counts. What is not whole is refused and named: a series tested in part is another series.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from kzram_ci.base.values import dataclass
from kzram_ci.kernel import diff
from kzram_ci.kernel.letter import Letter, diff_in, letters_in, plain_bytes
from kzram_ci.kernel.mail import Tags, is_reply, missing_of, patches_of, tags_of, why_none
from kzram_ci.model.kernel import Patch

MOST_PATCHES = 400
_BASE = re.compile(r"^base-commit:\s*([0-9a-fA-F]{8,64})\s*$", re.MULTILINE)
_NEEDS = re.compile(r"^prerequisite-patch-id:", re.MULTILINE)
_CHANGE = re.compile(r"^change-id:\s*(\S+)\s*$", re.MULTILINE)
_NO_PREFIX = re.compile(r"^diff --git ((?!a/)\S+) \1$", re.MULTILINE)
_LORE = "https://lore.kernel.org/r/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The mail that an answer goes to: the cover letter, else the first patch. Empty where no mail was given."""

    message_id: str = ""
    references: str = ""
    sender: str = ""
    to: str = ""
    cc: str = ""
    date: str = ""
    subject: str = ""
    text: str = ""  # what an answer may quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A whole series. `title`: the subject of the series, for people; `notes`: what of the input was left out."""

    title: str
    patches: tuple[Patch, ...]
    version: int = 1
    base_commit: str = ""
    change_id: str = ""
    parent: Parent = Parent()
    notes: tuple[str, ...] = ()

    @property
    def link(self) -> str:
        """Where it can be read; "" where it was not posted, as far as is known: no mail server is called .invalid."""
        name = self.parent.message_id
        return f"{_LORE}{name}" if name and not name.endswith(".invalid") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One patch of the input, with the letter it came in and the place it was found at."""

    letter: Letter
    tags: Tags
    text: str
    name: str


def read(files: Sequence[tuple[str, bytes]]) -> Posted:
    """The series that some files hold together: (name, content) in the order in which they were given.

    Raises ValueError with what is wrong: missing or doubled parts, damage, a patch that leaves the tree.
    """
    letters: list[tuple[str, Letter]] = []
    size = 0
    for name, data in files:
        plain = _named(name, data)
        size += len(plain)
        letters += [(name, letter) for letter in letters_in(plain)]
    parts = _parts(letters)
    if not parts:
        raise ValueError(why_none(b"".join(data[:65_536] for _, data in files)))
    version = max(part.tags.version for part in parts)
    kept, resent = _last_sent([part for part in parts if part.tags.version == version])
    kept, beside = _without_answers(_without_doubles(kept))
    notes = (*_left_out(letters, parts, version), *resent, *beside)
    ordered = _whole(kept, [part for part in parts if part.tags.version < version])
    covers = [
        letter
        for _, letter in letters
        if not is_reply(letter) and letter.subject and _is_cover(tags_of(letter.subject), version)
    ]
    told = [*covers, *(part.letter for part in ordered)]
    return Posted(
        title=_title(covers, ordered),
        patches=tuple(_patch(part, number, len(ordered)) for number, part in enumerate(ordered, start=1)),
        version=version,
        base_commit=_first(_BASE, told).lower(),
        change_id=_first(_CHANGE, told),
        parent=_parent(told[0]),
        notes=(*notes, *_prerequisites(told)),
    )


def stands_for_series(files: Sequence[tuple[str, bytes]], *, part: bool = False) -> str:
    """The message id of a cover letter, when a file holds nothing else; "" for everything else.

    `part`: also of one patch of several.
    """
    if len(files) != 1:
        return ""
    try:
        letters = letters_in(plain_bytes(files[0][1]))
    except ValueError:
        return ""
    (letter, *others) = letters or [Letter()]
    tags = tags_of(letter.subject)
    if others or is_reply(letter) or not tags.total:
        return ""
    meant = (part and tags.total > 1) if tags.number else not letter.diffs
    return letter.message_id if meant else ""


def _named(name: str, data: bytes) -> bytes:
    try:
        return plain_bytes(data)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _parts(letters: Iterable[tuple[str, Letter]]) -> list[_Part]:
    found = []
    for name, letter in letters:
        try:
            mails = patches_of(letter)
        except ValueError as error:
            raise ValueError(f"{letter.subject or name}: {error}") from None
        tags = tags_of(letter.subject)
        if mails and tags.total and not tags.number:
            continue  # a cover letter that shows a diff, such as a range-diff
        found += [_Part(letter=letter, tags=tags, text=mail.text, name=name) for mail in mails]
    if len(found) > MOST_PATCHES:
        raise ValueError(f"it holds {len(found):,} patches: {MOST_PATCHES} are the most that are tried at once")
    return found


def _is_cover(tags: Tags, version: int) -> bool:
    return tags.total > 0 and tags.number == 0 and tags.version == version


def _left_out(letters: Sequence[tuple[str, Letter]], parts: Sequence[_Part], version: int) -> tuple[str, ...]:
    """What of the input does not count."""
    older = sorted({part.tags.version for part in parts if part.tags.version != version})
    replies = sum(bool(is_reply(letter) and letter.diffs) for _, letter in letters)
    notes = [f"v{number} is left out: v{version} is newer" for number in older]
    if replies:
        notes.append(f"{replies} {'reply' if replies == 1 else 'replies'} with a diff left out")
    return tuple(notes)


def _without_doubles(parts: Sequence[_Part]) -> list[_Part]:
    """Each patch once: lists deliver some mails twice, and threads are saved in pieces that overlap."""
    found: dict[tuple[int, str, str], _Part] = {}
    for part in parts:
        found.setdefault((part.tags.number, part.tags.subject, diff_in(part.text)), part)
    return list(found.values())


def _last_sent(parts: list[_Part]) -> tuple[list[_Part], tuple[str, ...]]:
    """The parts of the last time that a version was sent, when that was whole; else one mail of it was sent again."""
    resent = [part for part in parts if part.tags.resend]
    if not resent or len(resent) == len(parts):
        return parts, ()
    have = {part.tags.number for part in resent}
    if have != set(range(1, resent[0].tags.total + 1)) and have != {0}:
        return parts, ()
    return resent, ("what was sent before its RESEND is left out",)


def _without_answers(parts: list[_Part]) -> tuple[list[_Part], tuple[str, ...]]:
    """The parts without patches that someone sent in answer to one of them: they have no number."""
    own = {part.letter.message_id for part in parts if part.tags.total} - {""}
    answers = [part for part in parts if not part.tags.total and own & _answered(part.letter)]
    notes = tuple(f"{part.tags.subject!r}, an answer to a patch, is left out" for part in answers)
    return [part for part in parts if part not in answers], notes


def _answered(letter: Letter) -> set[str]:
    """The mails that a letter answers, near or far."""
    return {letter.in_reply_to, *re.findall(r"<([^<>\s]+)>", letter.references)} - {""}


def _whole(parts: list[_Part], older: Sequence[_Part]) -> list[_Part]:
    """The parts in their order. Raises ValueError for a series that is not whole."""
    version = parts[0].tags.version
    series = f"v{version} of the series" if version > 1 else "the series"
    numbered = [part for part in parts if part.tags.total]
    if not numbered:
        _no_part_sent_again(parts, older)
        return parts
    if plain := [part for part in parts if not part.tags.total]:
        raise ValueError(
            f"{plain[0].tags.subject or plain[0].name!r} has no number, other patches of {series} have one"
        )
    if len(totals := sorted({part.tags.total for part in numbered})) > 1:
        raise ValueError(f"patches of {totals[0]} and of {totals[1]}: these are two series, give one of them")
    ordered = sorted(numbered, key=lambda part: part.tags.number)
    for one, other in pairwise(ordered):
        if one.tags.number == other.tags.number:
            which = f"{one.tags.number}/{one.tags.total}"
            raise ValueError(f"two patches are {which}: {one.tags.subject!r} and {other.tags.subject!r}")
    if totals[0] > MOST_PATCHES:
        raise ValueError(f"{series} is said to have {totals[0]:,} patches")
    if missing := missing_of([part.tags.number for part in ordered], totals[0]):
        there = {f"{part.tags.number}/{part.tags.total}" for part in older}
        again = "; if only some patches were sent again, b4 am puts them together" if there >= set(missing) else ""
        raise ValueError(f"patch {', '.join(missing)} of {series} is missing{again}")
    return ordered


def _no_part_sent_again(parts: Sequence[_Part], older: Sequence[_Part]) -> None:
    """Raise ValueError where a patch without a number is a new version of one patch of a longer series."""
    for part in parts:
        answered = _answered(part.letter)
        for old in (other for other in older if other.tags.total > 1):
            if old.letter.message_id in answered or old.tags.subject == part.tags.subject:
                place = f"{old.tags.number}/{old.tags.total} of v{old.tags.version}"
                text = f"v{part.tags.version} of {part.tags.subject!r} is one patch, and takes the place of {place}"
                raise ValueError(f"{text}: give the whole series (b4 am puts it together)")


def _title(covers: Sequence[Letter], parts: Sequence[_Part]) -> str:
    if covers:
        return tags_of(covers[0].subject).subject
    first = parts[0].tags.subject or parts[0].name
    return first if len(parts) == 1 else f"{first} (and {len(parts) - 1} more)"


def _patch(part: _Part, number: int, count: int) -> Patch:
    """A patch by its place and subject. Raises ValueError for what cannot be applied or must not be."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", part.tags.subject)[:60].strip("-")
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", part.name.rpartition("/")[2]).strip("-.") or "patch"
    name = f"{part.tags.number or number:04}-{slug or 'patch'}.patch" if slug or count > 1 else plain
    told = part.tags.subject or part.name
    try:
        part.text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{told}: it is not UTF-8, and does not say what it is") from None
    try:
        if not diff.files(part.text):
            raise ValueError("it has no diff in it")
    except ValueError as error:
        raise ValueError(f"{told}: {error}{_encoded(part.text) or _wrapped(part.text)}") from None
    if named := _NO_PREFIX.search(part.text):
        raise ValueError(f"{told}: its paths have no a/ and b/ before them ({named[1]}): git's diff.noprefix made it")
    if re.search(r"^(?:GIT binary patch|Binary files .* differ)$", part.text, re.MULTILINE):
        raise ValueError(f"{told}: it changes a binary file")
    return Patch(series="series", name=name, text=part.text)


def _encoded(text: str) -> str:
    """A hint where a diff is still in the code of a transport that its header does not name."""
    lines = diff_in(text).split("\n")
    if sum(line.endswith(("=20", "=09", "=")) or "=3D" in line for line in lines) * 20 < len(lines):
        return ""
    return "; it looks like quoted-printable, and its header does not say so: ask for it by git send-email"


def _wrapped(text: str) -> str:
    """A hint where a line of a hunk begins with none of a diff's signs: a mailer wrapped it."""
    inside = False
    for line in text.split("\n"):
        if line.startswith("@@ "):
            inside = True
        elif line.startswith(("diff --git ", "--- ", "-- ")):
            inside = False
        elif inside and line and line[0] not in " +-\\":
            return f"; {line[:40]!r} looks like the rest of a line that a mailer wrapped"
    return ""


def _first(pattern: re.Pattern[str], letters: Iterable[Letter]) -> str:
    return next((match[1] for letter in letters for text in letter.texts if (match := pattern.search(text))), "")


def _prerequisites(letters: Iterable[Letter]) -> tuple[str, ...]:
    count = sum(len(_NEEDS.findall(text)) for letter in letters for text in letter.texts)
    if not count:
        return ()
    return (f"it names {count} prerequisite {'patch' if count == 1 else 'patches'}, which kzram-ci does not fetch",)


def _parent(letter: Letter) -> Parent:
    text = next(iter(letter.texts), "")
    head, changes, _ = text.partition("\n---\n")
    return Parent(
        message_id=letter.message_id,
        references=letter.references,
        sender=letter.sender,
        to=letter.to,
        cc=letter.cc,
        date=letter.date,
        subject=letter.subject,
        text=head if changes else text[:20_000],
    )
