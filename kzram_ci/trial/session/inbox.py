"""Where a series comes from: a file, a directory, standard input, a list's archive, or commits of a repository.

What comes is read as mail and as diffs; nothing in it is run.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from kzram_ci.base import git, proc
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import posted
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.letter import MOST_BYTES
from kzram_ci.kernel.posted import Posted
from kzram_ci.kernel.source import download

SECONDS = 180.0
MOST_FILES, MOST_COMMITS = 500, 100
ARCHIVE = "https://lore.kernel.org/all"
_REDIRECTS = frozenset({"lkml.kernel.org", "msgid.link", "patch.msgid.link"})  # to the archive, by message id
_MESSAGE_ID = re.compile(r"<?[^\s<>@-][^\s<>@]*@[^\s<>@]+>?")
_OF_B4 = (".cover", ".mbx")
_URL = re.compile(r"https?://", re.IGNORECASE)
_SUFFIXES = (".patch", ".diff", ".mbox", ".mbx", ".eml", ".gz")
_NO_ROBOTS = "pip install 'kzram-ci[lore]' (b4), or save the thread's mbox in a browser and give the file"
_FORMS = "a message id, a URL of it, FILE..., DIRECTORY, - for standard input, or commits: A..B, BRANCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A series, and the commit it was made on, where it is commits of a repository."""

    posted: Posted
    fork: str = ""


def deliver(words: Sequence[str], *, repository: Path, since: str, stdin: Callable[[], bytes]) -> Delivery:
    """The series that the words of a command line mean; `since`: a ref that a branch may begin at.

    Raises UserError (nothing there, not whole, damaged), InfraError (no network).
    """
    if not words:
        raise UserError("no series", hint=f"kzram-ci try SERIES: {_FORMS}")
    fork = ""
    if len(words) == 1 and not _is_here(words[0]):
        word = words[0]
        if _URL.match(word):
            files = _by_url(word)
        elif _MESSAGE_ID.fullmatch(word) and ".." not in word:
            files = _by_message_id(word.strip("<>"), ARCHIVE)
        else:
            files, fork = _commits(word, repository, since)
    else:
        files = [file for word in words for file in _here(word, stdin)]
        if name := posted.stands_for_series(files, part=tuple(words) == ("-",)):  # what b4 review hands to a check
            files = _by_message_id(name, ARCHIVE)
    try:
        return Delivery(posted=posted.read(files), fork=fork)
    except ValueError as error:
        raise UserError(f"{' '.join(words)[:100]}: {error}", hint="give a whole series, as it was posted") from error


def _is_here(word: str) -> bool:
    return word == "-" or Path(word).expanduser().exists()


def _here(word: str, stdin: Callable[[], bytes]) -> list[tuple[str, bytes]]:
    if word == "-":
        return [("standard input", stdin())]
    path = Path(word).expanduser()
    try:
        if not path.is_dir():
            return [(path.name, _read(path))]
        return [(file.name, _read(file)) for file in _in_directory(path)]
    except OSError as error:
        raise UserError(f"{word}: {error.strerror}", hint=_FORMS) from error


def _in_directory(path: Path) -> list[Path]:
    """The patches of a directory: those that quilt lists, the mails of a maildir, else what is named like a patch."""
    if (path / "series").is_file():
        lines = (
            line.partition("#")[0].split() for line in (path / "series").read_text("utf-8", "replace").splitlines()
        )
        found = [path / words[0] for words in lines if words]
    elif (path / "cur").is_dir() and (path / "new").is_dir():
        found = sorted(file for folder in ("cur", "new") for file in (path / folder).iterdir())
    else:
        found = sorted(
            file for file in path.iterdir() if file.name.endswith(_SUFFIXES) and not file.name.startswith(".")
        )
    if not found:
        raise UserError(f"{path} holds no patches", hint=f"files named {', '.join(_SUFFIXES)}")
    if len(found) > MOST_FILES:
        raise UserError(f"{path} holds {len(found):,} files", hint="name those of one series")
    if outside := [file for file in found if not file.resolve().is_relative_to(path.resolve())]:
        raise UserError(f"{outside[0]} leads out of {path}", hint="name the file itself")
    return found


def _read(path: Path) -> bytes:
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"{path} is larger than {MOST_BYTES >> 20} MiB: that is not a series", hint="name its patches")
    return path.read_bytes()


def _by_url(url: str) -> list[tuple[str, bytes]]:
    """A mail of an archive by its message id; anything else as it is."""
    parts = urlsplit(url)
    steps = [step for step in parts.path.split("/") if step]
    at = next((number for number, step in enumerate(steps) if "@" in unquote(step)), None)
    if at is None or steps[-1] == "mbox":  # of patchwork: the mail itself, whatever its address is made of
        return [(steps[-1] if steps else parts.netloc, _get(url))]
    if parts.hostname in _REDIRECTS:
        return _by_message_id(unquote(steps[at]), ARCHIVE)
    box = steps[at - 1] if at and steps[at - 1] not in ("r", "raw") else "all"
    return _by_message_id(unquote(steps[at]), f"{parts.scheme}://{parts.netloc}/{box}")


