"""docs/plans.md: its tables are made from the grammar, and from the tables of workloads and counters.

KZRAM_REWRITE_GOLDEN=1 writes the tables anew.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kzram_ci.base.grammar.problems import Problems
from kzram_ci.base.library import Kind, Library
from kzram_ci.base.suggest import allowed
from kzram_ci.cli.schema import MODELS, schema_of
from kzram_ci.plan import tables
from kzram_ci.plan.counters import COUNTERS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "plans.md"
# kind of file: what it is, then its parts: definition in the schema, where its keys stand
PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "plan": (
        ("", "A plan"),
        (
            "PlanTest",
            "A test; all but the last three also under `defaults:` and in axis values, but the last four in overrides",
        ),
        ("Machine", "`machine:`"),
        ("Zram", "`zram:`"),
        ("Filesystem", "`filesystem:`"),
        ("Root", "`rootfs:`"),
        ("FaultInjection", "`fault:`"),
        ("Expect", "`expect:` of a test"),
        ("Oops", "`oops:`"),
        ("Matrix", "`matrix:`"),
        ("Selector", "An entry of `include:` and `exclude:`, beside the plan's axes"),
        ("Override", "An entry of `expect:`, beside the keys of a test and the plan's axes"),
        ("KernelAxes", "`kernels:` by axes"),
    ),
    "kernel": (("", "A kernel: `kernels/<name>.yaml`, or written out in a plan"), ("Source", "`source:`")),
    "lines": (("", "`kernels/lines.yaml`"), ("LineRow", "A line")),
    "variants": (("", "`kernels/variants.yaml`"), ("VariantRow", "A variant, beside the keys of a kernel")),
    "series": (("", "`series.yaml`"), ("SeriesLine", "An entry of `lines:`")),
    "hooks": (
        ("", "`hooks.yaml`"),
        ("HookModel", "An entry of `hooks:`"),
        ("WayModel", "An entry of `ways:`"),
        ("OrderModel", "An entry of `order:`"),
    ),
    "fixes": (("FixRow", "A row of `kernels/toolchain/fixes.yaml`"),),
    "rootfs": (
        ("", "`rootfs/rootfs.yaml`"),
        ("FileRow", "A file under `files:`"),
        ("BusyboxRow", "`busybox:`"),
        ("NodeRow", "A node under `nodes:`"),
    ),
    "workloads": (
        ("", "`rootfs/workloads.yaml`"),
        ("WorkloadRow", "A workload"),
        ("ArgumentRow", "An argument"),
    ),
}
# definitions that only say again what another one says
SHOWN_ELSEWHERE = {"Defaults", "KernelFile", "Source", "SourceRow", "Fields"}


def keys_of(schema: dict[str, Any], part: str) -> dict[str, str]:
    node = schema["$defs"][part] if part else schema
    return {name: field["description"] for name, field in node.get("properties", {}).items()}


def table(rows: dict[str, str]) -> Iterator[str]:
    yield from ("| key | meaning |", "|---|---|")
    yield from (f"| `{name}` | {meaning.replace('|', chr(92) + '|')} |" for name, meaning in rows.items())


def keys() -> Iterator[str]:
    for kind, parts in PARTS.items():
        schema = schema_of(kind)
        base = keys_of(schema_of("plan"), "PlanTest") if kind == "plan" else keys_of(schema_of("kernel"), "")
        for part, title in parts:
            rows = keys_of(schema, part)
            if part in ("Override", "VariantRow"):
                rows = {name: meaning for name, meaning in rows.items() if name not in base}
            yield from (f"**{title}**", "", *table(rows), "")


NEEDS = {
    "swap": "`zram.swap` must be `true`.",
    "raw": "`zram.swap` must be `false`.",
    "files": "It needs a `filesystem`.",
}


def workloads() -> Iterator[str]:
    for name, row in tables.workloads(Library()).rows.items():
        yield from (
            f"**`{name}`**: {row.meaning} {NEEDS[row.zram]}{' It runs as the user `uid`.' if row.users else ''}",
            "",
        )
        yield from ("| argument | type | default | meaning |", "|---|---|---|---|")
        for argument, what in row.arguments.items():
            kind = f"{what.type}: {', '.join(what.values)}" if what.values else what.type
            kind += f", at least {what.min}" if what.min else ""
            default = what.default if what.default is not None else "off" if what.type == "flag" else ""
            yield f"| `{argument}` | {kind} | {default} | {what.meaning} |"
        reports = ", ".join(f"`workload.{counter}` ({meaning})" for counter, meaning in row.reports.items())
        yield from ("", f"It reports {reports}.", "")


def counters() -> Iterator[str]:
    yield from ("| counter | counts | origin |", "|---|---|---|")
    yield from (f"| `{row.name}` | {row.unit} {row.meaning} | {row.origin} |" for row in COUNTERS)


SECTIONS = {"workloads": workloads, "counters": counters, "keys": keys}


def with_tables(text: str) -> str:
    for name, make in SECTIONS.items():
        before, begin, rest = text.partition(f"<!-- begin: {name} -->\n")
        _, end, after = rest.partition(f"<!-- end: {name} -->")
        assert begin, name
        assert end, name
        body = "\n".join(make()).strip("\n")
        text = f"{before}{begin}\n{body}\n\n{end}{after}"
    return text


def test_the_page_has_every_argument_counter_and_key() -> None:
    text = PAGE.read_text()
    if os.environ.get("KZRAM_REWRITE_GOLDEN"):
        PAGE.write_text(with_tables(text))
    assert PAGE.read_text() == with_tables(text)


@pytest.mark.parametrize("kind", MODELS)
def test_every_part_of_a_grammar_is_on_the_page(kind: str) -> None:
    shown = {part for parts in PARTS.values() for part, _ in parts}
    defined = {name for name, node in schema_of(kind).get("$defs", {}).items() if node.get("properties")}
    assert defined <= shown | SHOWN_ELSEWHERE, defined - shown


def test_what_a_part_shares_with_another_is_on_the_page_there() -> None:
    plan = schema_of("plan")
    test = keys_of(plan, "PlanTest")
    assert list(test)[-3:] == ["description", "kernels", "axes"]
    assert set(keys_of(plan, "Defaults")) <= set(test)
    assert set(keys_of(schema_of("kernel"), "")) - {"name", "source"} <= set(
        keys_of(schema_of("variants"), "VariantRow")
    )


def test_examples_of_the_page_name_keys_that_exist() -> None:
    """Words in `code` that look like `key:` are keys of some grammar."""
    known = {name for kind in MODELS for name in keys_of(schema_of(kind), "")}
    for kind in MODELS:
        for part in schema_of(kind).get("$defs", {}):
            known |= set(keys_of(schema_of(kind), part))
    text = re.sub(r"<!-- begin.*?<!-- end", "", PAGE.read_text(), flags=re.S)
    for word in re.findall(r"`([a-z_-]+):`", text):
        assert word.replace("_", "-") in {name.replace("_", "-") for name in known}, f"{word}: {allowed(word, known)}"


def test_the_first_example_is_a_good_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kzram_ci.plan.load import draft_plan

    monkeypatch.chdir(tmp_path)
    example = PAGE.read_text().split("```yaml\n")[1].split("```")[0]
    draft = draft_plan(example, Path("p.yaml"), Library())
    draft.problems.raise_if_any()
    assert len(draft.plan.cells) == 6


def test_the_series_of_the_page_is_a_good_series(tmp_path: Path) -> None:
    from kzram_ci.base.grammar.validation import checked
    from kzram_ci.base.grammar.yaml_source import parse
    from kzram_ci.kernel.schema import SeriesFile

    example = next(block for block in PAGE.read_text().split("```yaml\n") if "kind: fix" in block).split("```")[0]
    problems = Problems()
    document = parse(example, "series.yaml", problems)
    assert checked(SeriesFile, document.data, document, problems) is not None
    problems.raise_if_any()
    assert Library().find(Kind.SERIES, "unstable") is not None
