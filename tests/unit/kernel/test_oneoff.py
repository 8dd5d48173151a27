"""Patches of one run: what `--patch` takes, and how strictly they are applied."""

from pathlib import Path

import pytest
from tiny_source import patch_text

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import PatchFailed, UserError
from kzram_ci.base.library import Library
from kzram_ci.kernel import patches
from kzram_ci.kernel.oneoff import read_oneoffs, series_of
from kzram_ci.kernel.parts import parts_of
from kzram_ci.kernel.series import SeriesKind, choose
from kzram_ci.model import codec
from kzram_ci.model.kernel import KernelSpec, Patch
from kzram_ci.model.source import DirectorySource

TREE = {"b.c": b"int b;\n"}
CHANGE = patch_text({"b.c": b"int fixed;\n"})


def nothing() -> bytes:
    raise AssertionError("standard input was read")


def mail(subject: str, text: str) -> str:
    return f"From m@z Thu Jan  1 00:00:00 1970\nFrom: a@example.org\nSubject: {subject}\n\n---\n{text}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file_on_every_kernel_and_one_with_a_name() -> None:
    Path("my fix.v2.patch").write_text(CHANGE)
    plain, named = read_oneoffs(("my fix.v2.patch", "mine=my fix.v2.patch"), nothing)
    assert (plain.variant, plain.label, named.variant, named.label) == ("", "my-fix", "mine", "my-fix")
    assert plain.patches == (Patch(series="my fix.v2.patch", name="my fix.v2.patch", text=CHANGE),)


def test_a_file_whose_name_looks_like_a_named_patch_is_that_file() -> None:
    Path("a=b.patch").write_text(CHANGE)
    (found,) = read_oneoffs(("a=b.patch",), nothing)
    assert found.variant == ""


def test_standard_input_once() -> None:
    (found,) = read_oneoffs(("mine=-",), CHANGE.encode)
    assert (found.variant, found.label, found.patches[0].name) == ("mine", "stdin", "stdin")
    with pytest.raises(UserError, match="standard input can be one patch only"):
        read_oneoffs(("-", "mine=-"), CHANGE.encode)


def test_a_mailbox_is_a_series_in_order() -> None:
    text = mail("[PATCH 2/2] two: b", CHANGE) + mail("[PATCH 1/2] one: a", CHANGE)
    Path("v1.mbox").write_text(text)
    (found,) = read_oneoffs(("v1.mbox",), nothing)
    assert [patch.name for patch in found.patches] == ["0001-one-a.patch", "0002-two-b.patch"]
    (series,) = series_of(found.patches)
    assert (series.name, series.kind, len(series.patches)) == ("v1.mbox", SeriesKind.ONE_OFF, 2)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"hello\n", "it has no diff in it"),
        (CHANGE.replace("b.c", "../b.c").encode(), "leaves the source tree"),
        (CHANGE.replace("fixed", "f\xfc").encode("latin-1"), "is not UTF-8"),
    ],
)
def test_what_is_not_a_patch_is_the_users_to_mend(content: bytes | None, why: str) -> None:
    if content is not None:
        Path("x.patch").write_bytes(content)
    with pytest.raises(UserError, match=rf"^x\.patch: .*{why}") as caught:
        read_oneoffs(("x.patch",), nothing)
    assert "--patch" in caught.value.hint


def spec(*found: Patch) -> KernelSpec:
    return KernelSpec(name="k", source=DirectorySource(path="/linux"), series=("unstable",), patches=found)


def test_they_come_after_the_series_of_the_kernel_and_survive_on_disk() -> None:
    Path("fix.patch").write_text(CHANGE)
    (found,) = read_oneoffs(("fix.patch",), nothing)
    wanted = spec(*found.patches)
    assert [series.name for series in parts_of(wanted, Library()).series] == ["unstable", "fix.patch"]
    assert codec.from_json(KernelSpec, codec.to_json(wanted)) == wanted


def test_what_does_not_apply_says_where() -> None:
    (series,) = series_of((Patch(series="fix.patch", name="fix.patch", text=CHANGE),))
    done = patches.apply(TREE.get, (choose(series, "6.12.1"),), deadline=Deadline.after(60))
    assert done.files == {"b.c": b"int fixed;\n"}
    with pytest.raises(PatchFailed, match=r"^fix\.patch: b\.c: hunk 1 .* does not apply: nothing in the file"):
        patches.apply({"b.c": b"int other;\n"}.get, (choose(series, "6.12.1"),), deadline=Deadline.after(60))


def test_what_is_there_already_would_be_tested_for_nothing() -> None:
    (series,) = series_of((Patch(series="fix.patch", name="fix.patch", text=CHANGE),))
    with pytest.raises(PatchFailed, match=r"^fix\.patch: the source has it already"):
        patches.apply({"b.c": b"int fixed;\n"}.get, (choose(series, "6.12.1"),), deadline=Deadline.after(60))
