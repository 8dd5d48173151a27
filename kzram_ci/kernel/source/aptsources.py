"""Which Debian mirrors a host's apt configuration names, by sources.list(5): one-line and deb822. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from kzram_ci.base.values import dataclass

SECURITY = "-security"
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
_URI = re.compile(r"(?:tor\+|mirror\+)?(?:https?|ftp|file|copy):")
# Suites of Debian by the names that stay; the code names are those of the releases whose kernels can be built here.
_SUITE = re.compile(
    r"(?:(?:old){0,2}stable|testing|unstable|sid|stretch|buster|bullseye|bookworm|trixie|forky|duke)"
    r"(?:-security|-updates|-proposed-updates|-backports(?:-sloppy)?|/updates)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One place and suite that apt fetches from."""

    uri: str
    suite: str
    components: tuple[str, ...] = ()
    signed_by: str = ""


def one_line(text: str) -> tuple[Repository, ...]:
    """The repositories of a `*.list` file."""
    found = []
    for line in text.splitlines():
        if match := _ONE_LINE.match(line.partition("#")[0].strip()):
            signed = re.search(r"signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
            found.append(
                Repository(
                    uri=match["uri"],
                    suite=match["suite"],
                    components=tuple(match["components"].split()),
                    signed_by=signed[1] if signed else "",
                )
            )
    return tuple(found)


def deb822(text: str) -> tuple[Repository, ...]:
    """The repositories of a `*.sources` file."""
    return tuple(found for stanza in re.split(r"\n\s*\n", text) for found in _stanza(stanza))


def _stanza(text: str) -> Iterator[Repository]:
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
        return
    for uri in fields.get("uris", "").split():
        for suite in fields.get("suites", "").split():
            components = tuple(fields.get("components", "").split())
            yield Repository(uri=uri, suite=suite, components=components, signed_by=fields.get("signed-by", ""))


def mirror_for(suite: str, known: Sequence[Repository]) -> str:
    """Where a suite of Debian comes from, by what the host uses for others of its suites; "" when it uses none."""
    ours = sorted((entry for entry in known if _trust(entry)), key=_trust, reverse=True)
    exact = (entry.uri for entry in ours if entry.suite == suite)
    alike = (entry.uri for entry in ours if _is_security(entry.suite) == _is_security(suite))
    siblings = (sibling(entry.uri, suite) for entry in ours)
    return next(iter((*exact, *alike, *siblings)), "")


def sibling(uri: str, suite: str) -> str:
    """The place beside a mirror where the archive of a suite lies: `…/debian` and `…/debian-security`."""
    base = uri.rstrip("/").removesuffix(SECURITY)
    return f"{base}{SECURITY if _is_security(suite) else ''}/"


def choose(uris: Iterable[str], suite: str) -> str:
    """Of the mirrors that are named outright: the one for this suite, else the one beside the first."""
    given = tuple(uris)
    fits = (uri for uri in given if _is_security(uri) == _is_security(suite))
    return next(fits, sibling(given[0], suite) if given else "")


def is_uri(word: str) -> bool:
    """Whether apt can fetch from it."""
    return _URI.match(word) is not None


def _is_security(word: str) -> bool:
    return "security" in word or word.endswith("/updates")


def _trust(entry: Repository) -> int:
    """How surely a repository is Debian's own archive: others use its suite names too. 0: it is not."""
    if not is_uri(entry.uri) or "main" not in entry.components or not _SUITE.fullmatch(entry.suite):
        return 0
    if "debian-archive" in entry.signed_by:
        return 3
    last = entry.uri.rstrip("/").rsplit("/", 1)[-1]
    return 2 if last.startswith("debian") else 0 if entry.signed_by else 1
