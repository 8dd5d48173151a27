"""Write docs/kernels.md's tables from a real run of testplans/lines.yaml.

    kzram-ci run lines
    python bench/lines_table.py runs/<that run>

The first table is what the mechanism map finds in the sources, the second what the kernels did. Only the text
between the markers changes, and of the second table only the rows of the kernels that the run has: a line can be run
alone (kzram-ci run lines --kernel line:5.15 --kernel git:../linux@v5.15.85).
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kzram_ci.base.library import Library
from kzram_ci.kernel.mechanism import Facts, amplifier
from kzram_ci.kernel.workshop import KernelContext, facts_for
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.load import load_plan
from kzram_ci.plan.tables import axes
from kzram_ci.results import rundir

PAGE = Path(__file__).resolve().parents[1] / "docs" / "kernels.md"
SHOWN = {  # counter: word
    "recompressions": "recompressions",
    "grew": "grew",
    "reuse_refused_write": "writes refused",
    "reuse_allowed": "reuse allowed",
    "reallocated": "allocated again",
    "page_size_fallbacks": "page-size objects",
    "emergencies": "in larger classes",
}
HEAD = (
    "| kernel | release | swap (anonmutate) | O_DIRECT (directmutate) | … fail_page_alloc |",
    "|---|---|---|---|---|",
)
Result = Mapping[str, Any]


def main() -> None:
    """Read the run, rewrite both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run directory of testplans/lines.yaml")
    args = parser.parse_args()
    run = rundir.open_run(args.run)
    results = [json.loads(line) for line in (args.run / "results.jsonl").read_text().splitlines()]
    text = PAGE.read_text()
    told, table = rows_of(text)
    text = between(text, "facts", facts_table({spec.line: spec for spec in run.plan.kernels()}))
    table |= run_table(results)
    lines = sorted({cell.kernel.line for cell in run.plan.cells}, key=list(axes(Library()).lines).index)
    told = [line for line in told if not line.endswith(f": {', '.join(lines)}.")]
    told.append(f"Run `{args.run.resolve().name}`: {', '.join(lines)}.")
    shown = [table[name] for name in known_order() if name in table]
    PAGE.write_text(between(text, "run", [*told, "", *HEAD, *shown]))


def rows_of(text: str) -> tuple[list[str], dict[str, str]]:
    """The lines of the page that name runs, and the rows of the second table by kernel."""
    part = text.partition("<!-- run: begin -->")[2].partition("<!-- run: end -->")[0].splitlines()
    rows = {line.split("|")[1].strip(): line for line in part if line.startswith("|") and line not in HEAD}
    return [line for line in part if line.startswith("Run ")], rows


def between(text: str, name: str, lines: Sequence[str]) -> str:
    """The text with the part between the markers of this name replaced."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"{PAGE}: no {begin} … {end}")
    return pattern.sub(lambda _: "\n".join((begin, *lines, end)), text)


def facts_table(ran: Mapping[str, KernelSpec]) -> list[str]:
    """One column a line of kernels, one row a fact, with the place in the source: that of the run, if it had one."""
    names = {line: axes(Library()).name("stock", line) for line in axes(Library()).lines}
    specs = [ran.get(line) or load_kernel(name, Library()) for line, name in names.items()]
    found = [facts_for(spec, KernelContext()) for spec in specs]
    lines = [f"| | {' | '.join(axes(Library()).lines)} |"]
    lines += [f"|---|{'---|' * len(specs)}"]
    for name in found[0]:
        lines.append(f"| `{name}` | {' | '.join(_fact(facts, name) for facts in found)} |")
    tools = (amplifier(facts) for facts in found)
    words = (f"{tool.kind}{f', `{tool.cmdline}`' if tool.cmdline else ''}" for tool in tools)
    return [*lines, f"| amplifier | {' | '.join(words)} |"]


def _fact(facts: Facts, name: str) -> str:
    fact = facts[name]
    return f"**{fact.value or 'no'}**<br>{fact.where}"


def run_table(results: Sequence[Result]) -> dict[str, str]:
    """One row a kernel; what was stressed through swap, then through O_DIRECT."""
    lines = {}
    for name in dict.fromkeys(row["kernel"] for row in results):
        cells = {row["test"].removesuffix("-once"): row for row in results if row["kernel"] == name}
        release = next((row["kernel_release"] for row in cells.values() if row["kernel_release"]), "")
        tests = ("anonmutate", "directmutate", "directmutate-fail-page-alloc")
        lines[name] = f"| {name} | {release} | {' | '.join(_outcome(cells.get(test)) for test in tests)} |"
    return lines


def known_order() -> tuple[str, ...]:
    """The kernels as the plan lists them."""
    plan = load_plan(Library().plan("lines"), Library())
    return tuple(dict.fromkeys(cell.kernel.name for cell in plan.cells))


def _outcome(row: Result | None) -> str:
    if row is None:
        return ""
    word = row["judgement"]
    if word["outcome"] == "skipped":
        return f"skipped: {word['reason']}"
    verdict = "" if word["verdict"] == "ok" else f"**{word['verdict']}**: "
    if word["outcome"] == "oops":
        return f"{verdict}oops: {word['reason'].removeprefix('as expected: ')}"
    counters = row["evidence"]["counters"]
    told = [f"{text} {counters[name]:,}" for name, text in SHOWN.items() if counters.get(name)]
    pages = counters.get("vmstat.pswpout") or counters.get("zram.write_sectors", 0) // 8
    return f"{verdict}{word['outcome']}: {', '.join([f'pages {pages:,}', *told])}"


if __name__ == "__main__":
    main()
