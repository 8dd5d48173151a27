"""Code of a source tree under bubblewrap: no network, no home, a system to read, and a few directories to write.

A kernel's makefiles are programs of whoever wrote the tree or the patch. In the sandbox they see the system's compilers
and the tree, and write the object directory; all else is not there. What they cannot be kept from is using processors,
memory and disk, and making what they make: the kernel.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from kzram_ci.base import needs, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, CommandFailed, InfraError, UserError
from kzram_ci.base.values import dataclass

PROGRAM = "bwrap"
PROOF_SECONDS = 20.0
# What the rest of a system needs to work; read-only, as far as it is there. Not /etc, /run, /sys or /var: they hold
# secrets, and sockets of services.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store")
_ETC = (
    *("alternatives", "crypto-policies", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime"),
    *("nsswitch.conf", "passwd", "ssl/openssl.cnf"),
)
# Parts of a toolchain that lies elsewhere, beside its bin.
_PARTS = ("bin", "include", "lib", "lib64", "libexec", "share/gcc*", "*-linux-*")

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """How commands are started: `program` is bwrap, `tools` what they need from outside of the system.

    moved: directories that have another name inside; a kernel's object directory remembers where it was made.
    """

    program: str
    tools: tuple[Path, ...] = ()
    moved: tuple[tuple[Path, Path], ...] = ()

    def argv(
        self, command: Sequence[str], *, cwd: Path, readable: Iterable[Path] = (), writable: Iterable[Path] = ()
    ) -> Words:
        """The command line that runs a command in `cwd`; a writable directory may lie in a readable one."""
        return (
            *(self.program, *_PRIVATE, *_system(), *_hidden_home()),
            *(word for path in self.tools for word in self._bound("--ro-bind-try", path)),
            *(word for path in readable for word in self._bound("--ro-bind", path)),
            *(word for path in writable for word in self._bound("--bind", path)),
            *(("--setenv", "RUSTUP_HOME", str(_rustup())) if _rustup() / "toolchains" in self.tools else ()),
            *("--setenv", "HOME", "/tmp", "--setenv", "TMPDIR", "/tmp", "--chdir", str(self.inside(cwd.resolve()))),
            *("--", *command),
        )

    def inside(self, path: Path) -> Path:
        """What a path is called inside."""
        for place, name in self.moved:
            if path.is_relative_to(place):
                return name / path.relative_to(place)
        return path

    def called(self, place: Path, name: Path) -> Sandbox:
        """The same sandbox with a directory under another name."""
        names = ((place.absolute(), name.absolute()), (place.resolve(), name.resolve()))
        return replace(self, moved=(*self.moved, *names))

    def _bound(self, option: str, path: Path) -> list[str]:
        """A place under its own name, and under the one it is called by."""
        names = dict.fromkeys(str(self.inside(name)) for name in (path.resolve(), path.absolute()))
        return [word for name in names for word in (option, str(path.resolve()), name)]


# A session of its own: no terminal to type into. The end of bwrap is the end of all in it.
_PRIVATE = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "kzram-ci")


def _system() -> Words:
    words: list[str] = []
    for name in _SYSTEM:
        if Path(name).is_symlink():  # /bin of a merged /usr
            words += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).is_dir():
            words += ["--ro-bind", name, name]
    for name in _ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    if (current := Path("/run/current-system")).exists():  # NixOS: its PATH goes by it
        words += ["--symlink", str(current.resolve()), str(current)]
    return (*words, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")


def _hidden_home() -> Words:
    """An empty place where the home is, if it lies in what is bound (a service's, in /opt or /usr)."""
    home = Path(os.environ.get("HOME") or "/nonexistent")
    return ("--tmpfs", str(home)) if any(home.is_relative_to(name) for name in _SYSTEM) and home.is_dir() else ()


def tools_of(words: Iterable[str]) -> tuple[Path, ...]:
    """Where programs and what belongs to them lie, if not in the system: their toolchain, never a whole home."""
    found: dict[Path, None] = {}
    for word in words:
        if (there := shutil.which(word)) is None:
            continue
        for path in (Path(there).absolute(), Path(there).resolve()):
            if any(path.is_relative_to(name) for name in _SYSTEM):
                continue
            if path.parent.name == "bin":
                places = (place for part in _PARTS for place in path.parent.parent.glob(part))
                found |= dict.fromkeys(sorted(places))
            else:
                found[path] = None
        if Path(there).resolve().name == "rustup":  # stands for a compiler that lies in a home of its own
            found |= dict.fromkeys((_rustup() / "settings.toml", _rustup() / "toolchains"))
    return tuple(found)


def _rustup() -> Path:
    return Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")


def sandbox_for(words: Iterable[str]) -> Sandbox:
    """The sandbox for a build with these compilers. Raises UserError where this host has none."""
    required(True)
    return Sandbox(program=proc.which(PROGRAM), tools=tools_of(words))


def required(choice: bool) -> bool:
    """The choice, once it is known to be possible. Raises UserError for a sandbox that this host does not have."""
    if choice and (why := unusable()):
        raise UserError(f"--sandbox: {why}", hint=f"{needs.advice(PROGRAM)}; or --no-sandbox, for a tree you trust")
    return choice


def wanted(choice: bool | None, tell: Callable[[str], None], *, theirs: bool = True) -> bool:
    """Whether builds are sandboxed: as chosen, else where the code is `theirs` and this host has a sandbox.

    `theirs`: others decide what is built (`model.source.theirs`); told where there is no sandbox for it. Raises
    UserError for a sandbox that was chosen and is not to be had.
    """
    if choice is not None or not theirs:
        return required(bool(choice))
    if why := unusable():
        tell(f"builds are NOT sandboxed: {why} ({needs.advice(PROGRAM)})")
        return False
    return True


@lru_cache(maxsize=1)
def unusable() -> str:
    """Why there is no sandbox on this host, "" when there is: it is tried."""
    program = shutil.which(PROGRAM)
    if program is None:
        return f"{PROGRAM} not found in PATH"
    true = shutil.which("true") or "/bin/true"
    try:
        proc.run(
            Sandbox(program=program).argv((true,), cwd=Path("/usr")),
            deadline=Deadline.after(PROOF_SECONDS),
            name=PROGRAM,
        )
    except CommandFailed as error:
        return f"bubblewrap does not work here: {error.reason or error.message}"
    except (InfraError, UserError) as error:
        return f"bubblewrap does not work here: {error.message}"
    return ""


def code_of(code: int) -> int:
    """A command's exit code as without bwrap, which tells of a signal as shells do."""
    return 128 - code if code > 128 else code


def cut(root: Path) -> None:
    """Remove from a directory that a sandbox wrote what leads out of it, and what is neither file nor directory."""
    top = root.resolve()
    for where, directories, names in os.walk(root):
        for path in (Path(where, name) for name in (*directories, *names)):
            try:
                kept = path.is_dir() or path.is_file()
                kept = kept and path.resolve().is_relative_to(top)
            except (OSError, RuntimeError):  # a link to itself
                kept = False
            if not kept:
                path.unlink(missing_ok=True)


def fetched(path: Path, root: Path) -> Path:
    """A file that a build made below `root`, to be read outside of its sandbox.

    Raises BuildFailed for a link to elsewhere, whose target make could not read and we can, and for a pipe or device.
    """
    try:
        real = path.resolve()
        inside = real.is_relative_to(root.resolve()) and real.is_file()
    except (OSError, RuntimeError):  # a link to itself
        inside = False
    if not inside:
        raise BuildFailed(f"make left no file {path.name}, but a link to elsewhere, or a device")
    return real
