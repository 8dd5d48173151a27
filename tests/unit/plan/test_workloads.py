"""The tables of workloads and counters against the programs of the guest, and what a plan gets wrong about them."""

import re
from pathlib import Path

import pytest

from kzram_ci.base.grammar.problems import GrammarErrors, Problems
from kzram_ci.base.grammar.yaml_source import parse
from kzram_ci.plan import counters
from kzram_ci.plan.workloads import Workloads, workloads_of

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "rootfs" / "src"
KINDS = {"count": "ARG_U64", "flag": "ARG_FLAG", "choice": "ARG_TEXT", "text": "ARG_TEXT"}


def table(text: str | None = None) -> Workloads:
    problems = Problems()
    text = (ROOT / "rootfs" / "workloads.yaml").read_text() if text is None else text
    found = workloads_of([parse(text, "w.yaml", problems)], problems)
    problems.raise_if_any()
    return found


def source_of(program: str) -> str:
    return (SOURCES / f"{program}.c").read_text()


def arguments_in(text: str) -> dict[str, tuple[str, str, int]]:
    """Name to (kind, variable, least) of a program's table of arguments."""
    rows = re.findall(r'\{ "([a-z-]+)", (ARG_\w+), &(\w+), (\d+) \}', text)
    return {name: (kind, variable, int(least)) for name, kind, variable, least in rows}


def initial(text: str, variable: str) -> str:
    """What a static variable starts as, as C writes it; empty for zero."""
    declarations = re.findall(r"^static (?:uint64_t|bool|const char \*)\s*\*?([^;()]*);", text, re.MULTILINE)
    parts = [part.strip(" *").partition(" = ") for line in declarations for part in line.split(",")]
    return str(next(value for name, _, value in parts if name == variable))


def test_the_table_names_every_workload_of_the_guest() -> None:
    with_arguments = {path.stem for path in SOURCES.glob("*.c") if "return run_workload(argc" in path.read_text()}
    assert set(table().rows) == with_arguments


@pytest.mark.parametrize("program", sorted(table().rows))
def test_arguments_agree_with_the_program(program: str) -> None:
    text, row = source_of(program), table().rows[program]
    in_program = arguments_in(text)
    assert set(row.arguments) == set(in_program)
    for name, argument in row.arguments.items():
        kind, variable, least = in_program[name]
        assert KINDS[argument.type] == kind, name
        assert argument.min == least, name
        written = initial(text, variable).strip('"')
        assert written == ("" if argument.default in (None, 0) else str(argument.default)), name
        if argument.type == "choice":
            assert argument.default in (argument.values or ()), name


@pytest.mark.parametrize("program", sorted(table().rows))
def test_reports_agree_with_the_program(program: str) -> None:
    [progress] = re.findall(r'emit\("\{\\"ev\\":\\"progress\\",(.*?)\}",', source_of(program), re.DOTALL)
    assert list(table().rows[program].reports) == re.findall(r'\\"(\w+)\\":%llu', progress)


def test_the_most_threads_agree_with_the_programs() -> None:
    found = {number for path in SOURCES.glob("*.h") for number in re.findall(r"MAX_THREADS = (\d+)", path.read_text())}
    assert found == {str(table().most_threads)}


@pytest.mark.parametrize(
    ("program", "args", "wrong"),
    [
        ("anonmutate", {"pages": 64, "mutators": 0, "keep-going": True, "evict": "memcg"}, []),
        ("anonmutate", {"pages": "8192", "no-waves": False, "bulk": False}, []),
        ("anonmutate", {"pagez": 5}, ["anonmutate has no argument 'pagez' (`pagez: null` omits it); allowed: batch"]),
        ("anonmutate", {"pages": 0}, ["expected a whole number of at least 1, got 0"]),
        ("anonmutate", {"pages": 1.5}, ["expected a whole number of at least 1, got 1.5"]),
        ("anonmutate", {"pages": True}, ["a value is needed, as in 8192"]),
        ("anonmutate", {"keep-going": 1}, ["expected true or false, got 1"]),
        ("anonmutate", {"evict": "pagout"}, ["unknown value 'pagout'; allowed: auto, pageout, memcg; did you mean"]),
        ("anonmutate", {"mutators": 60, "evictors": 4}, ["65 threads (mutators + evictors + verify-"]),
        ("anonmutate", {"thp": "madvise", "shared": True, "compact": True, "reclaimers": 1, "window-us": 100}, []),
        ("anonmutate", {"thp": "yes"}, ["unknown value 'yes'; allowed: never, madvise, always"]),
        ("pressure", {"threads": 65}, ["65 threads (threads); at most 64"]),
        ("directmutate", {"device": "/dev/zram1"}, []),
        ("fsmutate", {"mode": "gup", "io-uring": True}, []),
        ("fsmutate", {"mode": "direct"}, ["unknown value 'direct'; allowed: odirect, mmap, buffered"]),
        ("of-my-own", {"anything": 1}, []),
    ],
)  # fmt: skip
def test_wrong_arguments(program: str, args: dict[str, object], wrong: list[str]) -> None:
    found = [text for _, text in table().faults(program, args)]
    assert len(found) == len(wrong)
    assert all(want in text for want, text in zip(wrong, found, strict=True)), found


