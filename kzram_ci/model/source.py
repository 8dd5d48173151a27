"""Where a kernel comes from, before it was fetched: one shape a kind."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Literal

from kzram_ci.base.values import dataclass


class SourceKind(StrEnum):
    """Where a kernel's source, or a ready image, comes from."""

    DEBIAN = "debian"
    DIRECTORY = "directory"
    GIT = "git"
    TARBALL = "tarball"
    IMAGE = "image"
    GIVEN = "given"


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianSource:
    """A package of a Debian archive: linux-source-X.Y to build from, linux-image-* to boot without a build."""

    kind: Literal[SourceKind.DEBIAN] = SourceKind.DEBIAN
    package: str
    suite: str = ""  # archive suite; "" is what the host's apt offers
    mirror: str = ""  # where the suite comes from; "" is the mirror of the host

    @property
    def ready(self) -> bool:
        """Whether this is an image to boot, not source to build from."""
        return self.package.startswith("linux-image-")

    def words(self) -> str:
        """As on the command line."""
        return f"debian:{self.package}{_after(self.suite)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySource:
    """A developer's own tree, committed or not."""

    ready: ClassVar[bool] = False
    kind: Literal[SourceKind.DIRECTORY] = SourceKind.DIRECTORY
    path: str

    def words(self) -> str:
        """As on the command line."""
        return f"directory:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalGit:
    """A commit of a repository on this host."""

    ready: ClassVar[bool] = False
    kind: Literal[SourceKind.GIT] = SourceKind.GIT
    path: str
    ref: str

    def __post_init__(self) -> None:
        _required("path", self.path)

    @property
    def origin(self) -> str:
        """The repository."""
        return self.path

    def words(self) -> str:
        """As on the command line: `git:../linux@v6.13`."""
        return f"git:{self.path}{_after(self.ref)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteGit:
    """A commit of a repository that is fetched."""

    ready: ClassVar[bool] = False
    kind: Literal[SourceKind.GIT] = SourceKind.GIT
    url: str
    ref: str

    def __post_init__(self) -> None:
        _required("url", self.url)

    @property
    def origin(self) -> str:
        """The repository."""
        return self.url

    def words(self) -> str:
        """As on the command line."""
        return f"git:{self.url}{_after(self.ref)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTarball:
    """A tar file on this host, and the digest it must have."""

    ready: ClassVar[bool] = False
    kind: Literal[SourceKind.TARBALL] = SourceKind.TARBALL
    path: str
    sha256: str

    def __post_init__(self) -> None:
        _required("path", self.path)

    def words(self) -> str:
        """As on the command line, without the digest."""
        return f"tarball:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTarball:
    """A tar file that is downloaded, and the digest it must have."""

    ready: ClassVar[bool] = False
    kind: Literal[SourceKind.TARBALL] = SourceKind.TARBALL
    url: str
    sha256: str

    def __post_init__(self) -> None:
        _required("url", self.url)

    def words(self) -> str:
        """As on the command line, without the digest."""
        return f"tarball:{self.url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """A ready image. What is "" is looked for where distributions and kbuild put it."""

    ready: ClassVar[bool] = True
    kind: Literal[SourceKind.IMAGE] = SourceKind.IMAGE
    path: str
    modules: str = ""  # the directory of its modules
    config: str = ""  # its .config
    debug: str = ""  # vmlinux with symbols

    def words(self) -> str:
        """As on the command line."""
        return f"image:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSource:
    """A tree that only the user has: nothing is built until one is named in its place."""

    ready: ClassVar[bool] = False
    kind: Literal[SourceKind.GIVEN] = SourceKind.GIVEN
    how: str  # where such a tree is to be had

    def words(self) -> str:
        """There are none on the command line."""
        return f"no source ({self.how})"


GitSource = LocalGit | RemoteGit
TarballSource = LocalTarball | RemoteTarball
Source = DebianSource | DirectorySource | GitSource | TarballSource | ImageSource | GivenSource


def theirs(source: Source) -> bool:
    """Whether others decide what it is after it was named: a repository that is fetched, by whoever may push to it.

    A package is signed, a tarball has the digest that the plan says, and all else is on this host already.
    """
    return isinstance(source, RemoteGit)


def _after(word: str) -> str:
    return f"@{word}" if word else ""


def _required(name: str, value: str) -> None:
    """Of two shapes of one kind, stored values fit the one whose place is given."""
    if not value:
        raise ValueError(f"{name} is empty")


def source_of(kind: SourceKind, fields: Mapping[str, str]) -> Source:
    """A source from a kind and its fields; an empty field was not given. Raises TypeError for a wrong one."""
    given: dict[str, Any] = {name: value for name, value in fields.items() if value}
    match kind:
        case SourceKind.DEBIAN:
            return DebianSource(**given)
        case SourceKind.DIRECTORY:
            return DirectorySource(**given)
        case SourceKind.GIT:
            return RemoteGit(**given) if "url" in given else LocalGit(**given)
        case SourceKind.TARBALL:
            return RemoteTarball(**given) if "url" in given else LocalTarball(**given)
        case SourceKind.IMAGE:
            return ImageSource(**given)
        case SourceKind.GIVEN:
            return GivenSource(**given)
