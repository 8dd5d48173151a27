"""What a command prints with --json is what its schema says, down to the last key."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import report_samples as samples
import shown
from answer_schemas import check

from kzram_ci.cli import answers, main
from kzram_ci.model.layout import CellFile
from kzram_ci.results import rundir
from kzram_ci.run import boot_shell

OOPS = Path(__file__).resolve().parents[2] / "golden" / "oops" / "general-protection.log"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name in ("A", "B"):
        run = rundir.create(tmp_path / f"made-{name}", samples.PLAN)
        for result in samples.results():
            run.finish(result)
        run.path.rename(tmp_path / name)
    shutil.copy(OOPS, "console.log")
    Path("test.tap").write_text("KTAP version 1\n1..2\n# Subtest: s\n1..1\n    ok 1 a\nok 1 s\nok 2 b # SKIP no\n")
    Path("wrong.yaml").write_text("name: x\nkernls: []\n")
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: str, codes: tuple[int, ...] = (0, 1)) -> Any:
    assert main.main(words) in codes
    return json.loads(capsys.readouterr().out)


def test_every_command_with_json_has_a_schema() -> None:
    having = {
        parser.prog.removeprefix("kzram-ci ")
        for name in main.COMMANDS
        for parser in shown.parsers(main.parser_of(name), f"kzram-ci {name}")
        if any("--json" in action.option_strings for action in parser._actions)
    }
    assert having == {
        *("run", "plan", "validate", "build", "boot", "oops", "ktap", "report", "history", "compare", "bisect start"),
        *("bisect resume", "bisect status", "try", "repro", "mechanism", "doctor", "cache ls", "cache gc"),
    }
    named = {main.parse(words).command for _, words in commands()}
    assert named == {prog.split()[0] for prog in having}


def commands() -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, (command, _) in answers.ANSWERS.items():
        [one] = shown.commands(command, name)
        yield name, one.words


@pytest.mark.parametrize(("name", "words"), list(commands()), ids=str)
def test_the_command_of_a_schema_is_one(name: str, words: tuple[str, ...]) -> None:
    assert main.parse(words).json is True


@pytest.mark.parametrize("name", list(answers.ANSWERS))
def test_a_schema_is_one(name: str) -> None:
    schema = answers.schema_of(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:kzram-ci:json:{name}:{answers.VERSION}"


def test_answers_of_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check("plan", answer(capsys, "plan", "smoke", "--json"))
    check("validate", answer(capsys, "validate", "smoke", "wrong.yaml", "gone.yaml", "--json", codes=(2,)))
    found = answer(capsys, "oops", "console.log", "--json")
    assert found[0]["oopses"]
    check("oops", found)
    check("oops-group", answer(capsys, "oops", "console.log", "--group", "--json"))
    check("ktap", answer(capsys, "ktap", "test.tap", "--json"))
    check("report", answer(capsys, "report", "A", "--json"))
    check("compare", answer(capsys, "compare", "A", "B", "--json"))
    check("repro", answer(capsys, "repro", "A", "stock/anonmutate", "--print", "--json"))


def test_answers_of_the_history(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check("history-import", answer(capsys, "history", "import", "A", "B", "--json"))
    for words in ((), ("--runs",), ("--crashes",)):
        found = answer(capsys, "history", *words, "--json")
        assert found
        check("-".join(("history", *(word.strip("-") for word in words))), found)


def test_validate_names_the_place_of_what_is_wrong(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [wrong] = answer(capsys, "validate", "wrong.yaml", "--json", codes=(2,))["plans"]
    assert not wrong["good"]
    assert {(one["line"], one["path"]) for one in wrong["problems"]} >= {(2, "kernls")}


def test_answers_of_the_host(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    entry = here / "cache" / "kernels" / "abc"
    entry.mkdir(parents=True)
    (entry / "bzImage").write_bytes(b"x" * 4096)
    check("cache-ls", answer(capsys, "cache", "ls", "--json"))
    check("cache-gc", answer(capsys, "cache", "gc", "--max-size", "0", "--dry-run", "--json"))
    check("doctor", answer(capsys, "doctor", "--json", codes=(0, 2)))


def test_a_command_in_a_guest(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def boot(request: Any, *, tell: Any, output: Any) -> int:
        tell("acceleration: tcg")
        output("a\n")
        output("b\n")
        return 3

    monkeypatch.setattr(boot_shell, "boot", boot)
    found = answer(capsys, "boot", "stock", "--json", "--", "true", codes=(3,))
    check("boot", found)
    assert (found["exit_code"], found["output"], found["notes"]) == (3, "a\nb\n", ["acceleration: tcg"])
    assert main.main(("boot", "stock", "--json")) == 2


def test_repro_hands_json_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr("os.execv", lambda program, argv: started.append(argv))
    main.main(("repro", "A", "stock/anonmutate", "--json"))
    [argv] = started
    assert Path(argv[1]).name == CellFile.REPRO and argv[-1] == "--json"
