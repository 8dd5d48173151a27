"""Stack frames and instruction pointers as every architecture prints them.

One shape a row: x86, arm64, arm (both unwinders), riscv, ppc64, s390, and traces that were decoded to
file:line before. Symbols may be C++ or Rust mangled, or demangled by scripts/decode_stacktrace.sh.
"""

from __future__ import annotations

from functools import lru_cache

from kzram_ci.base.expressions import later
from kzram_ci.oops.model import Frame

_SYM = r"(?P<fn>[A-Za-z_.$][\w.$]{0,255}|<[^\n+]{1,300}?>[\w:]{0,200})"
_OFF = r"\+(?P<off>0x[0-9a-f]{1,16})(?:/(?P<size>0x[0-9a-f]{1,16}))?"
_MOD = r"(?: \[(?P<mod>[\w-]{1,64})(?: [0-9a-f]{6,40})?\])?(?: \(P?[A-Z]{0,4}\))?"
_SRC = r"(?: (?P<src>[\w./+-]{1,200}:\d{1,7})(?: \(discriminator \d{1,9}\))?)?"
_CTX = r"(?:<(?:IRQ|EOI|EOE|NMI|TASK|SOFTIRQ|#\w{2}|ENTRY_TRAMPOLINE)> {1,2})?"
_ADDR = r"(?:\[<(?P<addr>[0-9a-fx]{4,18}|\(ptrval\)|\s{0,8}\(ptrval\))>\] {0,2})"

_FRAMES = (
    # x86, arm64, riscv, s390: "[<addr>] ? func+0x1/0x2 [mod]"; s390 puts brackets around the first and the last
    later(
        rf"\s*{_CTX}\(?{_ADDR}?(?P<guess>\? )?{_SYM}{_OFF}\)?{_MOD}{_SRC}\s*(?:\(unreliable\))?\s*$",
    ),
    # ppc64: "[stack] [addr] func+0x1/0x2 [mod] (unreliable)"
    later(
        rf"\s*\[[0-9a-f]{{8,16}}\] \[(?P<addr>[0-9a-f]{{8,16}})\] {_SYM}{_OFF}{_MOD}{_SRC}"
        r"(?P<guess> \(unreliable\))?\s*$"
    ),
    # decoded, with inlines: "func file.c:12 [inline]"
    later(
        rf"\s*{_ADDR}?(?P<guess>\? )?{_SYM} (?P<src>[\w./+-]{{1,200}}:\d{{1,7}})(?P<inline> \[inline\])?\s*$",
    ),
    # an address and a bare name are all there is
    later(rf"\s*{_ADDR}(?P<guess>\? )?{_SYM}\s*$"),
)
# what most frames are
_COMMON = later(
    rf" {{0,8}}{_CTX}{_ADDR}?(?P<guess>\? )?(?P<fn>[A-Za-z_.$][\w.$]{{0,255}})"
    r"\+0x(?P<off>[0-9a-f]{1,16})/0x(?P<size>[0-9a-f]{1,16})(?: \[(?P<mod>[\w-]{1,64})\])?$"
)
# arm: "[<pc>] (callee) from [<lr>] (caller+0x1/0x2)", later without addresses, older with the offset on both
_ARM = later(
    r"\s*(?:\[<[0-9a-f]{1,8}>\] )?\(?(?P<callee>[A-Za-z_][\w.$]{0,255})(?:\+0x[0-9a-f/x]{1,20})?\)?"
    r"(?: \[[\w-]{1,64}\])?\)? from (?:\[<(?P<addr>[0-9a-f]{1,8})>\] )?\(?(?P<fn>[A-Za-z_][\w.$]{0,255})"
    r"(?:\+(?P<off>0x[0-9a-f]{1,8})(?:/(?P<size>0x[0-9a-f]{1,8}))?)?"
    r"(?: (?P<src>[\w./+-]{1,200}:\d{1,7})(?P<inline> \[inline\])?)?\)?"
    r"(?: \[(?P<mod>[\w-]{1,64})\])?(?: \[[\w-]{1,64}\])?\)?\s*$"
)

