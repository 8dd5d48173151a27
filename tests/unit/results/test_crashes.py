"""The crashes of the history: by signature, and as one where only the depth of the stack differs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.cli.main import main
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.crashes import crashes, lines
from kzram_ci.results.history import Crashed, History, history_at

WAY = ("zs_free", "zram_free_page", "zram_slot_free_notify", "swap_range_free", "free_swap_slot", "do_swap_page")


def oops(
    *way: str, function: str = "", kind: str = "kasan:slab-use-after-free", corrupted: bool = False
) -> OopsSummary:
    name = function or way[0]
    return OopsSummary(
        title=f"KASAN: use-after-free in {name}",
        type="kasan",
        function=name,
        signature=f"{kind}:{name}",
        frames=("dump_stack_lvl", "print_report", "kasan_report", *way),
        corrupted=corrupted,
    )


def recorded(path: Path, *runs: tuple[tuple[int, OopsSummary | None], ...]) -> History:
    """A history in which the cells of these numbers of the plan crashed so, run by run."""
    history = history_at(path / "history.sqlite")
    for number, cells in enumerate(runs):
        history.add_run(f"run-{number}", samples.PLAN, path)
        for cell, crash in cells:
            found = () if crash is None else (crash,)
            outcome = Outcome.OOPS if crash else Outcome.PASS
            result = samples.result(samples.PLAN.cells[cell], outcome, Verdict.FINDING, oopses=found)
            history.add_result(f"run-{number}", result)
    return history


def test_a_signature_is_one_crash_over_cells_and_runs(tmp_path: Path) -> None:
    other = oops("obj_malloc", *WAY[1:])
    history = recorded(tmp_path, ((0, oops(*WAY)), (1, None), (2, other)), ((0, oops(*WAY)), (3, oops(*WAY))))
    first, second = crashes(history.crashes())
    assert (first.signature, first.count) == ("kasan:slab-use-after-free:zs_free", 3)
    assert first.cells == ("stock/anonmutate", "unstable/directmutate/algorithm=lz4")
    assert [(form.signature, form.differs) for form in first.forms] == [(first.signature, "")]
    assert second.signature == "kasan:slab-use-after-free:obj_malloc"
    assert lines((first, second))[-1] == "4 crashed results, 2 crashes"


def test_builds_that_inline_differently_are_one_crash(tmp_path: Path) -> None:
    history = recorded(tmp_path, ((0, oops(*WAY)),), ((0, oops(*WAY[1:])),), ((0, oops(*WAY[1:])),))
    (crash,) = crashes(history.crashes())
    assert [(form.signature.rpartition(":")[2], form.count, form.differs) for form in crash.forms] == [
        ("zs_free", 1, ""),
        ("zram_free_page", 2, "depth"),
    ]
    told = "\n".join(lines((crash,)))
    assert "signature kasan:slab-use-after-free:zram_free_page (2 x): same but for the depth of the stack" in told


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (WAY[:4], "same but for the depth of the stack"),
        (("zs_free", "kswapd", "kthread", "ret_from_fork"), "another way here"),
    ],
)
def test_stacks_of_one_signature_say_how_they_differ(tmp_path: Path, second: tuple[str, ...], words: str) -> None:
    history = recorded(tmp_path, ((0, oops(*WAY)),), ((0, oops(*second, function="zs_free")),))
    (crash,) = crashes(history.crashes())
    assert lines((crash,))[2] == f"  signature kasan:slab-use-after-free:zs_free: {words}"


def test_half_a_report_joins_no_other_crash(tmp_path: Path) -> None:
    history = recorded(tmp_path, ((0, oops(*WAY)),), ((0, replace(oops(*WAY[1:]), corrupted=True)),))
    assert len(crashes(history.crashes())) == 2


def test_the_plan_and_the_cell_select(tmp_path: Path) -> None:
    history = recorded(tmp_path, ((0, oops(*WAY)), (2, oops(*WAY))))
    assert history.crashes(plan="other") == ()
    assert [one.cells for one in history.crashes(plan="overrun", cell="unstable/*")] == [("unstable/anonmutate",)]


def test_a_thousand_signatures_cost_no_square(monkeypatch: pytest.MonkeyPatch) -> None:
    from kzram_ci.oops import similar

    asked = list[similar.Seen]()
    one = similar.one_crash

    def counted(first: similar.Seen, second: similar.Seen) -> bool:
        asked.append(first)
        return one(first, second)

    monkeypatch.setattr(similar, "one_crash", counted)
    found = [
        Crashed(
            signature=f"kasan:slab-use-after-free:f{number}",
            count=1,
            runs=1,
            first="2026-01-01T00:00:00+00:00",
            last="2026-01-01T00:00:00+00:00",
            cells=("a",),
            newest=(oops(f"f{number}", f"g{number}", "vfs_write", "ksys_write", "do_syscall_64"),),
        )
        for number in range(1000)
    ]
    assert len(crashes(found)) == 1000
    assert not asked


def test_the_command_prints_and_gives_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = recorded(tmp_path, ((0, oops(*WAY)),))
    assert main(["history", "--crashes", "--database", str(Path(str(history.database)))]) == 0
    assert capsys.readouterr().out.startswith("1 x KASAN: use-after-free in zs_free\n")
    assert main(["history", "--crashes", "--json", "--database", str(Path(str(history.database)))]) == 0
    (crash,) = json.loads(capsys.readouterr().out)
    assert (crash["signature"], crash["count"], crash["cells"]) == (
        "kasan:slab-use-after-free:zs_free",
        1,
        ["stock/anonmutate"],
    )