def _by_message_id(name: str, archive: str) -> list[tuple[str, bytes]]:
    if not _MESSAGE_ID.fullmatch(name):
        raise UserError(f"{name!r} is not a message id", hint=_FORMS)
    if (b4 := _b4()) is not None:
        return _by_b4(b4, name)
    url = f"{archive}/{quote(name, safe='@')}/t.mbox.gz"
    try:
        data = _get(url)
    except (UserError, InfraError) as error:
        raise type(error)(error.message, hint=_NO_ROBOTS) from error
    if b"<html" in data[:4096].lower():
        raise InfraError(f"{url}: a page for browsers came in place of the mailbox", hint=_NO_ROBOTS)
    return [(name, data)]


def _b4() -> str | None:
    """b4, in PATH or where this Python's own programs are: a virtual environment need not be active."""
    return shutil.which("b4") or shutil.which("b4", path=str(Path(sys.executable).parent))


def _by_b4(b4: str, name: str) -> list[tuple[str, bytes]]:
    """The newest version of the series, as `b4 am` puts it together; the cover letter is a file of its own.

    Not by `b4 am -o-`: that leaves the cover letter out, and with it what it says of the base.
    """
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as empty:
        try:
            words = (b4, "am", "-c", "-o", empty, name)
            proc.run(words, deadline=Deadline.after(SECONDS), name="b4 am", cwd=Path(empty))
        except CommandFailed as error:
            raise InfraError(f"{name}: {error.message}", hint="b4 am shows more; a saved mbox does as well") from error
        found = [(file.name, _read(file)) for ending in _OF_B4 for file in sorted(Path(empty).glob(f"*{ending}"))]
    if not any(data.strip() for _, data in found):
        raise UserError(f"b4 found no series at {name}", hint=f"b4 am -c -o- {name}")
    return found


def _get(url: str) -> bytes:
    context = Context(cache=cache_root(), deadline=Deadline.after(SECONDS))
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as name:
        target = Path(name) / "mail"
        download.get(url, target, context)
        return _read(target)


def _commits(word: str, repository: Path, since: str) -> tuple[list[tuple[str, bytes]], str]:
    """The commits of a range or a branch as mails, and the commit they begin at."""
    if word.startswith("-") or re.search(r"\s", word):
        raise UserError(f"{word!r} is no series", hint=_FORMS)
    start, dots, end = word.partition("..")
    if not dots:
        end = word
        start = _begin_of(word, repository, since)
    end = end.lstrip(".") or "HEAD"
    if end.startswith("-"):
        raise UserError(f"{word!r} is no series", hint=_FORMS)
    fork = _ask(repository, "merge-base", start, end).strip()
    count = int(_ask(repository, "rev-list", "--count", "--no-merges", f"{fork}..{end}"))
    if not count:
        raise UserError(f"{word}: no commit between {start} and {end}", hint="git log --oneline A..B")
    if count > MOST_COMMITS:
        raise UserError(f"{word} has {count:,} commits since {start}", hint="give the range of the series: A..B")
    options = ("--no-attach", "--no-thread", "--no-cover-letter", "--no-ext-diff", "--no-textconv", "--no-renames")
    places = ("--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--subject-prefix=PATCH", "--numbered", "--no-base")
    mails = _ask(repository, "format-patch", "--stdout", *options, *places, f"{fork}..{end}")
    return [(word, mails.encode("utf-8", "surrogateescape"))], fork


def _begin_of(branch: str, repository: Path, since: str) -> str:
    """Where a branch begins: at --base, where its upstream is, at the newest tag below it."""
    there = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{branch}^{{commit}}")
    if git.run(*there, at=repository, deadline=Deadline.after(SECONDS), check=False).code:
        text = f"{branch!r} is neither a file, a message id nor a commit of {repository.absolute()}"
        raise UserError(text, hint=f"{_FORMS}; --repo DIR")
    for words in (
        ("rev-parse", "--verify", "--end-of-options", f"{since or '-'}^{{commit}}"),
        ("rev-parse", "--verify", f"{branch}@{{upstream}}^{{commit}}"),
        ("describe", "--tags", "--abbrev=0", branch),
    ):
        done = git.run(*words, at=repository, deadline=Deadline.after(SECONDS), check=False)
        if not done.code and (found := done.text().strip()):
            return found
    raise UserError(
        f"{branch}: where does it begin? It has no upstream and no tag", hint=f"kzram-ci try BASE..{branch}"
    )


def _ask(repository: Path, *words: str) -> str:
    done = git.run(*words, at=repository, deadline=Deadline.after(SECONDS), check=False)
    if done.code:
        reason = next(iter(done.stderr.decode("utf-8", "replace").strip().splitlines()), "unknown ref")
        raise UserError(f"{reason.removeprefix('fatal: ')} (in {repository})", hint=f"{_FORMS}; --repo DIR") from None
    return done.stdout.decode("utf-8", "surrogateescape")
