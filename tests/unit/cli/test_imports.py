"""What commands load: a command that starts slowly is one that loads what it does not need."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kzram_ci.cli import main as front

SHOW = """
import contextlib, io, sys
from kzram_ci.cli.main import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(sys.argv[1:])
print("\\n".join(sorted(sys.modules)))
"""
HEAVY = ("pydantic", "yaml", "jinja2", "sqlite3", "junit_xml", "filelock", "elftools", "xml.etree", "email")


def loaded(*words: str) -> set[str]:
    done = subprocess.run((sys.executable, "-c", SHOW, *words), capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("oops", "/dev/null"), ("ktap", "/dev/null")])
def test_no_library_is_loaded_that_the_command_does_not_use(words: tuple[str, ...]) -> None:
    assert not [name for name in loaded(*words) if name.startswith(HEAVY)]


def test_help_loads_the_front_door_only() -> None:
    ours = {name for name in loaded("--help") if name.startswith("kzram_ci.")}
    wanted = (
        "cli",
        "cli.main",
        "cli.output",
        "cli.unhurried",
        "base",
        "base.clock",
        "base.errors",
        "base.escaped",
        "base.expressions",
        "base.priority",
        "base.proc",
        "base.values",
    )
    assert ours <= {f"kzram_ci.{name}" for name in (*wanted, "base.reaper")}


def test_oops_loads_its_own_room_only() -> None:
    ours = {name.split(".")[1] for name in loaded("oops", "/dev/null") if name.startswith("kzram_ci.")}
    assert ours == {"base", "cli", "oops"}


def test_a_check_loads_nothing_that_builds_or_boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path))  # else it is known to be good, and nothing is loaded
    names = loaded("validate", "overrun")
    assert {"kzram_ci.run.checks", "kzram_ci.kernel.parts", "kzram_ci.guest.recipe"} <= names
    rooms = ("store", "guest.rootfs", "guest.parcel", "kernel.oneoff", "kernel.buildfixes", "kernel.hooks.search")
    assert not [name for name in names if name.startswith(tuple(f"kzram_ci.{room}" for room in rooms))]


def test_a_check_of_what_ships_needs_no_compiler_of_expressions_and_no_parser_of_mails_or_diffs(tmp_path: Path) -> None:
    show = """
import sys
from kzram_ci.cli import main
main._start_lean()
main.main(["validate", "overrun"])
print(*sys.modules)
"""
    environment = {**os.environ, "KZRAM_CACHE": str(tmp_path)}
    done = subprocess.run((sys.executable, "-c", show), capture_output=True, text=True, check=True, env=environment)
    told, names = done.stdout.splitlines()
    assert "good, " in told
    assert {"regex", "unidiff", "email", "difflib", "ctypes", "csv"}.isdisjoint(names.split())


def test_a_module_that_is_loaded_late_is_the_module_to_whoever_asks() -> None:
    show = """
import sys
from kzram_ci.cli import main
main._load_late("importlib.metadata", "entry_points")
import importlib.metadata as before
from importlib.metadata import entry_points
assert "email" not in sys.modules
assert entry_points(group="console_scripts").names and "email" in sys.modules
import importlib.metadata
from importlib.metadata import PackageNotFoundError
assert importlib.metadata.PackageNotFoundError is before.PackageNotFoundError is PackageNotFoundError
assert sys.modules["importlib.metadata"].__file__ == before.__file__
main._load_late("importlib.metadata")
assert sys.modules["importlib.metadata"] is not before
try:
    before.no_such_thing
except AttributeError:
    print("as it should be")
"""
    done = subprocess.run((sys.executable, "-c", show), capture_output=True, text=True, check=True)
    assert done.stdout == "as it should be\n"


def test_the_console_script_does_not_pay_for_garbage_and_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, str]] = []

    def run(argv: object) -> int:
        seen.append((gc.get_threshold()[0], os.environ["PYDANTIC_DISABLE_PLUGINS"]))
        return 3

    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "mine")  # who has set it knows why
    monkeypatch.setattr(front, "main", run)
    before = gc.get_threshold()
    try:
        with pytest.raises(SystemExit) as ended:
            front.entry()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    assert (ended.value.code, seen) == (3, [(front.NEW_OBJECTS, "mine")])


def test_a_clean_log_costs_no_expression() -> None:
    """What is compiled while modules load is paid for by every log."""
    show = """
import re, sys
real, seen = re.compile, []
def compile(*given):
    seen.append(sys._getframe(1).f_globals["__name__"])
    return real(*given)
re.compile = compile
import kzram_ci.oops
print([name for name in seen if name.startswith("kzram_ci.")])
"""
    done = subprocess.run((sys.executable, "-c", show), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
