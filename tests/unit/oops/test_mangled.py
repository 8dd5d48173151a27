"""Names of Rust and C++ functions; hostile ones are left alone in bounded time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.oops import parse
from kzram_ci.oops.mangled import MAX_LENGTH, demangled

NAMES = {
    "_RNvMs3_NtCsh_11rust_binder7processNtB5_7Process10update_ref": "<rust_binder::process::Process>::update_ref",
    "_RNvNtCs9jEwPDbx20M_4core9panicking9panic_fmt": "core::panicking::panic_fmt",
    "_RNvCscSpY9Juk0HT_7___rustc17rust_begin_unwind": "__rustc::rust_begin_unwind",
    "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE": "core::fmt::Write::write_fmt",
    "_ZN4zram5Table4freeEm": "zram::Table::free",
    "_ZN4zram5TableclEv": "zram::Table::operator()",
    "_Z9zram_freev": "zram_free",
    "zs_free": "zs_free",
    "_Zero_page": "_Zero_page",
    "_ZN4core": "_ZN4core",
    "_Raw": "_Raw",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_read(name: str) -> None:
    assert demangled(name) == NAMES[name]


@given(st.text("_RZNvTBsSE0123aACb", max_size=250), st.sampled_from(("_R", "_ZN", "_RNv", "_RINv")))
def test_any_name_gives_a_name(rest: str, head: str) -> None:
    assert 0 < len(demangled(head + rest)) <= max(MAX_LENGTH, len(head + rest))


def test_references_that_double_are_not_followed() -> None:
    begin = time.monotonic()
    name = "_RNvC1aT" + "T" * 60 + "".join(f"B{index}_" for index in range(60)) + "E"
    assert demangled(name) == name
    assert time.monotonic() - begin < 1


def test_a_rust_panic_names_the_function_that_panicked() -> None:
    log = (
        "rust_kernel: panicked at drivers/android/binder/process.rs:1:2:\nattempt to subtract with overflow\n"
        "------------[ cut here ]------------\nkernel BUG at rust/helpers/bug.c:7!\n"
        "RIP: 0010:_RNvCscSpY9Juk0HT_7___rustc17rust_begin_unwind+0x1/0x2\nCall Trace:\n <TASK>\n"
        " _RNvNtCs9jEwPDbx20M_4core9panicking9panic_fmt+0x1/0x2\n"
        " _RNvMs3_NtCshgDM7dBCdno_11rust_binder7processNtB5_7Process10update_ref+0x1/0x2\n"
        " __x64_sys_ioctl+0x1/0x2\n </TASK>\n---[ end trace 0000000000000000 ]---\n"
    )
    (oops,) = parse(log.encode())
    assert (oops.type, oops.function) == ("rust_panic", "<rust_binder::process::Process>::update_ref")
    assert oops.signature == "rust_panic:<rust_binder::process::Process>::update_ref"
