import os
from pathlib import Path

import junitparser
import pytest
import report_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kzram_ci.model.evidence import CellResult, Evidence, Judgement, OopsSummary
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import junit
from kzram_ci.results.reports.summary_model import CellView, RunView, make_view

OURS = Path(__file__).parents[2] / "data" / "junit.xsd"
ROOT = Path(__file__).resolve().parents[3]


def schemas() -> list[etree.XMLSchema]:
    """Ours, and a public one where KZRAM_JUNIT_XSD names it or it lies beside the repository."""
    named = os.environ.get("KZRAM_JUNIT_XSD")
    others = (Path(named) if named else None, ROOT.parent / "shared" / "junit-xsd" / "jenkins-junit-10.xsd")
    paths = [OURS, *(path for path in others if path is not None and path.is_file())]
    return [etree.XMLSchema(etree.parse(str(path))) for path in paths]


SCHEMAS = schemas()


def read(text: str) -> junitparser.JUnitXml:
    document = etree.fromstring(text.encode())
    for schema in SCHEMAS:
        schema.assertValid(document)
    found = junitparser.JUnitXml.fromstring(text.encode())
    assert isinstance(found, junitparser.JUnitXml)
    return found


def sample(results: tuple[CellResult, ...] | None = None) -> RunView:
    return make_view(
        samples.PLAN,
        samples.results() if results is None else results,
        name="run-1",
        started="2026-01-02T03:04:05+00:00",
        environment={"host": {"name": "builder", "cpus": 2}, "qemu": "QEMU 7.2"},
    )


def test_one_suite_a_kernel_and_one_case_a_cell() -> None:
    xml = read(junit.render(sample()))
    suites = list(xml)
    assert [suite.name for suite in suites] == ["stock", "unstable", "saved-clen", "emergency-class"]
    assert [(case.classname, case.name) for case in suites[1]] == [
        ("unstable", "anonmutate"),
        ("unstable", "directmutate[algorithm=lz4]"),
    ]
    assert (xml.tests, xml.failures, xml.errors) == (7, 2, 1)
    assert [(s.tests, s.failures, s.errors, s.skipped) for s in suites] == [
        (2, 0, 0, 0),
        (2, 1, 0, 0),
        (2, 1, 1, 0),
        (1, 0, 0, 1),
    ]
    assert suites[0].hostname == "builder"


def test_a_finding_carries_title_signature_and_text_of_the_oops() -> None:
    (case, inconclusive) = list(read(junit.render(sample())))[2]
    (failure,) = case.result
    assert isinstance(failure, junitparser.Failure)
    assert failure.message == samples.TITLE
    assert failure.type == samples.OOPS.signature
    assert "RIP: 0010:obj_malloc+0x4b/0xf0" in failure.text
    assert "at obj_malloc+0x4b/0xf0 mm/zsmalloc.c:1234" in failure.text
    assert "cells/saved-clen.anonmutate/oops-1.txt" in failure.text
    assert "same crash in 2 cells: unstable/anonmutate, saved-clen/anonmutate" in failure.text
    (error,) = inconclusive.result
    assert isinstance(error, junitparser.Error)
    assert (error.type, error.message) == ("inconclusive", "recompressions 3 < 50,000")


def test_an_expected_oops_passes_and_is_still_shown() -> None:
    (expected, missing) = list(read(junit.render(sample())))[1]
    assert expected.is_passed
    assert "obj_malloc+0x4b" in expected.system_out
    assert "same crash in 2 cells: unstable/anonmutate, saved-clen/anonmutate" in expected.system_out
    assert missing.result[0].type == "not-reproduced"


def test_properties_hold_seed_counters_and_kernel_key() -> None:
    text = junit.render(sample())
    suite = next(iter(read(text)))
    found = {
        item.get("name"): item.get("value")
        for item in etree.fromstring(text.encode()).iterfind("testsuite[1]//property")
    }
    assert found["anonmutate.seed"] == "7"
    assert found["anonmutate.recompressions"] == "51234"
    assert found["kernel_key"] == "f00dfeed" * 8
    assert found["environment.qemu"] == "QEMU 7.2"
    case = next(iter(suite))
    assert "seed: 7" in case.system_out
    assert "proof: 0 overruns in 51,234" in case.system_out


