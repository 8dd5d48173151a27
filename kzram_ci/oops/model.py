"""The values this package gives: one `Oops`, its `Frame`s. Frozen, JSON in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One function of a stack, innermost first. `offset` and `size` are bytes into and of the function."""

    function: str
    offset: int | None = None
    size: int | None = None
    module: str | None = None
    reliable: bool = True
    inline: bool = False
    source: str | None = None  # file:line, when the log was decoded already
    address: int | None = None  # as printed, if it was

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Frame:
        """What `to_json` wrote. Raises TypeError on an unknown key."""
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oops:
    """One report of the kernel about itself.

    `line` and `end_line` are 1-based and inclusive, `start` and `end` are byte offsets, `end` exclusive; all
    count in the raw log. `signature` is the key for "the same crash again": no address, offset, CPU, process
    or compiler suffix is in it.
    """

    title: str
    type: str  # a word of the vocabulary, see catalogue.py
    function: str | None
    signature: str
    corrupted: bool
    line: int
    end_line: int
    start: int
    end: int
    headline: str = ""
    why_corrupted: str | None = None
    frames: tuple[Frame, ...] = ()  # the stack that was judged
    pointer: Frame | None = None  # where the instruction pointer was
    modules: tuple[str, ...] = ()
    taint: str | None = None  # the letters, as printed
    taint_words: tuple[str, ...] = ()
    cpu: int | None = None
    pid: int | None = None
    comm: str | None = None
    kernel: str | None = None
    hardware: str | None = None
    code: str | None = None  # the bytes around the instruction pointer, as printed
    assembly: tuple[str, ...] = ()  # the same, disassembled on request
    registers: Mapping[str, str] | None = None
    panic: str | None = None  # the panic this report led to

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data; tuples become lists."""
        data: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        data["frames"] = [frame.to_json() for frame in self.frames]
        data["pointer"] = self.pointer.to_json() if self.pointer else None
        data["modules"] = list(self.modules)
        data["taint_words"] = list(self.taint_words)
        data["assembly"] = list(self.assembly)
        data["registers"] = dict(self.registers) if self.registers else None
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Oops:
        """What `to_json` wrote. Raises TypeError on an unknown key."""
        values = dict(data)
        values["frames"] = tuple(Frame.from_json(frame) for frame in data.get("frames", ()))
        values["pointer"] = Frame.from_json(data["pointer"]) if data.get("pointer") else None
        values["modules"] = tuple(data.get("modules", ()))
        values["taint_words"] = tuple(data.get("taint_words", ()))
        values["assembly"] = tuple(data.get("assembly", ()))
        return cls(**values)

    def excerpt(self, log: bytes) -> bytes:
        """The raw bytes of this report in the log it came from."""
        return log[self.start : self.end]
