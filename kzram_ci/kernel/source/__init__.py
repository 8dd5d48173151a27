"""Where kernels come from, one module a kind. Nothing that belongs to the user is ever written to.

`fetch` gives source to build from, `ready` a kernel that needs no build. What was downloaded stays until a newer one
is asked for (`refresh`), so that a run today and a run tomorrow test the same bytes.
"""

from __future__ import annotations

from dataclasses import replace

from kzram_ci.base.digest import digest_bytes
from kzram_ci.base.errors import UserError
from kzram_ci.base.transcripts import transcript_in
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.source import debian, directory, git, image, tarball, upstream
from kzram_ci.kernel.source.git import history
from kzram_ci.kernel.source.git import source as commit
from kzram_ci.model.kernel import KernelImage, Tree
from kzram_ci.model.source import (
    DebianSource,
    DirectorySource,
    GivenSource,
    ImageSource,
    LocalGit,
    LocalTarball,
    RemoteGit,
    RemoteTarball,
    Source,
)

__all__ = ["GIVE", "Context", "check", "commit", "fetch", "history", "local", "ready"]

# What helps where only the user has a tree.
GIVE = "--kernel git:PATH@REF or directory:PATH gives a tree; a row of your own in kernels/lines.yaml keeps it"


def fetch(ref: Source, context: Context) -> Tree:
    """Get a source, from the cache where that is exact. Raises UserError (no such source), InfraError (no network)."""
    return _tree(ref, context)


def check(ref: Source, context: Context) -> None:
    """Raise UserError for a source on this host that cannot be one; what is elsewhere is not asked."""
    match ref:
        case DirectorySource():
            directory.check(ref)
        case LocalGit():
            git.check(ref, context)
        case LocalTarball():
            tarball.check(ref)
        case ImageSource():
            image.check(ref)
        case _:
            return


def local(ref: Source, context: Context) -> Tree | None:
    """As `fetch`, but None instead of going to the network."""
    here = replace(context, offline=True)
    return _tree(ref, here) if _is_local(ref, here) else None


def ready(ref: Source, context: Context, *, name: str, arch: str) -> KernelImage | None:
    """A kernel that needs no build; None when it would have to be downloaded and the context is offline.

    Raises UserError (no such image), InfraError (no network).
    """
    words = ref.words()
    if isinstance(ref, DebianSource):
        if context.offline and not debian.is_local(ref, context):
            return None
        ref = debian.image(ref, context)
    if not isinstance(ref, ImageSource):
        raise UserError(f"{ref.words()} is source to build from, not a ready kernel", hint="use image or debian")
    return image.describe(ref, name=name, arch=arch, context=context, words=words)


def _tree(ref: Source, context: Context) -> Tree:
    if isinstance(ref, ImageSource) or ref.ready:
        hint = "use debian or directory or git or tarball"
        raise UserError(f"{ref.words()} is a ready kernel, there is nothing to build", hint=hint)
    if isinstance(ref, GivenSource):
        raise UserError(f"no source: {ref.how}", hint=GIVE)
    if (release := _stand_in(ref, context)) is not None:
        context.note(ref.words(), f"there is no apt here: {release.url} instead")
        ref = release
    with transcript_in(context.cache / "logs" / f"source-{digest_bytes(ref.words().encode())[:12]}.log"):
        match ref:
            case DebianSource():
                return debian.source(ref, context)
            case DirectorySource():
                return directory.source(ref, context)
            case LocalGit() | RemoteGit():
                return git.source(ref, context)
            case LocalTarball() | RemoteTarball():
                return tarball.source(ref, context)


def _stand_in(ref: Source, context: Context) -> RemoteTarball | None:
    """What is taken for a package that is not on this host and cannot be fetched."""
    if not isinstance(ref, DebianSource) or debian.is_local(ref, context):
        return None
    return upstream.stand_in(ref)


def _is_local(ref: Source, context: Context) -> bool:
    """Whether a source needs no network."""
    ref = _stand_in(ref, context) or ref
    match ref:
        case DebianSource():
            return debian.is_local(ref, context)
        case RemoteGit():
            return git.is_local(ref, context)
        case RemoteTarball():
            return tarball.is_local(ref, context)
        case GivenSource():
            return False
        case DirectorySource() | LocalGit() | LocalTarball() | ImageSource():
            return True
