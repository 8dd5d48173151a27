"""Addresses to file:line with inlines, for all frames of all oopses in one batch; pure: who runs tools is the caller.

The order of a caller: `nm_argv` for every object that `objects` names, `SymbolTable.from_nm`, `batch`, one run of
`symbolizer_argv` with the batch as input, `apply`. Where llvm-symbolizer is missing, `addr2line_argv` takes the same
addresses, one run an object.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass
from kzram_ci.oops.frames import bare
from kzram_ci.oops.model import Frame, Oops

KERNEL = ""  # the object of frames without a module
# A function of every kernel, with a known file: its path shows where the build tree was, as in
# scripts/decode_stacktrace.sh.
LANDMARK = Frame(function="kernel_init", offset=0)
_LANDMARK_FILE = "/init/main.c"
_COLUMN = later(r"(:\d+):\d+$")
_NM = later(r"([0-9a-f]{8,16}) ([tTwWvVuiI]) (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLocation:
    """Where an address is: function and file:line; the last of a list is the function that was really called."""

    function: str
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One address of one object."""

    object: str
    address: int


class SymbolTable:
    """The functions of one object, by name; sizes as kallsyms counts them (to the next symbol)."""

    def __init__(self, symbols: Sequence[tuple[int, str]]) -> None:
        """`symbols` are (address, name) pairs in any order."""
        self._starts = sorted({address for address, _ in symbols})
        self._by_name: dict[str, list[int]] = {}
        for address, name in symbols:
            self._by_name.setdefault(name, []).append(address)

    @classmethod
    def from_nm(cls, text: str) -> SymbolTable:
        """From what `nm` printed; lines of other shapes are ignored."""
        return cls([(int(match[1], 16), match[3]) for match in _NM.finditer(text)])

    def _size(self, start: int) -> int:
        index = bisect_right(self._starts, start)
        return self._starts[index] - start if index < len(self._starts) else 0

    def address(self, frame: Frame) -> int | None:
        """The address of a frame: KASLR does not matter, since name, offset and size determine where it is."""
        if frame.offset is None:
            return None
        starts = self._by_name.get(frame.function, [])
        if len(starts) > 1 and frame.size is not None:  # static functions of one name: the size separates them
            starts = [start for start in starts if self._size(start) == frame.size] or starts
        return starts[0] + frame.offset if starts else None


def objects(oopses: Sequence[Oops]) -> tuple[str, ...]:
    """The objects that frames of these oopses are in: KERNEL and names of modules, each once."""
    frames = [
        frame for oops in oopses for frame in (*oops.frames, oops.pointer) if frame is not None and not frame.inline
    ]
    return tuple(dict.fromkeys(frame.module or KERNEL for frame in frames))


def query(frame: Frame, tables: Mapping[str, SymbolTable], *, called: bool) -> Query | None:
    """What to ask for a frame. `called`: the address is a return address, so the call is one byte before it."""
    table = tables.get(frame.module or KERNEL)
    if table is None or frame.inline or (address := table.address(frame)) is None:
        return None
    return Query(object=frame.module or KERNEL, address=address - 1 if called else address)


def batch(oopses: Sequence[Oops], tables: Mapping[str, SymbolTable]) -> tuple[Query, ...]:
    """All questions of all oopses, each once."""
    wanted: dict[Query, None] = {}
    for oops in oopses:
        for index, frame in enumerate(oops.frames):
            if found := query(frame, tables, called=_is_call(oops, index)):
                wanted[found] = None
        if oops.pointer and (found := query(oops.pointer, tables, called=False)):
            wanted[found] = None
    return tuple(wanted)


def _is_call(oops: Oops, index: int) -> bool:
    """Frames hold return addresses, but the one where the instruction pointer was."""
    frame = oops.frames[index]
    return oops.pointer is None or (frame.function, frame.offset) != (oops.pointer.function, oops.pointer.offset)


