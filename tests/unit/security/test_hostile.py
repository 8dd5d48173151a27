"""Inputs made to do harm (tests/data/hostile): each ends in a value or a message, in bounded time; nothing is run.

Beside them, long texts of one shape, on which an expression that goes back and forth never comes to an end.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kzram_ci.base import elf
from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.cli.main import main
from kzram_ci.guest import messages, modinfo
from kzram_ci.kernel import diff, kconfig, posted, presence
from kzram_ci.kernel.hooks import ctext
from kzram_ci.kernel.hooks.search import applied
from kzram_ci.kernel.kbuild.log import diagnose
from kzram_ci.kernel.mail import patches_in
from kzram_ci.kernel.mechanism import facts
from kzram_ci.kernel.parts import load_series
from kzram_ci.kernel.source import aptsources
from kzram_ci.ktap import stream
from kzram_ci.oops import maintainers, parse
from kzram_ci.results.reports import sanitize

CORPUS = Path(__file__).parents[2] / "data/hostile"
SECONDS = 15.0  # of the processor: these take milliseconds


def corpus(kind: str) -> list[str]:
    return sorted(path.name for path in (CORPUS / kind).iterdir())


def content(kind: str, name: str) -> bytes:
    return (CORPUS / kind / name).read_bytes()


@pytest.fixture(autouse=True)
def in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.chdir(tmp_path)
    began = time.process_time()
    yield
    assert time.process_time() - began < SECONDS
    # here, and where a name that climbs would lead: the places of other tests are theirs
    assert not [*tmp_path.rglob("evil*"), *tmp_path.parent.glob("evil*"), *tmp_path.parent.parent.glob("evil*")]


def test_there_are_enough() -> None:
    assert sum(path.is_file() for path in CORPUS.rglob("*")) >= 140


@pytest.mark.parametrize("name", corpus("plans"))
def test_a_plan_is_refused_at_a_place(name: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(content("plans", name))
    (tmp_path / "x.sh").write_text("#!/bin/sh\n")
    (tmp_path / "x.sh").chmod(0o755)
    assert main(("validate", "p.yaml")) == 2
    err = capfd.readouterr().err
    assert "p.yaml:" in err
    assert "Traceback" not in err
    assert "internal" not in err.lower()
    assert "\x1b" not in err
    assert len(err) < 100_000


@pytest.mark.parametrize("name", corpus("patches"))
def test_a_patch_stays_in_the_tree(name: str) -> None:
    text = content("patches", name).decode("utf-8", "surrogateescape")
    try:
        touched = diff.touched(text)
    except ValueError as error:
        assert str(error)
        return
    assert all(path and not path.startswith("/") and ".." not in path.split("/") for path in touched)
    assert not [path for path in touched if ".git" in path.lower().split("/")]


@pytest.mark.parametrize("name", corpus("mails"))
def test_a_mailbox_is_no_series(name: str) -> None:
    posted.stands_for_series([(name, content("mails", name))], part=True)
    for read in (patches_in, lambda data: posted.read([(name, data)])):
        try:
            read(content("mails", name))
        except ValueError as error:
            assert len(str(error)) < 2000


@pytest.mark.parametrize("name", corpus("ktap"))
def test_a_log_of_tests_is_a_report(name: str) -> None:
    report = stream.parse(content("ktap", name))
    assert len(report.points()) < 1000


@pytest.mark.parametrize("name", corpus("control"))
def test_no_message_ends_a_cell(name: str) -> None:
    reader = messages.Reader("a nonce that nothing guesses")
    assert not [each for each in reader.feed(content("control", name)) if isinstance(each, messages.Exited)]
    assert len(reader.feed(b'\n{"ev":"ready"}\n')) == 1


@pytest.mark.parametrize("name", corpus("oops"))
def test_a_console_is_oopses(name: str) -> None:
    for oops in parse(content("oops", name)):
        oops.to_json()


@pytest.mark.parametrize("name", corpus("elf"))
@pytest.mark.parametrize("ask", [elf.program, elf.linkage, modinfo.parse])
def test_a_damaged_program(name: str, ask: Callable[[bytes], object]) -> None:
    try:
        ask(content("elf", name))
    except ValueError as error:
        assert "ELF file" in str(error)


def series(text: str) -> object:
    return posted.read([("a", f"From: a\nSubject: [PATCH] {text[:5000]}\n\n{text}\n---\n{DIFF}-- \n{text}".encode())])


DIFF = "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+b\n"
DETECTOR = load_series("overrun-detector", Library()).search
READERS: dict[str, Callable[[str], object]] = {
    "functions": lambda text: list(ctext.functions(ctext.blank(text))),
    "hooks": lambda text: applied(DETECTOR, lambda path: text),
    "facts": lambda text: facts.probe(lambda path: text.encode()),
    "locks": lambda text: presence.foreign_lock(f"--- a/a\n+++ b/a\n@@ -0,0 +1 @@\n+{text}", lambda path: text),
    "diff": diff.files,
    "mail": lambda text: patches_in(text.encode()),
    "series": series,
    "make": diagnose,
    "config": lambda text: (kconfig.parse(text), kconfig.declared(text)),
    "apt": lambda text: (aptsources.one_line(text), aptsources.deb822(f"Types: deb\nURIs: {text}")),
    "tests": lambda text: stream.parse(text.encode()),
    "control port": lambda text: messages.Reader("n").feed(text.encode()),
    "console": lambda text: parse(text.encode()),
    "maintainers": lambda text: maintainers.parse(f"x\n\nA\nS:\tM\nF:\t{text}"),
    "shown": lambda text: (sanitize.visible(text), sanitize.one_line(text)),
}
SHAPES = (
    "/* ", '"\\', "'\\", "(", "a ", "a", " ", "\t", "[", "<", "- ", "ok 1 ", "# ", "\n", "{\n", "}\n;", "> ",
    "&gt;", "--\n",
    "-- \n", "@@ -1 +1 @@\n", "diff --git a/a b/a\n", DIFF[:16], "From a\n", "a: b\n", " a\n", "a/", "0.",
    "1:", "[    0.0] ",
    "\r", "\x1b[", "\\\n", "if (a) ", "a+0x1/0x2 ", "CPU: 1 ", "BUG: ", "Subject: [PATCH 1/2] ", "a,", "a=", "_R",
    "error: ",
    "make: ", "sh: ", "# CONFIG_A is not set\n", "deb [a=b] ", "a-", "spin_lock(", "DEFINE_", "f(a)\n{\n", "*a",
)  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_no_shape_of_text_takes_for_ever(reader: str) -> None:
    for shape in SHAPES:
        text = shape * (60_000 // len(shape))
        for whole in (text, f"x{text}!"):
            try:
                READERS[reader](whole)
            except (ValueError, UserError) as error:
                assert str(error)
