"""What kernel to test, and what came out of building it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SourceKind(StrEnum):
    """Where a kernel's source, or a ready image, comes from."""

    DEBIAN = "debian"
    DIRECTORY = "directory"
    GIT = "git"
    TARBALL = "tarball"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRef:
    """A source before it was fetched. Which fields are set depends on `kind`."""

    kind: SourceKind
    package: str = ""  # debian: linux-source-X.Y or linux-image-*
    suite: str = ""  # debian: archive suite; "" is what the host's apt offers
    path: str = ""  # directory, image, local tarball or repository
    url: str = ""  # git, tarball
    ref: str = ""  # git
    sha256: str = ""  # tarball
    modules: str = ""  # image: the directory of its modules; "": found by itself
    config: str = ""  # image: its .config; "": found by itself
    debug: str = ""  # image: vmlinux with symbols; "": found by itself

    @property
    def ready(self) -> bool:
        """Whether this is an image to boot as it is, not source to build from."""
        return self.kind is SourceKind.IMAGE or self.package.startswith("linux-image-")

    def words(self) -> str:
        """As on the command line: `git:../linux@v6.13`."""
        place = self.package or self.url or self.path
        after = f"@{self.suite or self.ref}" if self.suite or self.ref else ""
        return f"{self.kind}:{place}{after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSpec:
    """One kernel of a plan, every `base:` resolved."""

    name: str
    source: SourceRef
    arch: str = "x86_64"
    series: tuple[str, ...] = ()  # patch series in the order they are applied
    config: tuple[str, ...] = ()  # fragment names in the order they are merged
    make_vars: tuple[tuple[str, str], ...] = ()  # CC=gcc-11, LLVM=1, …


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One patch file: name for people, text for applying and for the key."""

    series: str
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A fetched source, not yet patched. `identity` is exact: it changes when a byte changes."""

    identity: str
    version: str  # exact version, for people: 6.12.117-1~deb12u1
    archive: str = ""  # a tar file that unpacks to the tree …
    directory: str = ""  # … or a directory that is only ever read …
    repository: str = ""  # … or a bare git repository …
    commit: str = ""  # … and what to take out of it: an object id


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelImage:
    """A kernel that boots. Paths are absolute; `key` is the content address of all that went in."""

    key: str
    name: str
    arch: str
    release: str
    image: str
    vmlinux: str = ""
    modules: str = ""
    config: str = ""
    seconds: float = 0.0  # what building it took; 0 for a ready image
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RootfsImage:
    """A deterministic initramfs; a cell appends its own small archive to it."""

    key: str
    path: str
