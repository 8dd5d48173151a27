"""File systems that a zram device may hold: what makes them, what a kernel must have for them. A row each."""

from __future__ import annotations

from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesystemKind:
    """A kind of file system. `words` come first on the command line of `program`, which `package` holds (Debian).

    `symbols`: any of these in a kernel's config will do; `modules`: any of these, where the kernel has it as a module;
    `helpers`: modules that it asks for by the name of an algorithm, which nothing in the guest would answer;
    those that suit every processor.
    """

    name: str
    program: str
    package: str
    words: tuple[str, ...]
    symbols: tuple[str, ...]
    modules: tuple[str, ...]
    helpers: tuple[str, ...] = ("crc32c_generic", "libcrc32c")


_EXT = ("-q", "-F")
KINDS = (
    FilesystemKind(
        name="ext4",
        program="mkfs.ext4",
        package="e2fsprogs",
        words=_EXT,
        symbols=("CONFIG_EXT4_FS",),
        modules=("ext4",),
    ),
    FilesystemKind(
        name="ext2",  # by its own driver, or by ext4's
        program="mkfs.ext2",
        package="e2fsprogs",
        words=_EXT,
        symbols=("CONFIG_EXT2_FS", "CONFIG_EXT4_USE_FOR_EXT2"),
        modules=("ext2", "ext4"),
    ),
    FilesystemKind(
        name="xfs",
        program="mkfs.xfs",
        package="xfsprogs",
        words=("-q", "-f"),
        symbols=("CONFIG_XFS_FS",),
        modules=("xfs",),
    ),
    FilesystemKind(
        name="btrfs",
        program="mkfs.btrfs",
        package="btrfs-progs",
        words=("-q", "-f"),
        symbols=("CONFIG_BTRFS_FS",),
        modules=("btrfs",),
        helpers=("crc32c_generic", "libcrc32c", "xxhash_generic", "blake2b_generic", "sha256_generic"),
    ),
    FilesystemKind(
        name="f2fs",
        program="mkfs.f2fs",
        package="f2fs-tools",
        words=("-q", "-f"),
        symbols=("CONFIG_F2FS_FS",),
        modules=("f2fs",),
        helpers=("crc32_generic",),
    ),
)
NAMES = tuple(kind.name for kind in KINDS)


def kind_of(name: str) -> FilesystemKind:
    """The row of a kind. Raises KeyError for one that is not in the table."""
    return {kind.name: kind for kind in KINDS}[name]
