from itertools import permutations

import pytest
import report_samples as samples

from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome as O
from kzram_ci.model.outcome import Verdict as V
from kzram_ci.verdict.exitcode import exit_code

OK = (O.PASS, V.OK)
OOPS_OK = (O.OOPS, V.OK)
FINDING = (O.OOPS, V.FINDING)
NOT_REPRODUCED = (O.PASS, V.FINDING)
CORRUPT = (O.CORRUPTION, V.FINDING)
WEAK = (O.INCONCLUSIVE, V.INCONCLUSIVE)
PATCH = (O.PATCH_FAILED, V.ERROR)
CONFIG = (O.CONFIG_UNMET, V.ERROR)
BUILD = (O.BUILD_FAILED, V.ERROR)
BOOT = (O.BOOT_FAILED, V.ERROR)
NEVER_BOOTS = (O.BOOT_FAILED, V.FINDING)
LOST = (O.LOST, V.ERROR)
INFRA = (O.INFRA, V.ERROR)
NOT_RUN = (O.NOT_RUN, V.ERROR)
SET_UP = (O.FAIL, V.ERROR)
SKIPPED = (O.SKIPPED, V.SKIPPED)
Word = tuple[O, V]


def made(words: tuple[Word, ...], *, control: bool = False) -> list[CellResult]:
    return [samples.result(samples.PLAN.cells[0], *word, control=control) for word in words]


@pytest.mark.parametrize(
    ("words", "run", "bisect"),
    [
        ((OK,), 0, 0),
        ((OK, OOPS_OK, SKIPPED), 0, 0),
        ((FINDING,), 1, 1),
        ((NOT_REPRODUCED,), 1, 1),
        ((CORRUPT, OK), 1, 1),
        ((WEAK,), 3, 125),
        ((OK, WEAK), 3, 125),
        ((PATCH,), 4, 125),
        ((CONFIG,), 4, 125),
        ((BUILD, OK), 4, 125),
        ((BOOT,), 69, 125),
        ((NEVER_BOOTS, OK), 1, 125),
        ((NEVER_BOOTS, FINDING), 1, 1),
        ((LOST,), 69, 125),
        ((SET_UP,), 69, 125),
        ((INFRA,), 69, 128),
        ((NOT_RUN, OK), 69, 128),
        ((FINDING, BUILD, INFRA, WEAK), 1, 1),
        ((BUILD, INFRA, WEAK, OK), 4, 128),
        ((BOOT, WEAK, OK), 69, 125),
        ((SKIPPED,), 3, 125),
        ((), 3, 125),
    ],
)
def test_codes(words: tuple[Word, ...], run: int, bisect: int) -> None:
    for order in permutations(words):
        assert exit_code(made(order)) == run
        assert exit_code(made(order), bisect=True) == bisect


def test_a_broken_control_makes_a_commit_untestable_not_bad() -> None:
    assert exit_code(made((FINDING,), control=True), bisect=True) == 125
    assert exit_code(made((FINDING,)) + made((NOT_REPRODUCED,), control=True), bisect=True) == 125
    assert exit_code(made((FINDING,)) + made((OOPS_OK,), control=True), bisect=True) == 1
    assert exit_code(made((FINDING,), control=True)) == 1


def test_a_control_alone_does_not_make_a_commit_good() -> None:
    assert exit_code(made((SKIPPED,)) + made((OK,), control=True), bisect=True) == 125
    assert exit_code(made((OK, SKIPPED)) + made((OK,), control=True), bisect=True) == 0
    assert exit_code(made((OK,), control=True), bisect=True) == 0
    assert exit_code(made((SKIPPED,)) + made((OK,), control=True)) == 0
