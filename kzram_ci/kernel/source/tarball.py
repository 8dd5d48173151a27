"""A tar file by path or URL, whose digest the plan states: what does not match is never unpacked."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from kzram_ci.base import files
from kzram_ci.base.cache import MANIFEST, once
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import CommandFailed, UserError
from kzram_ci.base.memo import memoized_of
from kzram_ci.kernel import archive
from kzram_ci.kernel.context import LOCK_SECONDS, Context
from kzram_ci.kernel.source import download
from kzram_ci.model.kernel import ArchiveTree
from kzram_ci.model.source import LocalTarball, RemoteTarball, TarballSource
from kzram_ci.model.version import kernel_version


def check(ref: LocalTarball) -> Path:
    """The file. Raises UserError when there is none."""
    path = Path(ref.path)
    if not path.is_file():
        raise UserError(f"{path} is not a file", hint="tarball: a path or URL, and #sha256=...")
    return path


def source(ref: TarballSource, context: Context) -> ArchiveTree:
    """The archive, verified. Raises UserError (no such file, another digest), InfraError (no network)."""
    match ref:
        case LocalTarball():
            path, hint = check(ref), "check where the digest comes from"
        case RemoteTarball():
            path, hint = _downloaded(ref, context), "it was removed; try again"
    found = memoized_of(path, "sha256", lambda: digest_file(path), context.cache)
    if found != ref.sha256:
        if isinstance(ref, RemoteTarball):
            path.unlink()
        raise UserError(f"{path.name} has sha256 {found}, wanted {ref.sha256}", hint=hint)
    if isinstance(ref, RemoteTarball) and not context.offline:
        context.shelf.put(path.parent, lambda text: context.note(path.name, text))
    version = memoized_of(path, "version", lambda: _version(path, context), context.cache)
    return ArchiveTree(identity=f"tarball:{found}", version=version, archive=str(path), source=ref.words())


def is_local(ref: RemoteTarball, context: Context) -> bool:
    """Whether the file was downloaded before."""
    return _place(ref, context).is_file()


def _place(ref: RemoteTarball, context: Context) -> Path:
    name = unquote(urlsplit(ref.url).path).rsplit("/", 1)[-1] or "tarball"
    return context.cache / "downloads" / f"tarball-{ref.sha256[:16]}" / name


def _downloaded(ref: RemoteTarball, context: Context) -> Path:
    place = _place(ref, context)
    entry = place.parent

    def tell(text: str) -> None:
        context.note(place.name, text)

    def make() -> None:  # in its place, not beside it: what came of an interrupted download is gone on with
        if not context.offline and context.shelf.get(entry, tell) and place.is_file():
            return
        download.get(ref.url, place, context)
        files.write_json(entry / MANIFEST, {"url": ref.url, "sha256": ref.sha256})

    once(entry, make, context.deadline.within(LOCK_SECONDS), stale=lambda: not place.is_file())
    return place


def _version(path: Path, context: Context) -> str:
    """From the top Makefile."""
    try:
        text = archive.read_one(path, "*/Makefile", context.deadline)
    except CommandFailed as error:
        raise UserError(f"{path} holds no kernel source", hint="it must unpack to DIRECTORY/Makefile") from error
    return kernel_version(text)
