"""Logs that are kept compressed or as UTF-16 are read as the text they are, whatever pieces they come in."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator

import pytest

from kzram_ci.base.unpacked import DamagedError, unpacked

TEXT = "".join(f"[  412.{number:06d}] zram0: line {number} é\n" for number in range(5000)).encode()
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress}
each_packer = pytest.mark.parametrize("name", PACKERS)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@each_packer
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_compressed_log_is_its_text(name: str, size: int) -> None:
    packed = PACKERS[name](TEXT)
    assert b"".join(unpacked(pieces(packed, size))) == TEXT


@each_packer
def test_several_members_are_one_log(name: str) -> None:
    pack = PACKERS[name]
    assert b"".join(unpacked([pack(TEXT), pack(b"more\n")])) == TEXT + b"more\n"


@each_packer
def test_what_comes_before_damage_is_handed_out(name: str) -> None:
    kept = b""
    noise = bytes(range(256)) * 9000  # so that each format has more than one block
    packed = PACKERS[name](TEXT + noise * 2)
    with pytest.raises(DamagedError, match=f"{name} data end early"):
        for piece in unpacked(pieces(packed[:-20], 4096)):
            kept += piece
    assert kept.startswith(TEXT[:1000])


def test_data_that_only_begin_so_are_damaged() -> None:
    with pytest.raises(DamagedError, match="gzip data are damaged"):
        list(unpacked([gzip.compress(TEXT)[:10] + b"\xff" * 100]))


def test_zstd_names_the_program_that_reads_it() -> None:
    with pytest.raises(DamagedError, match="zstdcat"):
        list(unpacked([b"\x28\xb5\x2f\xfd rest"]))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_utf_16_with_its_mark_is_text(encoding: str, size: int) -> None:
    data = ("\ufeff" + TEXT.decode()).encode(encoding)
    assert b"".join(unpacked(pieces(data, size))) == TEXT


@pytest.mark.parametrize("data", [b"", b"a", b"BZh9 is no bzip2\n", b"\xff", b"\x1f\x8b", TEXT])
def test_any_other_bytes_are_left_alone(data: bytes) -> None:
    assert b"".join(unpacked(pieces(data, 3))) == data
