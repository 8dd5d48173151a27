import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import requires
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.guest import cpio

NAMES = st.from_regex(r"[a-z]{1,4}", fullmatch=True)
FILES = st.dictionaries(st.tuples(st.just("d"), NAMES).map("/".join), st.binary(max_size=50))


@given(FILES)
def test_same_files_same_bytes_in_any_order(files: dict[str, bytes]) -> None:
    one = cpio.archive(files)
    assert one == cpio.archive(dict(reversed(files.items())))
    assert len(one) % 4 == 0


def test_one_path_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="bin/a is in the archive twice"):
        cpio.pack([cpio.regular("/bin/a", b""), cpio.symlink("bin/a", "b")])


def test_another_program_reads_it(tmp_path: Path) -> None:
    tool = shutil.which("cpio") or requires.tool("busybox")
    entries = [
        cpio.regular("a/b/file", b"content", 0o755),
        cpio.symlink("a/link", "b/file"),
        cpio.node("dev/null", "c", (1, 3), 0o666),
    ]
    command = (tool, "-it") if tool.endswith("/cpio") else (tool, "cpio", "-it")
    listed = subprocess.run(command, input=cpio.pack(entries), capture_output=True, check=True)
    assert listed.stdout.decode().split() == ["a", "a/b", "a/b/file", "a/link", "dev", "dev/null"]


def test_fields_of_a_node() -> None:
    raw = cpio.pack([cpio.node("null", "c", (1, 3), 0o666)])
    assert int(raw[14:22], 16) == stat.S_IFCHR | 0o666
    assert (int(raw[78:86], 16), int(raw[86:94], 16)) == (1, 3)
    assert int(raw[46:54], 16) == 0, "mtime"
