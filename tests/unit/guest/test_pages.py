"""What a workload writes and reads back: a page is a function of seed, number and version; a check sees every byte."""

import json
import subprocess
import zlib
from pathlib import Path

import guest_programs
import pytest
from guest_programs import ROOTFS

PAGE, HEAD, UNIT, LEVELS = 4096, 512, 448, 9
NUMBERS = (0, 1, 77, 65_535, 2**32 - 1)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    driver = Path(guest_programs.__file__).parent / "guest" / "pages.c"
    out = tmp_path_factory.mktemp("pages") / "pages"
    return guest_programs.compile_c(out, driver, ROOTFS / "src" / "pages.c", ROOTFS / "src" / "common.c")


def ask(pages: Path, *lines: str, seed: int = 1) -> bytes:
    done = subprocess.run(
        (str(pages), str(seed)),
        check=False,
        input="\n".join(lines).encode(),
        capture_output=True,
        env=guest_programs.ENVIRONMENT,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def each(pages: Path, *lines: str, seed: int = 1) -> list[bytes]:
    data = ask(pages, *lines, seed=seed)
    assert len(data) == PAGE * len(lines)
    return [data[at : at + PAGE] for at in range(0, len(data), PAGE)]


def fills(pages: Path, number: int, versions: range, seed: int = 1) -> list[bytes]:
    return each(pages, *(f"fill {number} {version}" for version in versions), seed=seed)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_step_is_what_a_fill_is(pages: Path, number: int) -> None:
    versions = range(1, 4 * LEVELS)
    want = fills(pages, number, versions)
    assert each(pages, *(f"step {number} {version}" for version in versions)) == want
    assert each(pages, *(f"walk {number} {version}" for version in versions)) == want


def test_a_step_touches_the_tag_and_one_unit(pages: Path) -> None:
    found = fills(pages, 5, range(2 * LEVELS))
    for version in range(1, 2 * LEVELS):
        level = version % LEVELS
        if not level:
            continue  # the whole page becomes compressible again
        changed = {at for at in range(PAGE) if found[version][at] != found[version - 1][at]}
        unit = HEAD + (level - 1) * UNIT
        assert changed <= {*range(8), *range(unit, unit + UNIT)}
        assert len([at for at in changed if at >= unit]) > UNIT * 0.9, "random bytes took its place"


def test_a_page_grows_by_every_step_and_shrinks_by_the_ninth(pages: Path) -> None:
    """Units come out of one pool, so now and then one resembles another of its page: such a step grows less."""
    grown = []
    for number in range(64):
        sizes = [len(zlib.compress(page)) for page in fills(pages, number, range(2 * LEVELS + 1))]
        for version in range(1, 2 * LEVELS + 1):
            if version % LEVELS:
                grown.append(sizes[version] - sizes[version - 1])
            else:
                assert sizes[version] < 300
    assert min(grown) > 0
    assert sum(step > UNIT * 0.8 for step in grown) > 0.95 * len(grown)


def test_no_page_is_same_filled(pages: Path) -> None:
    for page in fills(pages, 0, range(LEVELS)) + fills(pages, 3, range(1)):
        words = {page[at : at + 8] for at in range(0, PAGE, 8)}
        assert len(words) > 1


def test_every_page_and_seed_has_content_of_its_own(pages: Path) -> None:
    found = {page for number in NUMBERS for seed in (1, 2) for page in fills(pages, number, range(LEVELS), seed)}
    assert len(found) == len(NUMBERS) * 2 * LEVELS


def test_the_content_of_a_seed_stays(pages: Path) -> None:
    """A result names its seed, so that it can be had again: a change here must be wanted."""
    found = zlib.crc32(b"".join(fills(pages, 1, range(2 * LEVELS), seed=20_161_127)))
    assert found == 3_218_791_853


def test_a_check_knows_its_own_version_only(pages: Path) -> None:
    numbers = (0, 8191)
    lines = [f"check {number} {version}" for number in numbers for version in range(2 * LEVELS)]
    assert ask(pages, *lines).split() == [b"good"] * len(lines)


def test_a_check_sees_every_byte_and_says_what_was_there(pages: Path) -> None:
    version, number = 4, 12
    (page,) = fills(pages, number, range(version, version + 1))
    told = [json.loads(line) for line in ask(pages, *(f"check {number} {version} {at}" for at in range(PAGE))).split()]
    assert len(told) == PAGE
    for at, event in enumerate(told):
        word = at // 8 * 8
        want = bytearray(page[word : word + 8])
        assert (event["ev"], event["page"], event["offset"]) == ("corruption", number, word)
        assert event["expected"] == want.hex()
        want[at % 8] ^= 0x10
        assert event["got"] == want.hex()
