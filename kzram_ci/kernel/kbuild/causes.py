"""What a line of a make log means when a build failed: tables of patterns, in the order they are asked. Pure.

The order is by how directly a line names the cause. A host in trouble (disk, memory) makes every program say strange
things. A compiler's error is exact. A program that cannot be started is the cause of what follows it, such as Kconfig's
"this C compiler is not supported". A line of make tells only where it all ended.
"""

from __future__ import annotations

import re
from enum import StrEnum

from kzram_ci.base import host_trouble
from kzram_ci.base.values import dataclass


class Blame(StrEnum):
    """Who must act."""

    KERNEL = "kernel"
    USER = "user"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One row. `told`: the message, "" for the line itself; `hint`: what helps; `missing`: what the host lacks.

    The three may hold groups of the pattern, as {name}. `crash`: of the compiler, which may not come again.
    """

    pattern: re.Pattern[str]
    blame: Blame = Blame.KERNEL
    told: str = ""
    hint: str = ""
    missing: str = ""
    crash: bool = False


# a program of the source, not of the host
_TREE = r"(?P<path>(?:\.\./|\./|(?:scripts|tools|arch|usr|kernel|certs|security)/)[^\s:]*)"
# sh: 1: · /bin/sh: line 1: · ../scripts/cc-version.sh: 42: · make[2]: execvp:
_CALLER = r"(?:\S*sh: |make(?:\[\d+\])?: |\S+: (?=line |\d))(?:line )?(?:\d+: )?(?:execvp: )?"


def _source(pattern: str, hint: str = "", told: str = "") -> Cause:
    return Cause(pattern=re.compile(pattern), hint=hint, told=told)


def _lacking(pattern: str, missing: str, told: str = "") -> Cause:
    return Cause(pattern=re.compile(pattern), blame=Blame.USER, missing=missing, told=told)


HOST = tuple(Cause(pattern=pattern, blame=Blame.HOST, hint=hint) for pattern, hint in host_trouble.SIGNS)

# Headers of the host, not of the kernel.
HEADERS = (
    _lacking(r".*fatal error: (?:gelf|libelf|elf)\.h: No such file.*", "gelf.h"),
    _lacking(r".*fatal error: openssl/\S+: No such file.*", "openssl/opensslv.h"),
    _lacking(r".*fatal error: (?:stdio|stdlib|string|sys/types)\.h: No such file.*", "libc.a"),
)

_CRASHED = "another compiler may not crash here (make: {{CC: …}} in the plan); its makers want to know"


def _crash(pattern: str) -> Cause:
    return Cause(pattern=re.compile(pattern), hint=_CRASHED, crash=True)


# A compiler, assembler or linker says no, or dies.
COMPILERS = (
    _crash(r"(?:\S+: )*internal compiler error: .*"),
    _crash(r"clang\S*: error: (?:clang frontend command failed|unable to execute command).*"),
    _crash(r"error: the compiler unexpectedly panicked\. .*"),  # rustc
    _source(
        r"\S+?:\d+(?::\d+)?: fatal error: (?P<file>\S+): No such file or directory.*",
        "the source has no {file}: is it complete?",
    ),
    _source(r"\S+?:\d+(?::\d+)?: (?:fatal )?error: .*"),
    _source(r"(?:\{standard input\}|\S+?):\d+: (?:Error|Fatal error): .*"),  # the assembler
    _source(r"(?:\S+: )*undefined reference to .*"),
    _source(r"\S*ld(?:\.\w+)?: (?!warning).*(?:undefined|multiple definition|error|cannot find).*"),
    _source(r"(?:ERROR: )?modpost: .*undefined!|ERROR: \"\S+\" \[\S+\] undefined!"),
    _source(r"error(?:\[E\d+\])?: .*"),  # rustc
    _source(r"(?:cc1|gcc|clang|as|objtool|\S+-gcc): (?:fatal )?error: .*|\S+: error: objtool: .*"),
)

# A program could not be started. The last one before make gave up counts: earlier ones may have been asked in vain.
PROGRAMS = (
    _source(
        _CALLER + _TREE + r": Permission denied",
        "chmod +x {path} in the source (in git: git update-index --chmod=+x {path})",
        "{path}: Permission denied",
    ),
    Cause(
        pattern=re.compile(_CALLER + r"(?P<path>/[^\s:]+): Permission denied"),
        blame=Blame.USER,
        hint="chmod +x {path}",
        told="{path}: Permission denied",
    ),
    _source(
        _CALLER + _TREE + r": (?:not found|No such file or directory)",
        "the source has no {path}, or the interpreter that its first line names is not installed",
        "{path}: not found",
    ),
    _lacking(r".*: (?:\S*/)?(?P<tool>[\w.+-]+): bad interpreter: No such file.*", "{tool}", "{tool}: not found"),
    _lacking(r"\S*env: \W?(?P<tool>[\w.+-]+)\W?: No such file or directory", "{tool}", "{tool}: not found"),
    _lacking(r"make(?:\[\d+\])?: (?:execvp: )?(?P<tool>[\w.+-]+): (?:Command not found|No such file.*)", "{tool}"),
    _lacking(r".*\bld\.bfd: (?:command )?not found.*", "ld"),
    _lacking(r"(?:.*[\s:/])?(?P<tool>[\w.+-]+): (?:command )?not found.*", "{tool}"),
    _source(
        r"(?:.*: )?(?P<path>\S+): (?:cannot execute binary file: )?Exec format error",
        "a program that was built for another machine is in the source: make mrproper",
    ),
    _source(
        r".*version `\S+' not found \(required by (?P<path>\S+)\).*",
        "a program that was built on another host is in the source: make mrproper",
    ),
    Cause(
        pattern=re.compile(r"ModuleNotFoundError: No module named '(?P<name>[\w.]+)'"),
        blame=Blame.USER,
        hint="install the Python module {name}",
    ),
    Cause(
        pattern=re.compile(r"Can't locate (?P<name>\S+) in @INC.*"),
        blame=Blame.USER,
        hint="install the Perl module {name}",
    ),
)

# Kconfig, Makefiles, scripts; at last make itself.
OTHERS = (
    _source(r"\S+:\d+: can't open file \"(?P<file>[^\"]+)\"", "the source has no {file}: is it complete?"),
    _source(r"\S+:\d+: (?:syntax error|.*recursive dependency).*"),
    _source(r"\S*Kconfig\S*:\d+: ?(?!\s*warning).*"),
    _source(r"\S+:\d+: \*\*\* .*Stop\."),
    _source(r"\*\*\* (?!Default configuration|End of|Execute|Configuration).*"),
    _source(r"(?:ERROR|FAILED)[:,]? .*|error, .*"),
    _source(r"Can't \S+ .* at \S+ line \d+\.?|(?:\w+\.)*\w+Error: .*"),  # Perl, Python
    _source(r"BTF: .*|Failed to generate BTF.*"),
    _source(
        r"make(?:\[\d+\])?: \*\*\* No rule to make target '(?P<file>[^']+)'.*",
        "the source has no {file}: is it complete?",
    ),
    _source(r"make(?:\[\d+\])?: \*\*\* .*(?:Error \d+|Stop).*"),
)
