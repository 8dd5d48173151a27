"""Which function a report is about: one strategy a kind of report, over the same stacks and the same helpers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kzram_ci.base.expressions import later
from kzram_ci.oops import helpers
from kzram_ci.oops.frames import bare
from kzram_ci.oops.mangled import demangled
from kzram_ci.oops.model import Frame
from kzram_ci.oops.report import MAIN, Report, Stack

_ADDRESS = later(r"[0-9a-f]{8,16}$")  # a kernel without symbols
_UNKNOWN = later(r"0x|[0-9a-f]{8,16}\Z|entry_|ret_from_fork|secondary_startup")

Answer = tuple[str | None, Sequence[Frame]]  # the function, and the stack it was found on


def is_syscall(name: str) -> bool:
    """Whether this is an entry of a system call, by any of the linkage names."""
    return name.startswith(
        (
            "sys_",
            "SyS_",
            "compat_SyS_",
            "compat_sys_",
            "__x64_sys_",
            "__ia32_",
            "__arm64_",
            "__se_",
            "__do_sys_",
            "__riscv_sys_",
            "__s390",
        )
    )


def name_of(frame: Frame) -> str:
    """The function as the strategies see it: demangled, without a compiler suffix."""
    return demangled(bare(frame.function))


def _first(report: Report, names: Sequence[str | None], caller: str | None = None) -> str | None:
    """The first that is not a helper; `caller` called the last one."""
    helper = helpers.helpers(report.kind, report.title)
    for name, outer in zip(names, (*names[1:], caller), strict=False):
        if not name or _UNKNOWN.match(name) or name.endswith("_noprof"):
            continue
        if not helper.match(name) or (outer and helpers.walk("runners").match(outer) and helper.places(name)):
            return name
    return None


def _names(frames: Iterable[Frame]) -> list[str]:
    return [name_of(frame) for frame in frames if frame.reliable and not frame.inline]


def _main(report: Report, *roles: str) -> Stack | None:
    stacks = report.roles(*(roles or MAIN))
    return stacks[0] if stacks else None


def _frames(stack: Stack | None) -> Sequence[Frame]:
    return stack.frames if stack else ()


def as_is(report: Report) -> Answer:
    """The names of the headline, whatever they are."""
    return bare(report.function) if report.function else None, _frames(_main(report))


def trace(report: Report) -> Answer:
    """The first function on the first call trace that is not a helper."""
    for stack in report.roles(*MAIN):
        if found := _first(report, _names(stack.frames)):
            return found, stack.frames
    return None, _frames(_main(report))


def pointer_trace(report: Report) -> Answer:
    """The instruction pointer, then the call trace."""
    frames = _frames(_main(report))
    if found := _first(report, _names(report.pointers), next(iter(_names(frames)), None)):
        return found, frames
    return trace(report)


def access(report: Report) -> Answer:
    """KASAN, KFENCE: the headline, then the stack of the access, never those of allocation and free."""
    frames = _frames(_main(report))
    named = report.function and not report.line.text.rstrip().endswith("[inline]")  # a decoder's word, not the kernel's
    if found := _first(report, [bare(report.function)] if named and report.function else []):
        return found, frames
    return trace(report)


def lock_acquire(report: Report) -> Answer:
    """The function that tries to take the lock; if it is a helper the holder's, then the newest link of the chain."""
    frames = _frames(_main(report))
    names = [bare(name) for want, name in report.ats if want == "acquire"]
    names += [bare(name) for want, name in report.ats if want == "hold"]
    for stack in report.roles("chain"):
        names += _names(stack.frames)
    return _first(report, names) or _first(report, _names(frames)), frames


def lock_changed(report: Report) -> Answer:
    """Where the state of the lock changed."""
    found = _first(report, [bare(name) for want, name in report.ats if want == "change"])
    return (found, _frames(_main(report))) if found else trace(report)


def lock_unsafe(report: Report) -> Answer:
    """The stacks on which the one lock was taken in interrupt, and the other with interrupts enabled."""
    for stack in (*report.roles("safe"), *report.roles("unsafe")):
        if found := _first(report, _names(stack.frames)):
            return found, _frames(_main(report)) or stack.frames
    return lock_acquire(report)


