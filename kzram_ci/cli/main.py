"""`kzram-ci`: find the command, import only that one, turn errors into one line and an exit code."""

from __future__ import annotations

import argparse
import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import kzram_ci
from kzram_ci.base import proc
from kzram_ci.base.errors import InfraError, Interrupted, KzramError
from kzram_ci.cli import output

# command -> what it does; the module of the same name in this package has add_parser() and main()
COMMANDS = {
    "run": "run a test plan: build, boot, judge, report",
    "plan": "show the cells a plan would run, and what each costs",
    "validate": "check plans; errors as file:line:column",
    "schema": "print the JSON Schema of plans, for editors",
    "build": "build kernels into the cache",
    "boot": "boot a kernel to a shell, or run a command in it",
    "oops": "find oopses in console logs",
    "ktap": "the tests in logs of KTAP or TAP, and how each ended",
    "report": "render the reports of a run directory again",
    "history": "outcomes of cells over all recorded runs",
    "compare": "what changed between two runs",
    "bisect": "find the commit that brought a crash, even one that comes only sometimes",
    "issues": "one issue on GitHub for each new finding of a run",
    "watch": "run what is new on a branch; bisect and report new findings",
    "try": "a patch series before and after, with a stated chance of being fooled",
    "repro": "run one cell of a run directory again",
    "drgn": "open the memory of a guest that crashed",
    "mechanism": "the facts about the overrun in a kernel's source, and what to expect",
    "worker": "boot cells for runs on other machines",
    "doctor": "check what this host has and what is missing",
    "cache": "list or clean the build cache",
}
MODULES = {"try": "trial"}  # a module cannot have the name of a keyword
NEW_OBJECTS = 100_000  # until garbage is looked for; Python's own number, 700, is for programs without many imports
BROKEN_PIPE = 141  # as a shell says it of a program that died of SIGPIPE
EPILOG = """\
exit codes of run: 0 all ok · 1 findings · 2 usage or plan · 3 inconclusive · 4 a kernel did not patch,
configure or build · 69 infrastructure · 130 interrupted (results so far are complete on disk)

example: kzram-ci run testplans/overrun.yaml
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; `trailing` holds the words after `--` for a command that takes such words."""
    wanted = next((word for word in argv if word in COMMANDS), None)
    module = None if wanted is None else _module(wanted)
    words, trailing = tuple(argv), tuple[str, ...]()
    if wanted is not None:
        at = words.index(wanted) + 1
        if getattr(module, "TRAILING", False) and "--" in words:
            end = words.index("--")
            words, trailing = words[:end], words[end + 1 :]
        if normal_form := getattr(module, "normal_form", None):
            words = (*words[:at], *normal_form(words[at:]))
    parser = parser_of(*(() if wanted is None else (wanted,)), alone=wanted is not None and words[0] == wanted)
    args = parser.parse_args(words)
    if trailing and not getattr(args, "takes_trailing", False):
        parser.error(f"unrecognized arguments: -- {' '.join(trailing)}")
    args.trailing = trailing
    return args


def _module(command: str) -> ModuleType:
    return import_module(f"kzram_ci.cli.{MODULES.get(command, command)}")


