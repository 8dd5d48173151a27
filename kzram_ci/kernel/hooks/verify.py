"""What was put into a file, checked from outside: by counting, by comparing, by order. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from kzram_ci.kernel.hooks import ctext
from kzram_ci.kernel.hooks.hook import Hook, Order, compiled
from kzram_ci.kernel.hooks.place import Misplaced, wanted


def check(before: str, after: str, hooks: Sequence[Hook], orders: Sequence[Order]) -> None:
    """Raise Misplaced unless the file is as it was, plus each hook as often as wanted, each in its order."""
    for hook in hooks:
        want, have = wanted(hook, before), after.count(hook.mark)
        if have != want:
            raise Misplaced(f"{hook.name}: {hook.mark!r} is there {have} times, not {want}")
    lines = iter(after.split("\n"))
    if not all(line in lines for line in before.split("\n")):  # each found behind the one before
        raise Misplaced("lines of the source were lost")
    marks = {hook.mark for hook in hooks}
    for order in orders:
        if order.mark not in marks:
            raise Misplaced(f"an order is about {order.mark!r}, which no hook brings")
        if order.mark in after:
            _check_order(ctext.blank(after), order)


def _check_order(code: str, order: Order) -> None:
    holders = [item for item in ctext.functions(code) if order.mark in code[item.brace : item.end]]
    if not holders:
        raise Misplaced(f"no function holds {order.mark!r}")
    for function in holders:
        last, behind = "", -1
        for step in order.steps:
            places = [match.start() for match in compiled(step).finditer(code, function.brace, function.end)]
            if not places:
                continue
            if places[0] < behind:
                raise Misplaced(f"{function.name}(): /{step}/ comes before /{last}/")
            last, behind = step, places[-1]


def difference(path: str, before: str, after: str) -> str:
    """What was put into a file, as a diff that `patch -p1` applies."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    body = "".join(difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", n=3))
    return f"diff --git a/{path} b/{path}\n{body}"
