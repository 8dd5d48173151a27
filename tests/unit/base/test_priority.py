"""Processes that give way, by the priorities the kernel has of them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from kzram_ci.base import priority, proc
from kzram_ci.base.clock import Deadline

# a shell and its child, each asked for its own priority (field 19 of stat, the name before it has no blank)
SHOW = "cut -d' ' -f19 /proc/$$/stat; cut -d' ' -f19 /proc/self/stat"
OWN = os.getpriority(os.PRIO_PROCESS, 0)
LOW = max(OWN, priority.NICE)


def soon() -> Deadline:
    return Deadline.after(30)


def shown(wait: str) -> list[int]:
    return [int(word) for word in proc.run(("sh", "-c", f"{wait}; {SHOW}"), deadline=soon()).text().split()]


def test_nothing_gives_way_by_itself() -> None:
    assert shown(":") == [OWN, OWN]


def test_what_runs_beside_others_is_lowered_with_its_children() -> None:
    with priority.giving_way(lambda: True):
        assert shown("sleep 0.3") == [LOW, LOW]
    assert shown("sleep 0.3") == [OWN, OWN]


def test_what_runs_alone_is_not() -> None:
    with priority.giving_way(lambda: False):
        assert shown("sleep 0.3") == [OWN, OWN]


def test_what_began_alone_is_lowered_when_others_come(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    script = f"cut -d' ' -f19 /proc/$$/stat; touch {begun}; sleep 1; {SHOW}"
    with priority.giving_way(begun.exists):
        done = proc.run(("sh", "-c", script), deadline=soon())
    assert [int(word) for word in done.text().split()] == [OWN, LOW, LOW]


def test_another_thread_does_not_give_way() -> None:
    found: list[int] = []
    with priority.giving_way(lambda: True):
        thread = threading.Thread(target=lambda: found.extend(shown("sleep 0.3")))
        thread.start()
        thread.join(30)
    assert found == [OWN, OWN]


def test_a_group_that_has_ended_is_no_error() -> None:
    with priority.giving_way(lambda: True):
        child = proc.spawn(("true",))
        child.wait(timeout=10)
        priority.apply(child.pid)