class _Parser(argparse.ArgumentParser):
    """Takes `-2h` for a value, as it takes -2, so that what is wrong with it is said by who reads it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._negative_number_matcher = re.compile(r"-\.?\d")


def parser_of(*loaded: str, alone: bool = False) -> argparse.ArgumentParser:
    """The parser with all options of these commands; the others have a name for --help and for errors.

    `alone`: the command comes first, so neither can be about the others.
    """
    parser = _Parser(
        prog="kzram-ci",
        description="Build patched kernels, boot them in QEMU with zram swap, race swap-out, judge by evidence.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kzram-ci {kzram_ci.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, help_text in COMMANDS.items():
        if name in loaded:
            _module(name).add_parser(commands)
        elif not alone:  # its module stays unloaded
            commands.add_parser(name, help=help_text)
    return parser


def _on_signal(number: int, frame: object) -> None:
    """The first signal ends the run in good order; the second kills at once (the guardian cleans up)."""
    if proc.cancelled():
        print("kzram-ci: killed", file=sys.stderr)
        sys.stderr.flush()
        os._exit(130)
    proc.cancel_all()
    print("kzram-ci: interrupted; stopping guests, keeping results (again to kill)", file=sys.stderr)


def _on_signal_while_looking(number: int, frame: object) -> None:
    """A command that only looks has nothing to bring to an end, so it need not ask whether it shall go on."""
    if proc.cancelled():
        _on_signal(number, frame)
    proc.cancel_all()
    raise Interrupted("interrupted")


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    if "--bisect-run" not in argv:
        return _named(argv)
    try:
        code = _named(argv)
    except SystemExit as stop:  # argparse: help, or words that fit nothing
        code = 128 if stop.code else 0
    # As `git bisect run` needs it: 1 to 127 call the commit bad, so whatever else goes wrong must abort with 128.
    return code if code in (0, 1, 125) or code >= 128 else 128


def _named(argv: Sequence[str]) -> int:
    """Run a command line; an error is one line on standard error and a code that says who must act."""
    try:
        with output.guarded():
            try:
                return _run(argv)
            except KzramError as error:
                _tell(error)
                return error.exit_code
    except KzramError as error:  # of standard output itself
        _tell(error)
        return error.exit_code
    except BrokenPipeError:  # the reader left
        return BROKEN_PIPE
    except OSError as error:
        _tell(InfraError(str(error)))
        return InfraError.exit_code
    except Exception as error:
        import traceback

        if os.environ.get("KZRAM_TRACEBACK"):
            traceback.print_exc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        _tell(KzramError(f"a defect: {what}", hint="report it, with what KZRAM_TRACEBACK=1 shows"))
        return KzramError.exit_code


def _run(argv: Sequence[str]) -> int:
    _on_stop(_on_signal_while_looking)
    args = parse(argv)
    if not getattr(args, "only_looks", False):
        _on_stop(_on_signal)
    code = _traced(args) if getattr(args, "trace", None) else args.func(args)
    return 130 if proc.cancelled() else code


def _on_stop(handler: Callable[[int, object], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def _traced(args: argparse.Namespace) -> int:
    from kzram_ci.base.spans import recording

    with recording(args.trace):
        return int(args.func(args))


def _tell(error: KzramError) -> None:
    who = "" if error.actor in ("user", "kzram-ci") else f"{error.actor}: "
    for line in str(error).splitlines():
        output.tell(f"kzram-ci: {who}{line}")


def _start_lean() -> None:
    """What a short command should not pay for: imports make hundreds of thousands of objects, none of them garbage,
    and nothing here wants pydantic's plugins, which are looked for in the metadata of every package installed. What
    reads metadata, and imports the parser of mails for it, is loaded when something is asked of it.
    """
    gc.set_threshold(NEW_OBJECTS)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _load_late("importlib.metadata", "entry_points")


class _Late(ModuleType):
    """Stands in for a module until something of it is asked for, or one of these functions is called."""

    def __init__(self, spec: ModuleSpec, *functions: str) -> None:
        super().__init__(spec.name)
        self.__spec__, self.__path__ = spec, spec.submodule_search_locations or []
        vars(self).update({function: partial(self._call, function) for function in functions})

    def __getattr__(self, name: str) -> object:
        return getattr(self._loaded(), name)

    def _call(self, function: str, *args: Any, **kwargs: Any) -> object:
        return getattr(self._loaded(), function)(*args, **kwargs)

    def _loaded(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return import_module(self.__name__)


def _load_late(name: str, *functions: str) -> None:
    if name not in sys.modules and (spec := find_spec(name)) is not None:
        sys.modules[name] = _Late(spec, *functions)


def entry() -> None:
    """The console script."""
    _start_lean()
    code = main(sys.argv[1:])
    gc.freeze()  # the process ends: looking through all objects once more would free nothing that matters
    sys.exit(code)
