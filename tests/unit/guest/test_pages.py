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
    return guest_programs.compile_c(out, driver, ROOTFS / "src" / "common.c")


def ask(pages: Path, *lines: str, seed: int = 1, size: int = PAGE) -> bytes:
    done = subprocess.run(
        (str(pages), str(seed), str(size)),
        check=False,
        input="\n".join(lines).encode(),
        capture_output=True,
        env=guest_programs.ENVIRONMENT,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def each(pages: Path, *lines: str, seed: int = 1, size: int = PAGE) -> list[bytes]:
    data = ask(pages, *lines, seed=seed, size=size)
    assert len(data) == size * len(lines)
    return [data[at : at + size] for at in range(0, len(data), size)]


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
    lines = ask(pages, *(f"check {number} {version} 0 {at}" for at in range(PAGE))).split()
    told = [json.loads(line) for line in lines]
    assert len(told) == PAGE
    for at, event in enumerate(told):
        word = at // 8 * 8
        want = bytearray(page[word : word + 8])
        assert (event["ev"], event["page"], event["offset"]) == ("corruption", number, word)
        assert event["expected"] == want.hex()
        want[at % 8] ^= 0x10
        assert event["got"] == want.hex()


def words_of(page: bytes) -> list[bytes]:
    return [page[at : at + 8] for at in range(0, len(page), 8)]


HALVES = (1, 2)
HALF_LEVELS = 5
UNTOUCHED = b"\xaa" * 8


@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_two_parts_make_a_page_and_share_no_word(pages: Path, size: int) -> None:
    for version in range(2 * HALF_LEVELS):
        first, second = (words_of(each(pages, f"fill 7 {version} {part}", size=size)[0]) for part in HALVES)
        owned = [(a != UNTOUCHED, b != UNTOUCHED) for a, b in zip(first, second, strict=True)]
        assert set(owned) == {(True, False), (False, True)}, "each word has one owner"


@pytest.mark.parametrize("part", HALVES)
def test_a_step_of_a_part_is_what_its_fill_is(pages: Path, part: int) -> None:
    versions = range(1, 4 * HALF_LEVELS)
    want = each(pages, *(f"fill 3 {version} {part}" for version in versions))
    assert len(set(want)) == len(want)
    assert each(pages, *(f"step 3 {version} {part}" for version in versions)) == want
    assert each(pages, *(f"walk 3 {version} {part}" for version in versions)) == want


@pytest.mark.parametrize("part", HALVES)
def test_a_check_of_a_part_sees_its_words_and_no_others(pages: Path, part: int) -> None:
    """The other writer is ahead all the time: that is no damage. A byte of one's own that is not as written is."""
    version, number = 3, 12
    mine = [word != UNTOUCHED for word in words_of(each(pages, f"fill {number} {version} {part}")[0])]
    lines = ask(pages, *(f"check {number} {version} {part} {word * 8}" for word in range(len(mine)))).splitlines()
    for word, (owned, told) in enumerate(zip(mine, lines, strict=True)):
        assert (json.loads(told)["offset"] == word * 8) if owned else (told == b"good")


@pytest.mark.parametrize("part", HALVES)
def test_a_write_that_is_lost_or_foreign_is_seen(pages: Path, part: int) -> None:
    """An older version, another page, another part: never what the owner knows must be there."""
    fill = f"fill 9 6 {part}"
    (found,) = each(pages, fill)
    wrong = (f"fill 9 5 {part}", f"fill 9 1 {part}", f"fill 10 6 {part}", f"fill 9 6 {3 - part}", "fill 9 6")
    others = each(pages, *wrong)
    mine = [i for i, word in enumerate(words_of(found)) if word != UNTOUCHED]
    for other in others:
        assert any(words_of(found)[i] != words_of(other)[i] for i in mine)


@pytest.mark.parametrize("size", [16384, 65536])
def test_pages_of_other_kernels_are_checked_to_the_last_byte(pages: Path, size: int) -> None:
    fills = each(pages, *(f"fill 5 {version}" for version in range(LEVELS + 1)), size=size)
    assert all(b"\xaa" * 8 not in page for page in fills)
    sizes = [len(zlib.compress(page)) for page in fills]
    assert sizes[:LEVELS] == sorted(sizes[:LEVELS])
    assert sizes[LEVELS - 1] > size * 0.9
    assert sizes[LEVELS] < size * 0.1, "compressible again"
    for at in (0, 8, HEAD, size // 2, size - 1):
        assert json.loads(ask(pages, f"check 5 4 0 {at}", size=size))["offset"] == at // 8 * 8
    assert ask(pages, f"check 5 4 0 {size}", size=size) == b"good\n"


def test_a_page_size_that_cannot_be(pages: Path) -> None:
    done = subprocess.run((str(pages), "1", "2048"), check=False, capture_output=True, input=b"")
    assert done.returncode == 4
    assert b"pages of 2048 bytes are not supported" in done.stdout
