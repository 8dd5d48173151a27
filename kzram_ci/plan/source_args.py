"""Sources on the command line, `KIND:LOCATION`, and names of kernels beside them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.base.suggest import nearest
from kzram_ci.model.source import DebianSource, LocalGit, RemoteGit, Source, SourceKind, source_of

FORMS = {
    SourceKind.GIT: "git:PATH-OR-URL[@REF]",
    SourceKind.DIRECTORY: "directory:PATH",
    SourceKind.TARBALL: "tarball:PATH-OR-URL#sha256=DIGEST",
    SourceKind.DEBIAN: "debian:PACKAGE[@SUITE]",
    SourceKind.IMAGE: "image:PATH[#modules=DIR&config=FILE&debug=VMLINUX]",
}
_EXTRAS = {SourceKind.TARBALL: ("sha256",), SourceKind.IMAGE: ("modules", "config", "debug")}
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SCP = re.compile(r"[\w.-]+@[\w.-]+:|[\w.-]{2,}:(?!/)")  # git's short form: user@host:path
_AUTHORITY = re.compile(rf"(?:{_URL.pattern})[^/]*|{_SCP.pattern}", re.IGNORECASE)


def is_source(word: str) -> bool:
    """Whether a word is a source, not a kernel's name or a glob (which has no colon)."""
    return word.partition(":")[0] in FORMS and ":" in word


def split(words: Sequence[str], directory: Path | None = None) -> tuple[tuple[str, ...], tuple[Source, ...]]:
    """What `--kernel` was given: globs, and sources. Raises UserError for a source that is not well-formed."""
    sources = tuple(parse(word, directory or Path()) for word in words if is_source(word))
    globs = tuple(word for word in words if not is_source(word))
    for word in globs:
        if "/" in word or word in (".", "..") or word.startswith("~"):
            raise UserError(f"{word!r} is neither the name of a kernel nor a source", hint=f"--kernel {_meant(word)}")
    return globs, sources


def _meant(word: str) -> str:
    """The source that a path without a kind, or with a misspelt one, most probably is."""
    kind, colon, place = word.partition(":")
    begun = next((str(form) for form in FORMS if kind and form.startswith(kind)), "")
    if colon and not place.startswith("//") and (known := begun or nearest(kind, FORMS)):
        return f"{known}:{place}"
    if _URL.match(word) or _SCP.match(word):
        return f"git:{word}"
    name = _last(word)
    if ".tar" in name or name.endswith(".tgz"):
        return f"tarball:{word}#sha256=DIGEST"
    if name.startswith("vmlinu") or name.endswith("Image"):
        return f"image:{word}"
    return f"directory:{word}, or git:{word}@REF for a commit of it"


def parse(word: str, directory: Path) -> Source:
    """One source; relative paths start at `directory`. Raises UserError naming the form that is wanted."""
    from kzram_ci.plan.kernels import absolute  # the forms alone, for --help, need none of it

    name, _, place = word.partition(":")
    if name not in FORMS:
        raise UserError(f"{name!r} is not a kind of source", hint=f"one of {', '.join(FORMS.values())}")
    kind = SourceKind(name)
    place, extras = _extras(kind, place) if kind in _EXTRAS else (place, {})
    if not place:
        raise _malformed(word, kind)
    if kind is SourceKind.DEBIAN:
        package, _, suite = place.partition("@")
        return DebianSource(package=package, suite=suite)
    ref = ""
    if kind is SourceKind.GIT:
        place, ref = _with_ref(place)
    if kind is SourceKind.TARBALL and not re.fullmatch("[0-9a-f]{64}", extras.get("sha256", "")):
        raise UserError(f"{word}: no sha256", hint=FORMS[kind])
    extras = {key: value if key == "sha256" else absolute(value, directory) for key, value in extras.items()}
    remote = kind in (SourceKind.GIT, SourceKind.TARBALL) and _is_remote(kind, place)
    where = {"url": place} if remote else {"path": absolute(place, directory)}
    return source_of(kind, {"ref": ref, **where, **extras})


def _malformed(word: str, kind: SourceKind) -> UserError:
    return UserError(f"{word!r} is not a source", hint=FORMS[kind])


def _extras(kind: SourceKind, place: str) -> tuple[str, dict[str, str]]:
    """`place#key=value&key=value`."""
    place, _, rest = place.partition("#")
    found = {}
    for part in rest.split("&") if rest else ():
        key, _, value = part.partition("=")
        if key not in _EXTRAS[kind] or not value:
            raise UserError(f"{part!r} does not apply to {kind}:", hint=FORMS[kind])
        found[key] = value
    return place, found


def _with_ref(place: str) -> tuple[str, str]:
    """Place and ref; the ref begins after the first @ that does not belong to user@host."""
    authority = match[0] if (match := _AUTHORITY.match(place)) else ""
    path, _, ref = place[len(authority) :].partition("@")
    return authority + path, ref or "HEAD"


def _is_remote(kind: SourceKind, place: str) -> bool:
    return bool(_URL.match(place) or (kind is SourceKind.GIT and _SCP.match(place)))


def label(source: Source) -> str:
    """A short name for people and directories: the ref, package or last part of the path."""
    match source:
        case DebianSource():
            word = f"{source.package}-{source.suite}" if source.suite else source.package
        case LocalGit() | RemoteGit():
            word = source.ref if source.ref != "HEAD" else _last(source.origin)
        case _:
            word = _last(source.words().partition(":")[2])
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", word).strip("-.") or str(source.kind)


def _last(place: str) -> str:
    return place.rstrip("/").rsplit("/", 1)[-1]