def nm_argv(path: str) -> tuple[str, ...]:
    """The tool that lists the symbols of an object."""
    return ("nm", path)


def symbolizer_argv() -> tuple[str, ...]:
    """llvm-symbolizer, reading `symbolizer_input`."""
    return ("llvm-symbolizer", "--inlines", "--demangle")  # its GNU style puts nothing between two answers


def symbolizer_input(queries: Sequence[Query], paths: Mapping[str, str]) -> bytes:
    """One line a question, all objects together."""
    return "".join(f'CODE "{paths[item.object]}" {item.address:#x}\n' for item in queries).encode()


def addr2line_argv(path: str) -> tuple[str, ...]:
    """addr2line for one object, reading addresses from standard input; prints each address before its answer."""
    return ("addr2line", "--exe", path, "--functions", "--inlines", "--addresses", "--demangle")


def addr2line_input(queries: Sequence[Query]) -> bytes:
    """One address a line."""
    return "".join(f"{item.address:#x}\n" for item in queries).encode()


def parse_answers(text: str) -> list[tuple[CodeLocation, ...]]:
    """Answers in the order asked: blocks begin with an address (addr2line) or end with a blank line (llvm)."""
    answers: list[list[CodeLocation]] = []
    block: list[str] = []

    def close() -> None:
        places = []
        for function, printed in zip(block[::2], block[1::2], strict=False):
            known = not printed.startswith(("??:", ":"))
            where = _COLUMN.sub(r"\1", printed.split(" (discriminator")[0])
            where = posixpath.normpath(where)  # "/objects/../mm/x.c": kbuild calls the source tree ".."
            places.append(
                CodeLocation(
                    function=bare(function), source=where if known and not where.endswith((":?", ":0")) else None
                )
            )
        answers.append(places)
        block.clear()

    marked = text.startswith("0x")
    for line in text.splitlines():
        if marked and line.startswith("0x"):
            if block:
                close()
        elif line.strip():
            block.append(line)
        elif block:
            close()
    if block:
        close()
    return [tuple(places) for places in answers]


def tree_of(places: Sequence[CodeLocation]) -> str:
    """The prefix of the build tree in paths, from the answer about `LANDMARK`; empty if it does not show one."""
    path = (places[-1].source or "").rsplit(":", 1)[0] if places else ""
    return (path.removesuffix(_LANDMARK_FILE) or "/") if path.endswith(_LANDMARK_FILE) else ""


def apply(
    oops: Oops, tables: Mapping[str, SymbolTable], answers: Mapping[Query, tuple[CodeLocation, ...]], strip: str = ""
) -> Oops:
    """The oops with file:line on its frames and the inlined ones put in; `strip` is a prefix to take off of paths."""
    frames: list[Frame] = []
    for index, frame in enumerate(oops.frames):
        asked = query(frame, tables, called=_is_call(oops, index))
        frames += _placed(frame, answers.get(asked, ()) if asked else (), strip)
    pointer = oops.pointer
    if pointer is not None and (asked := query(pointer, tables, called=False)):
        *inlined, pointer = _placed(pointer, answers.get(asked, ()), strip)
        place = (pointer.function, pointer.offset)
        if all((frame.function, frame.offset) != place for frame in oops.frames):  # else they have them already
            frames = [*inlined, *frames]
    return replace(oops, frames=tuple(frames), pointer=pointer)


def _placed(frame: Frame, places: Sequence[CodeLocation], strip: str) -> list[Frame]:
    if not places or places[-1].source is None:
        return [frame]
    found = [
        Frame(
            function=place.function,
            source=_short(place.source, strip),
            module=frame.module,
            reliable=frame.reliable,
            inline=True,
        )
        for place in places[:-1]
    ]
    return [*found, replace(frame, source=_short(places[-1].source, strip))]


def _short(source: str | None, strip: str) -> str | None:
    if source is None or not strip:
        return source
    return source.removeprefix(strip.rstrip("/") + "/")
