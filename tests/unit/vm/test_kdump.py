"""QEMU's dump, put in order: the records of a flattened file land where they belong, the header gets its names."""

import struct
from pathlib import Path

import pytest

from kzram_ci.base.errors import InfraError
from kzram_ci.vm.kdump import finish

END = struct.pack(">qq", -1, -1)
HEAD = b"makedumpfile".ljust(4096, b"\0")


def record(offset: int, data: bytes) -> bytes:
    return struct.pack(">qq", offset, len(data)) + data


def header(machine: bytes = b"x86_64", release: bytes = b"") -> bytes:
    words = [b"", b"", release, b"", machine, b""]
    return b"KDUMP   " + struct.pack("<i", 6) + b"".join(word.ljust(65, b"\0") for word in words)


def test_records_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "vmcore"
    path.write_bytes(HEAD + record(8192, b"pages") + record(0, header()) + record(4096, b"bitmap") + END)
    assert finish(path, release="6.12.1", limit_bytes=1 << 20) == 8197
    data = path.read_bytes()
    assert (data[4096:4102], data[8192:]) == (b"bitmap", b"pages")
    words = [data[12 + 65 * index :][:65].rstrip(b"\0").decode() for index in range(6)]
    assert words == ["Linux", "guest", "6.12.1", "unknown", "x86_64", "unknown"]
    assert [each.name for each in tmp_path.iterdir()] == ["vmcore"]


def test_what_the_header_says_stays(tmp_path: Path) -> None:
    path = tmp_path / "vmcore"
    path.write_bytes(HEAD + record(0, header(release=b"7.0")) + END)
    finish(path, release="6.12.1", limit_bytes=1 << 20)
    assert b"6.12.1" not in path.read_bytes()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not in the format"),
        (b"KDUMP   ".ljust(5000, b"\0"), "not in the format"),
        (HEAD, "cut off"),
        (HEAD + record(0, header())[:-9], "cut off"),
        (HEAD + struct.pack(">qq", 1 << 62, 4) + b"abcd" + END, "cut off"),
        (HEAD + struct.pack(">qq", 0, -5) + END, "cut off"),
    ],
)
def test_a_damaged_dump_is_told(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "vmcore"
    path.write_bytes(data)
    with pytest.raises(InfraError, match=why):
        finish(path, release="6", limit_bytes=1 << 20)
    assert [each.name for each in tmp_path.iterdir()] == ["vmcore"]