def test_a_workload_reports_what_it_counts() -> None:
    assert table().counter_fault("anonmutate", "evicted") == ""
    assert "does not report 'evictd'; allowed: mutated, evicted" in table().counter_fault("anonmutate", "evictd")


def test_errors_of_the_table_have_a_place() -> None:
    with pytest.raises(GrammarErrors, match=r"w\.yaml:2:40: workloads\.x\.threads\[0\]: no argument 'y'"):
        table("workloads:\n  x: {meaning: m, zram: raw, threads: [y], arguments: {}}\n")
    with pytest.raises(GrammarErrors, match=r"w\.yaml:1:35: workloads\.x\.zram: unknown value 'swp'"):
        table("workloads: {x: {meaning: m, zram: swp}}")


def test_counters_agree_with_what_the_guest_reads() -> None:
    """kzwatch names every counter but those of the instruments; a row here that it does not read is a lie."""
    text = (SOURCES / "counters.c").read_text()
    block = text[text.index("sources[MAX_SOURCES] = {") : text.index("source_count = ")]
    block = re.sub(r"/\*.*?\*/", "", block, flags=re.DOTALL)
    found = set()
    for path, _, names, prefix in re.findall(r'\{ "([^"]+)", (\w+),\s*((?:"[^"]*"\s*)+), "([^"]*)"', block):
        words = "".join(re.findall(r'"([^"]*)"', names)).split()
        found |= {(path, prefix + word.partition("=")[2] if "=" in word else prefix + word) for word in words}
    found = {(path, name) for path, name in found if not name.endswith("-")}
    found |= {("/proc/pressure/memory", f"psi.memory.{name}") for name in re.findall(r'prefix, "(\w+_us)"', text)}
    rows = {(row.origin, row.name) for row in counters.COUNTERS if row.group and row.group not in {"fault", "fs"}}
    assert rows == found
    assert '"injected", "fault."' in text
    assert """say sample counters:='{"fs.mounted":1}'""" in (ROOT / "rootfs" / "init").read_text()


def test_counters_agree_with_the_instruments() -> None:
    """Every file that a series of ours puts into debugfs zram_overrun/ has a row, and no other has."""
    found: dict[str, set[str]] = {}
    marks: dict[str, set[str]] = {}  # a counter of the detector's table may be there with another series only
    for path in (ROOT / "kernels" / "patches").rglob("*.*"):
        if path.suffix not in {".patch", ".c"}:
            continue
        text = "\n".join(line for line in path.read_text().splitlines() if line.startswith("+") or path.suffix == ".c")
        series = path.relative_to(ROOT / "kernels" / "patches").parts[0]
        for mark in re.findall(r"^\+ZRAM_OVERRUN_COUNTS\((\w+)\);", text, re.MULTILINE):
            marks.setdefault(mark, set()).add(series)
        names = re.findall(r'^\s*\[ZRAM_OVERRUN_\w+\] = \{ "(\w+)" \}', text, re.MULTILINE)
        names += re.findall(r'debugfs_create_file_unsafe\("(\w+)"', text)
        names += re.findall(r'^\t\[[\w +]+\] = "(\w+)",$', text, re.MULTILINE)  # a table of names alone
        for name in names:
            found.setdefault(name, set()).add(series)
    table = (ROOT / "kernels/patches/overrun-detector/zram_overrun.c").read_text()
    for name, mark in re.findall(r'^\s*\[ZRAM_OVERRUN_\w+\] = \{ "(\w+)", OF\((\w+)\) \}', table, re.MULTILINE):
        found.setdefault(name, set()).update(marks[mark])
    rows = {row.name: set(row.origin.removeprefix("series ").split(", ")) for row in counters.COUNTERS if not row.group}
    assert rows == found


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("recompressions", ""),
        ("my_own_counter", ""),
        ("workload.evicted", ""),
        ("vmstat.pswpout", ""),
        ("recompresions", "unknown counter 'recompresions'; did you mean recompressions?"),
        ("vmstat.pswout", "did you mean vmstat.pswpout?"),
        ("vmstat.pswpout_", "did you mean vmstat.pswpout?"),
        ("psi.memory.som_us", "did you mean psi.memory.some_us?"),
        ("zram.wries", "did you mean zram.writes?"),
        ("vmsat.pswpout", "unknown group of counters 'vmsat'; allowed: zram, vmstat, mem, psi, fs, fault, workload"),
        ("a b", "'a b' is not the name of a counter"),
    ],
)
def test_misspelled_counters(name: str, told: str) -> None:
    assert told in counters.fault_of(name)
    assert bool(told) == bool(counters.fault_of(name))
