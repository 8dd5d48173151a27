"""What kernel to test, and what came out of building it."""

from __future__ import annotations

from kzram_ci.base.values import dataclass
from kzram_ci.model.provenance import Provenance
from kzram_ci.model.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One patch file: name for people, text for applying and for the key."""

    series: str
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSpec:
    """One kernel of a plan, every `base:` resolved."""

    name: str
    source: Source
    arch: str = "x86_64"
    series: tuple[str, ...] = ()  # patch series in the order they are applied
    config: tuple[str, ...] = ()  # fragment names in the order they are merged
    make_vars: tuple[tuple[str, str], ...] = ()  # CC=gcc-11, LLVM=1, …
    line: str = ""  # of kernels/lines.yaml; "": another source
    variant: str = ""  # of kernels/variants.yaml; "": a kernel of its own
    patches: tuple[Patch, ...] = ()  # applied after the series, for one run


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveTree:
    """A tar file that unpacks to a kernel tree. `identity` of a tree is exact: it changes when a byte changes."""

    identity: str
    version: str  # exact version, for people: 6.12.117-1~deb12u1
    archive: str
    source: str = ""  # as on the command line

    @property
    def family(self) -> str:
        """Trees of one family are built in one slot."""
        return self.identity


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryTree:
    """A directory that is only ever read, with the content it had when it was scanned."""

    identity: str
    version: str
    directory: str
    source: str = ""
    commit: str = ""  # what is checked out there, if git knows
    dirty: bool = False  # it differs from that commit

    @property
    def family(self) -> str:
        """Whatever is edited in a directory, it keeps its slot."""
        return f"directory:{self.directory}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTree:
    """What a commit holds, by git's id of that, in a bare repository of ours."""

    identity: str
    version: str
    repository: str
    tree: str
    source: str = ""
    commit: str = ""  # the one that was asked for; others may hold the same tree

    @property
    def family(self) -> str:
        """A repository keeps its slot from commit to commit."""
        return f"git:{self.repository}"


# A fetched source, not yet patched.
Tree = ArchiveTree | DirectoryTree | CommitTree


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
    provenance: Provenance | None = None  # None: built before it was recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class RootfsImage:
    """A deterministic initramfs; a cell appends its own small archive to it. disk: the root that programs see."""

    key: str
    path: str
    disk: str = ""
    disk_format: str = "raw"
