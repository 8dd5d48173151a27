"""Which package a library is looked for in, and programs and libraries below a root."""

from pathlib import Path

import pytest

from kzram_ci.kernel.source import apt
from kzram_ci.kernel.source.programs import find_library, installed, next_package
from kzram_ci.model.source import DebianSource

XFS = ("libblkid1", "libc6", "libdevmapper1.02.1", "libedit2", "libicu76", "libinih1", "liburcu8t64", "libuuid1")
BTRFS = ("libc6", "libgcrypt20", "liblzo2-2", "libudev1", "libzstd1", "libext2fs2t64", "libcom-err2")


@pytest.mark.parametrize(
    ("library", "names", "package"),
    [
        ("libblkid.so.1", XFS, "libblkid1"),
        ("liburcu.so.8", XFS, "liburcu8t64"),
        ("/lib64/ld-linux-x86-64.so.2", XFS, "libc6"),
        ("libc.so.6", BTRFS, "libc6"),
        ("libm.so.6", BTRFS, "libc6"),
        ("liblzo2.so.2", BTRFS, "liblzo2-2"),
        ("libcom_err.so.2", BTRFS, "libcom-err2"),
        ("libext2fs.so.2", BTRFS, "libext2fs2t64"),
        ("libe2p.so.2", ("libext2fs2",), "libext2fs2"),  # one package with several libraries: any is tried
        ("libf2fs.so.9", ("libc6", "libf2fs10"), "libf2fs10"),
        ("libz.so.1", (), ""),
    ],
)
def test_packages_are_named_by_their_libraries(library: str, names: tuple[str, ...], package: str) -> None:
    assert next_package(library, names) == package


def test_a_program_lies_in_sbin_or_bin(tmp_path: Path) -> None:
    assert installed("mkfs.x", tmp_path) is None
    path = tmp_path / "usr/sbin/mkfs.x"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    found = installed("mkfs.x", tmp_path)
    assert found is not None
    assert (found.root, found.path) == (tmp_path, path)


def test_libraries_of_several_architectures_are_all_found(tmp_path: Path) -> None:
    for where in ("usr/lib/x86_64-linux-gnu", "usr/lib/i386-linux-gnu"):
        (tmp_path / where).mkdir(parents=True)
        (tmp_path / where / "libx.so.1").write_bytes(b"x")
    assert len(find_library(tmp_path, "libx.so.1")) == 2
    linker = tmp_path / "usr/lib64/ld.so.2"
    linker.parent.mkdir()
    linker.write_bytes(b"x")
    assert find_library(tmp_path, "/lib64/ld.so.2") == [linker]
    assert find_library(tmp_path, "libz.so.1") == []


def test_names_of_a_field_of_dependencies() -> None:
    text = "libc6 (>= 2.34), libgcc-s1 (>= 4.2) | libgcc1, linux-image-6.1.0-50-cloud-amd64 (= 6.1.176-1), perl:any, "
    want = ["libc6", "libgcc-s1", "libgcc1", "linux-image-6.1.0-50-cloud-amd64", "perl"]
    assert apt._NAMES.findall(text) == want


def test_kernels_of_32_bits_have_a_word_of_their_own_in_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert apt._foreign(DebianSource(package="linux-image-686-pae")) == "i386"