_POINTER = later(
    r"\s*(?:(?P<user>RIP: 00(?:23|33):)|(?:RIP: [0-9a-f]{4}:|RIP  ?|EIP: (?:[0-9a-f]{4}:)?|IP: |[eE]?PC is at |pc : |"
    r"NIP (?=\[)|epc {0,3}: (?:[0-9a-f]{8,16} )?|ERA: [0-9a-f]{16} |TPC: <|Krnl PSW : .{1,60}\())\s{0,2}"
    rf"(?:\[<[0-9a-f]{{8,16}}>\] {{0,2}}|\[[0-9a-f]{{8,16}}\] )*{_SYM}"
    rf"(?:{_OFF}[)>]?{_MOD}{_SRC}|(?P<where> [\w./+-]{{1,200}}:\d{{1,7}} \[inline\]))"
)
KNOWN_LENGTH = 160
_USER_POINTER = later(r"\s*RIP: 00(?:23|33):")
_SUFFIX = later(r"\.(?:isra|constprop|part|cold|llvm|lto_priv|clone)\b.*$|\.\d+$")


def bare(symbol: str) -> str:
    """The function as its author named it: without what the compiler appended."""
    return _SUFFIX.sub("", symbol)


def _number(text: str | None) -> int | None:
    try:
        return int(text, 16) if text else None
    except ValueError:
        return None


def parse_frame(text: str) -> tuple[Frame, ...]:
    """The frames of one line: mostly one, callee and caller on arm, none if the line is not a frame."""
    if "+0x" not in text and ":" not in text and ">]" not in text and " from " not in text:
        return ()
    return _known(text) if len(text) <= KNOWN_LENGTH else _parse(text)


def _parse(text: str) -> tuple[Frame, ...]:
    if match := _COMMON.match(text):
        guess, address = match["guess"], match["addr"]
        return (
            Frame(
                function=match["fn"],
                offset=int(match["off"], 16),
                size=int(match["size"], 16),
                module=match["mod"],
                reliable=guess is None,
                address=_number(address) if address else None,
            ),
        )
    if " from " in text and (match := _ARM.match(text)):
        callee = Frame(function=match["callee"])
        caller = Frame(
            function=match["fn"],
            offset=_number(match["off"]),
            size=_number(match["size"]),
            module=match["mod"],
            source=match["src"],
            inline=bool(match["inline"]),
            address=_number(match["addr"]),
        )
        return (callee, caller)
    for pattern in _FRAMES:
        if match := pattern.match(text):
            groups = match.groupdict()
            return (
                Frame(
                    function=match["fn"],
                    offset=_number(groups.get("off")),
                    size=_number(groups.get("size")),
                    module=groups.get("mod"),
                    reliable=not groups.get("guess") and "(unreliable)" not in text,
                    inline=bool(groups.get("inline")),
                    source=groups.get("src"),
                    address=_number(groups.get("addr")),
                ),
            )
    return ()


_known = lru_cache(maxsize=4096)(_parse)  # the same frames come again and again


def parse_pointer(text: str) -> Frame | None:
    """The symbol of an instruction pointer line in kernel mode, if this is one."""
    match = _POINTER.match(text)
    if match is None or match["user"]:
        return None
    return Frame(
        function=match["fn"],
        offset=_number(match["off"]),
        size=_number(match["size"]),
        module=match["mod"],
        source=match["src"] or (match["where"] or "").removesuffix(" [inline]").strip() or None,
        inline=bool(match["where"]),
    )


def is_user_pointer(text: str) -> bool:
    """Whether a register dump of user mode starts here (x86): the kernel's part of the stack is over."""
    return _USER_POINTER.match(text) is not None
