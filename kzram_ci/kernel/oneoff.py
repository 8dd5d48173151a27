"""Patches that belong to no series: a file, a mailbox or standard input, for one run on some kernels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import diff, mail
from kzram_ci.kernel.series import Series, SeriesKind
from kzram_ci.model.kernel import Patch

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._+-]*)=(.+)", re.DOTALL)
_STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOff:
    """`variant`: the kernel to make with the patches, beside its base; "": they go on every kernel that is selected."""

    label: str  # for people and names: the file's, without its suffix
    patches: tuple[Patch, ...]
    variant: str = ""


def read_oneoffs(words: Sequence[str], stdin: Callable[[], bytes]) -> tuple[OneOff, ...]:
    """What `--patch FILE|NAME=FILE` was given; "-" is standard input. Raises UserError with what is wrong with it."""
    if sum(_split(word)[1] == _STDIN for word in words) > 1:
        raise UserError("standard input can be one patch only", hint="give the others as files")
    return tuple(_read(word, stdin) for word in words)


def _split(word: str) -> tuple[str, str]:
    """Name and file; a file that has such a name itself is meant."""
    match = _NAMED.fullmatch(word)
    return (match[1], match[2]) if match and not Path(word).is_file() else ("", word)


def _read(word: str, stdin: Callable[[], bytes]) -> OneOff:
    name, file = _split(word)
    if not file:
        raise UserError("--patch is empty", hint="--patch FILE, --patch NAME=FILE, or - for stdin")
    title = "stdin" if file == _STDIN else Path(file).name
    try:
        found = mail.patches_in(stdin() if file == _STDIN else Path(file).expanduser().read_bytes())
        patches = tuple(_patch(title, item, number, len(found)) for number, item in enumerate(found, start=1))
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}", hint="--patch FILE, --patch NAME=FILE, or - for stdin") from error
    except ValueError as error:
        raise UserError(f"{file}: {error}", hint="--patch takes a diff, a mail with one, or a mailbox") from error
    return OneOff(label=_slug(title.partition(".")[0]) or "patch", patches=patches, variant=name)


def _patch(title: str, item: mail.Mail, number: int, count: int) -> Patch:
    """A patch by the name of its file, or of its subject in a mailbox of several. Raises ValueError."""
    slug = _slug(item.subject)[:60].strip("-") or "patch"
    name = title if count == 1 else f"{item.number or number:04}-{slug}.patch"
    try:
        item.text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not UTF-8") from None
    if not diff.files(item.text):
        raise ValueError("it has no diff in it")
    return Patch(series=title, name=name, text=item.text)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def series_of(patches: Sequence[Patch]) -> tuple[Series, ...]:
    """One-off patches as series, in the order in which they were given."""
    names = dict.fromkeys(patch.series for patch in patches)
    return tuple(
        Series(name=name, kind=SeriesKind.ONE_OFF, patches=tuple(patch for patch in patches if patch.series == name))
        for name in names
    )
