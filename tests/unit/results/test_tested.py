"""What was tested stands in every report: source, commit, series, config, key."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import kcidb_io
import pytest
import report_samples as samples

from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.provenance import AppliedSeries, Provenance
from kzram_ci.results.reports import html, junit, kcidb, summary, table
from kzram_ci.results.reports.summary_model import RunView, make_view
from kzram_ci.results.reports.tested import kernel_of, kernels_of, one_text, properties, series_text, source_text, texts

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MADE = Provenance(
    source="git:https://example.org/linux.git@v6.13",
    version="6.13.0",
    identity="git:tree",
    commit=COMMIT,
    series=(
        AppliedSeries(name="overrun-detector", kind="instrument", patches=("6.12/0001.patch", "6.12/0002.patch")),
        AppliedSeries(name="counters", kind="instrument", notes=("needs overrun-detector of 6.12",)),
        AppliedSeries(name="my-fix", kind="fix", patches=("0001.patch",)),
    ),
    fragments=("base.config", "zram.config"),
    make_vars=(("LLVM", "1"),),
    toolchain=(("CC", "clang version 19.1.7"), ("LD", "LLD 19.1.7")),
)
DIRTY = replace(MADE, source="directory:../linux", dirty=True)


def view_of(*made: Provenance | None) -> RunView:
    cells = (samples.PLAN.cells[0], samples.PLAN.cells[2], samples.PLAN.cells[4])
    results = [
        samples.result(cell, provenance=each, counters=samples.CLEAN) for cell, each in zip(cells, made, strict=False)
    ]
    return make_view(samples.PLAN, results, name="run-1", started="2026-01-02T03:04:05+00:00")


def test_a_kernel_of_a_commit() -> None:
    (item,) = kernels_of(view_of(MADE))
    assert one_text(item) == (
        "git:https://example.org/linux.git@v6.13, 6.13.0, commit 0123456789ab; "
        "series overrun-detector (2 patches), counters (left out), my-fix (1 patch); "
        "config base.config, zram.config; built by clang version 19.1.7, LLVM=1; key f00dfeedf00d"
    )


def test_what_all_kernels_have_in_common_is_told_once() -> None:
    other = replace(MADE, series=MADE.series[:1])
    told = dict(texts(kernels_of(view_of(MADE, other))))
    assert told == {
        "all kernels": "git:https://example.org/linux.git@v6.13, 6.13.0, commit 0123456789ab; "
        "config base.config, zram.config; built by clang version 19.1.7, LLVM=1; key f00dfeedf00d",
        "stock": "series overrun-detector (2 patches), counters (left out), my-fix (1 patch)",
        "unstable": "series overrun-detector (2 patches)",
    }
    assert list(dict(texts(kernels_of(view_of(MADE))))) == ["stock"]
    assert texts(()) == []


def test_a_tree_that_is_not_as_committed() -> None:
    (item,) = kernels_of(view_of(DIRTY))
    assert source_text(item) == "directory:../linux, 6.13.0, commit 0123456789ab (dirty: not as committed)"


def test_a_kernel_that_was_not_built_is_what_the_plan_asks_for() -> None:
    lost = samples.result(samples.PLAN.cells[0], Outcome.PATCH_FAILED, Verdict.ERROR, key="", kernel_release="")
    spec = replace(samples.PLAN.cells[0].kernel, series=("overrun-detector", "my-fix"))
    plan = replace(samples.PLAN, cells=(replace(samples.PLAN.cells[0], kernel=spec),))
    item = kernel_of(make_view(plan, (lost,), name="x"), "stock")
    assert (source_text(item), series_text(item)) == ("debian:linux-source-6.12", "overrun-detector, my-fix")
    assert one_text(item).endswith("key none, it was not built")


def test_another_architecture_is_named() -> None:
    cells = tuple(replace(cell, kernel=replace(cell.kernel, arch="arm64")) for cell in samples.PLAN.cells)
    results = [samples.result(cell, provenance=MADE, counters=samples.CLEAN) for cell in cells]
    item, *_ = kernels_of(make_view(replace(samples.PLAN, cells=cells), results, name="x"))
    assert "; for arm64; series" in one_text(item)
    assert properties(item)["kernel.arch"] == "arm64"


def test_a_result_of_an_older_version_has_its_key() -> None:
    (item,) = kernels_of(view_of(None))
    assert (item.source, item.key[:8], item.built) == ("debian:linux-source-6.12", "f00dfeed", True)


@pytest.mark.parametrize("made", [MADE, DIRTY])
def test_every_report_has_it(made: Provenance) -> None:
    view = view_of(made, None)
    texts = {
        "table": table.plain(view),
        "summary": summary.render(view).replace("\\", ""),
        "html": html.render(view),
        "junit": junit.render(view),
        "kcidb": json.dumps(kcidb.render(view)),
    }
    for name, text in texts.items():
        for fact in (made.source, COMMIT[:12], "overrun-detector", "my-fix", "base.config", "f00dfeedf00d", "clang"):
            assert fact in text, (name, fact)
        assert ("dirty" in text) is made.dirty, name
    for name in ("html", "junit", "kcidb"):
        assert COMMIT in texts[name]
        assert "6.12/0002.patch" in texts[name]
        assert "needs overrun-detector of 6.12" in texts[name]


def test_junit_has_it_as_properties_of_the_suite() -> None:
    root = ElementTree.fromstring(junit.render(view_of(MADE, DIRTY)))
    suites = {
        suite.get("name"): {item.get("name"): item.get("value") for item in suite.iter("property")}
        for suite in root.iter("testsuite")
    }
    assert suites["stock"]["kernel.commit"] == COMMIT
    assert suites["stock"]["kernel.series"] == "overrun-detector, counters, my-fix"
    assert suites["stock"]["kernel.series.overrun-detector"] == "6.12/0001.patch, 6.12/0002.patch"
    assert "kernel.dirty" not in suites["stock"]
    assert suites["unstable"]["kernel.dirty"] == "true"


def test_kcidb_names_public_sources_only_and_stays_valid() -> None:
    report = kcidb.render(view_of(MADE, DIRTY, replace(MADE, commit="", source="tarball:/home/me/x.tar.xz")))
    kcidb_io.schema.V5_0.validate(report)
    first, second, third = report["checkouts"]
    assert first["git_repository_url"] == "https://example.org/linux.git"
    assert first["git_commit_hash"] == COMMIT
    assert "git_repository_url" not in second
    assert second["misc"]["dirty"] == "true"
    assert "git_commit_hash" not in third
    assert report["builds"][0]["compiler"].startswith("clang version 19.1.7")


def test_details_at_length_stay_in_environment_json() -> None:
    view = replace(view_of(MADE), environment={"accel": {"x86_64": "tcg"}, "accel_detail": {"x86_64": "qemu: " * 60}})
    for text in (table.plain(view), summary.render(view), html.render(view), junit.render(view)):
        assert "qemu: qemu:" not in text
    assert "tcg" in summary.render(view)
