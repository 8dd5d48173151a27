"""Errors say who must act; each root has one exit code.

KzramError                  70   a defect of kzram-ci itself
├── UserError                2   plan, flags, missing tool: the operator fixes it
│   └── PlanError            2   `file:line:column: path: what`
├── KernelError              4   the kernel did not patch, configure or build: its author fixes it
│   ├── PatchFailed          4
│   ├── ConfigUnmet          4
│   ├── BuildFailed          4
│   └── NotApplicable        4   nothing is wrong: the test has no meaning on this kernel; its cell is skipped
├── InfraError              69   QEMU, disk, network, OOM-killed make: the administrator of the host fixes it
│   ├── CommandTimeout      69
│   └── CommandFailed       69   (stages translate it when the kernel or the user is to blame)
├── OutOfTime                3   the budget of a run was spent before this cell's turn: nothing is known of it
└── Interrupted            130   Ctrl-C or SIGTERM; what was produced so far is on disk

A kernel crash is not among them: it is evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from shlex import join as shell_join
from typing import Any

from kzram_ci.base.expressions import later

# A line by which a program names what went wrong: `fatal: …`, `E: …`, `a.c:1:2: error: …`.
_CAUSE = later(r"(?i:(?:\S+: )*(?:fatal(?: error)?|error|E|ERROR): )")
# What programs add when another line has named it already.
_CONSEQUENCE = later(r"tar: (?:Child returned|Error is not|Exiting with)|make(?:\[\d+\])?: ")


class KzramError(Exception):
    """Root of all errors of kzram-ci; `str()` is one line for the person who must act."""

    exit_code = 70
    actor = "kzram-ci"

    def __init__(self, message: str, *, hint: str = "", log: str = "", cause: str = "") -> None:
        """`hint` is the command or change that fixes it; `log` a path that holds the details.

        `cause` is the message without the name of what it happened to: errors with one cause are reported once.
        """
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.log = log
        self.cause = cause or message

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors come back whole from another process, whatever their constructors take."""
        return _revived, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        parts = [self.message]
        if self.hint:
            parts.append(f"fix: {self.hint}")
        if self.log:
            parts.append(f"log: {self.log}")
        return "; ".join(parts)


def _revived(kind: type[KzramError], args: tuple[Any, ...], state: dict[str, Any]) -> KzramError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UserError(KzramError):
    """The operator must change a plan, a flag or the machine's set-up."""

    exit_code = 2
    actor = "user"


class PlanError(UserError):
    """A plan that cannot be used; the message already carries file:line:column."""


class OutOfTime(KzramError):
    """The budget of the run was spent before this could begin."""

    exit_code = 3
    actor = "user"


class KernelError(KzramError):
    """The kernel's author must act: it did not patch, configure or build."""

    exit_code = 4
    actor = "kernel"


class PatchFailed(KernelError):
    """A patch did not apply; the message names patch, file and hunk. `excerpt`: what the file looks like there."""

    excerpt = ""


class ConfigUnmet(KernelError):
    """A wanted config symbol did not survive; the message names symbol, wanted, got, fragment."""


class BuildFailed(KernelError):
    """The compiler failed; the message is the compiler's own line."""


class NotApplicable(KernelError):
    """The test has no meaning on this kernel, for the reason in the message."""


class InfraError(KzramError):
    """The host failed: QEMU, disk, network, a killed compiler."""

    exit_code = 69
    actor = "infrastructure"


class CommandTimeout(InfraError):
    """A command outlived its deadline and was killed with its whole group."""


class CommandFailed(InfraError):
    """A command ended with a status other than zero. The message begins with its own words; `transcript` has all."""

    def __init__(self, argv: Sequence[str], code: int, tail: str, *, name: str = "", log: str = "") -> None:
        """`code` is negative for a signal; `tail` what it printed; `name` what people call it (`git fetch`)."""
        self.argv = tuple(argv)
        self.code = code
        self.tail = tail
        self.reason = _reason(tail)
        what = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
        ended = f"{name or PurePath(argv[0]).name} {what}"
        super().__init__(f"{self.reason} ({ended})" if self.reason else f"{ended} and printed nothing", log=log)

    def transcript(self) -> str:
        """The command as it can be typed, and what came of it."""
        return f"$ {shell_join(self.argv)}\n{self.tail.rstrip()}\n[exit status {self.code}]\n"


def _reason(tail: str) -> str:
    """The line that names the cause: the first that is known to, else the last that is more than its consequence."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    causes = [line for line in lines if _CAUSE.match(line)]
    others = [line for line in lines if not _CONSEQUENCE.match(line)]
    return next(iter((*causes[:1], *others[-1:], *lines[-1:])), "")


def command_behind(error: BaseException | None) -> CommandFailed | None:
    """The failed command that an error was raised for."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, CommandFailed):
            return error
        seen.append(error)
        error = error.__cause__
    return None


class Interrupted(KzramError):
    """The operator asked to stop."""

    exit_code = 130
    actor = "user"
