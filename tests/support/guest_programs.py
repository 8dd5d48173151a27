"""The guest's C on the host: the recipe's own sources and flags, with the sanitizers in place of static linking."""

import functools
import subprocess
from pathlib import Path

import requires
import yaml

ROOTFS = Path(__file__).resolve().parents[2] / "rootfs"
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
# Leaks do not matter to programs that hold their memory to the end, and looking for them needs ptrace.
ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


@functools.cache
def recipe() -> dict[str, object]:
    loaded = yaml.load((ROOTFS / "rootfs.yaml").read_text(), Loader=yaml.BaseLoader)
    assert isinstance(loaded, dict)
    return loaded


@functools.cache
def sanitizers() -> tuple[str, ...]:
    """What this compiler has of them; none is a lack, but not the end of a test."""
    gcc = requires.tool("gcc")
    argv = (gcc, *SANITIZE, "-x", "c", "-", "-o", "/dev/null")
    empty = subprocess.run(argv, check=False, input=b"int main(void) { return 0; }", capture_output=True)
    if empty.returncode and "sanitizers" in requires.required():
        requires.lacking("sanitizers", empty.stderr.decode())
    return () if empty.returncode else SANITIZE


def compile_c(out: Path, *sources: Path, flags: tuple[str, ...] = (), clean: bool = True) -> Path:
    """A program of some sources by the recipe's flags; `clean`: with the sanitizers."""
    given = recipe()["cflags"]
    assert isinstance(given, list)
    own = tuple(flag for flag in given if flag != "-static")
    argv = (requires.tool("gcc"), *own, *(sanitizers() if clean else ()), *flags, *map(str, sources), "-o", str(out))
    subprocess.run(argv, check=True, cwd=ROOTFS)
    return out


def program(name: str, out: Path, *, flags: tuple[str, ...] = ()) -> Path:
    """A program of the recipe."""
    programs = recipe()["programs"]
    assert isinstance(programs, dict)
    return compile_c(out, *(ROOTFS / source for source in programs[name]), flags=flags)