def test_a_run_that_was_killed_at_once_is_all_errors() -> None:
    born = tuple(
        CellResult(id=cell.id, kernel=cell.kernel.name, test=cell.test, axes=cell.axes) for cell in samples.PLAN.cells
    )
    xml = read(junit.render(sample(born)))
    assert (xml.tests, xml.errors, xml.failures) == (7, 7, 0)
    assert {case.result[0].type for suite in xml for case in suite} == {"not-run"}


def test_huge_texts_are_cut_with_a_note() -> None:
    oops = OopsSummary(title="x" * 5000, type="bug", function=None, signature="s", text="y" * (junit.OOPS_LIMIT + 5))
    results = (samples.result(samples.PLAN.cells[0], Outcome.OOPS, Verdict.FINDING, oopses=(oops,)),)
    text = junit.render(sample(results))
    assert "[… 5 characters cut …]" in text
    assert len(text) < junit.OOPS_LIMIT + 10_000
    read(text)


def test_illegal_characters_are_visible() -> None:
    oops = OopsSummary(
        title="\x1b[1mBUG\x00 \udc80", type="bug", function=None, signature="s\x01", text="\x1b<&>\ufffe"
    )
    results = (samples.result(samples.PLAN.cells[0], Outcome.OOPS, Verdict.FINDING, oopses=(oops,)),)
    failure = next(iter(next(iter(read(junit.render(sample(results))))))).result[0]
    assert failure.message == "\\x1b[1mBUG\\x00 \\x80"
    assert failure.type == "s\\x01"
    assert failure.text.endswith("\\x1b<&>\\ufffe")


anything = st.one_of(
    st.text(alphabet=st.characters(), max_size=40), st.binary(max_size=40).map(lambda b: b.decode("latin-1"))
)
oopses = st.builds(
    OopsSummary, title=anything, type=anything, function=st.none() | anything, signature=anything, text=anything
)
evidences = st.builds(
    Evidence,
    oopses=st.lists(oopses, max_size=2).map(tuple),
    corruptions=st.lists(anything, max_size=2).map(tuple),
    counters=st.dictionaries(anything, st.integers(0, 2**64), max_size=3),
)
words = st.builds(Judgement, outcome=st.sampled_from(Outcome), verdict=st.sampled_from(Verdict), reason=anything)
cells = st.builds(
    CellView,
    result=st.builds(
        CellResult,
        id=anything,
        kernel=st.sampled_from(("a", "b")) | anything,
        test=anything,
        judgement=words,
        evidence=evidences,
        seconds=st.floats(0, 1e9),
        kernel_key=anything,
    ),
    console_tail=anything,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(cells, max_size=5), anything)
def test_any_text_gives_a_valid_file_whose_counts_are_true(found: list[CellView], name: str) -> None:
    view = RunView(
        name=name, plan=name, started="2026-01-02T03:04:05+00:00", environment={name: name}, cells=tuple(found)
    )
    xml = read(junit.render(view))
    verdicts = [cell.result.judgement.verdict for cell in found]
    assert xml.tests == len(found) == sum(1 for suite in xml for _ in suite)
    assert xml.failures == verdicts.count(Verdict.FINDING)
    assert xml.errors == verdicts.count(Verdict.ERROR) + verdicts.count(Verdict.INCONCLUSIVE)
    kinds = [type(item) for suite in xml for case in suite for item in case.result]
    assert kinds.count(junitparser.Failure) == xml.failures
    assert kinds.count(junitparser.Error) == xml.errors
    assert kinds.count(junitparser.Skipped) == verdicts.count(Verdict.SKIPPED)


@pytest.mark.parametrize("seconds", [0.0, 1e-7, 0.5, 12345.6789])
def test_times_have_three_decimals(seconds: float) -> None:
    results = (samples.result(samples.PLAN.cells[0], seconds=seconds),)
    read(junit.render(sample(results)))