def lock_printed(report: Report) -> Answer:
    """The place printed with the lock that was left, freed or not held."""
    found = _first(report, [bare(name) for _, name in report.ats])
    if report.title.endswith(("bad unlock balance", "bad contention")):
        found = _first(report, [name for stack in report.stacks[:1] for name in _names(stack.frames)[:1]]) or found
    return (found, _frames(_main(report))) if found else trace(report)


def bad_page(report: Report) -> Answer:
    """The stack that allocated the page: the one that found it is a victim."""
    for stack in report.roles("alloc"):
        if found := _first(report, _names(stack.frames)):
            return found, _frames(_main(report)) or stack.frames
    return None, _frames(_main(report))


def message(report: Report) -> Answer:
    """The function that the message names; without one the trace."""
    if report.function and not _ADDRESS.match(report.function):
        return bare(report.function), _frames(_main(report))
    return trace(report)


def nothing(report: Report) -> Answer:
    """Reports that do not name a culprit."""
    return None, _frames(_main(report))


def hung(report: Report) -> Answer:
    """What the task waits for on behalf of whom; waits with many variants have one name."""
    frames = _frames(_main(report))
    names = _names(frames)
    for name in names:
        if helpers.walk("rcu_waits").match(name):
            return "synchronize_rcu", frames
        if helpers.walk("net_waits").match(name):
            return "rtnl_lock", frames
        if _first(report, [name]):
            return name, frames
    return None, frames


def _interrupted(names: list[str]) -> list[str]:
    """What ran when the interrupt came that printed the report."""
    printed = False
    for index, name in enumerate(names[:60]):
        printed = printed or bool(helpers.walk("printers").match(name))
        if helpers.walk("interrupts").match(name):
            return names[index + 1 :] if printed else names
    return names


def _inside_dispatcher(report: Report, names: list[str]) -> str | None:
    """Walk outwards; the function just inside of the first dispatcher."""
    previous: str | None = None
    for name in names:
        if helpers.walk("cross_calls").match(name):
            return "smp_call_function"
        gate = helpers.walk("gates").match(name)
        if previous and (gate or helpers.walk("dispatchers").match(name)):
            return previous
        inner = not helpers.walk("dispatchers").match(name) and (is_syscall(name) or _first(report, [name]))
        if gate or inner:
            previous = name
    return previous


def stall(report: Report) -> Answer:
    """Stalls and lockups: the top is where the timer happened to hit, so look for what does not return."""
    stacks = report.roles(*MAIN)
    for stack in stacks:
        names = _interrupted(_names(stack.frames))
        if stack is stacks[0] and len(names) == len(_names(stack.frames)):
            names = _names(report.pointers[:1]) + names  # registers show where it was, not the trace
        if found := _inside_dispatcher(report, names):
            return found, stack.frames
    return None, _frames(_main(report))


def overflow(report: Report) -> Answer:
    """Stack overflows: the recursion is named by where it was entered."""
    names = _names(report.pointers[:1])
    for stack in report.roles(*MAIN):
        if found := _inside_dispatcher(report, names + _names(stack.frames)):
            return found, stack.frames
    return _inside_dispatcher(report, names), ()


def rust(report: Report) -> Answer:
    """The first Rust frame outside of the core library's panic machinery."""
    return trace(report)


STRATEGIES: dict[str, Callable[[Report], Answer]] = {
    "as_is": as_is,
    "trace": trace,
    "first_stack": trace,
    "leak": trace,
    "pointer_trace": pointer_trace,
    "access": access,
    "lock_acquire": lock_acquire,
    "lock_changed": lock_changed,
    "lock_unsafe": lock_unsafe,
    "lock_printed": lock_printed,
    "bad_page": bad_page,
    "message": message,
    "panic": trace,
    "none": nothing,
    "hung": hung,
    "stall": stall,
    "overflow": overflow,
    "rust": rust,
}


def culprit_of(report: Report) -> Answer:
    """The function a report is about (None if it has none), and the frames it was found on."""
    return STRATEGIES[report.row.blame](report)
