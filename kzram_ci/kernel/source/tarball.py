"""A tar file by path or URL, whose digest the plan states: what does not match is never unpacked."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from kzram_ci.base import files, proc
from kzram_ci.base.cache import MANIFEST
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import CommandFailed, UserError
from kzram_ci.kernel.source import download
from kzram_ci.kernel.source.context import LOCK_SECONDS, Context, remembered
from kzram_ci.model.kernel import SourceRef, Tree
from kzram_ci.model.version import kernel_version

# Suffix -> the program that unpacks it, for tar's -I. Others are left to tar to guess.
UNPACK = {".xz": "xz -T0", ".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd"}


def source(ref: SourceRef, context: Context) -> Tree:
    """The archive, verified. Raises UserError (no such file, another digest), InfraError (no network)."""
    path = Path(ref.path) if ref.path else _downloaded(ref, context)
    if not path.is_file():
        raise UserError(f"{path} is no file", hint="tarball: a path or URL, and #sha256=...")
    found = remembered(path, "sha256", lambda: digest_file(path), context)
    if found != ref.sha256:
        if not ref.path:
            path.unlink()
        told = f"{path.name} has sha256 {found}, wanted {ref.sha256}"
        raise UserError(told, hint="check where the digest comes from" if ref.path else "it was removed; try again")
    version = remembered(path, "version", lambda: _version(path, context), context)
    return Tree(identity=f"tarball:{found}", version=version, archive=str(path))


def here(ref: SourceRef, context: Context) -> bool:
    """Whether the file needs no network."""
    return bool(ref.path) or _place(ref, context).is_file()


def _place(ref: SourceRef, context: Context) -> Path:
    name = unquote(urlsplit(ref.url).path).rsplit("/", 1)[-1] or "tarball"
    return context.cache / "downloads" / f"tarball-{ref.sha256[:16]}" / name


def _downloaded(ref: SourceRef, context: Context) -> Path:
    place = _place(ref, context)
    entry = place.parent
    with files.lock(entry.with_name(f"{entry.name}.lock"), context.deadline.within(LOCK_SECONDS)):
        if not place.is_file():
            download.get(ref.url, place, context)
            files.write_json(entry / MANIFEST, {"url": ref.url, "sha256": ref.sha256})
    return place


def _version(path: Path, context: Context) -> str:
    """From the top Makefile; tar stops reading once it has it, so that costs less than unpacking."""
    program = UNPACK.get(path.suffix)
    how = ("-I", program) if program else ()
    only = ("--occurrence=1", "--wildcards", "--no-wildcards-match-slash", "*/Makefile")
    try:
        text = proc.run(("tar", "-x", "-O", *how, "-f", str(path), *only), deadline=context.deadline).text()
    except CommandFailed as error:
        raise UserError(f"{path} holds no kernel source", hint="it must unpack to DIRECTORY/Makefile") from error
    return kernel_version(text)
