"""Plans that were called good and could never run: each is wrong before anything is built, at its place."""

from pathlib import Path

import pytest

from kzram_ci.base import budget
from kzram_ci.base.budget import Memory
from kzram_ci.base.grammar.problems import GrammarErrors
from kzram_ci.base.library import Kind, Library
from kzram_ci.kernel import compressors
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DebianSource, DirectorySource
from kzram_ci.run.checks import checked_plan, version_of

ROOT = Path(__file__).resolve().parents[3]
PLAN = """\
name: p
kernels: [{name: k, base: stock%s}]
tests:
  t:
    workload: anonmutate
%s"""


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with 4 GiB, in an empty directory."""
    monkeypatch.setattr(budget, "memory", lambda: Memory(total=4096, available=2048))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def errors(kernel: str = "", test: str = "") -> list[str]:
    Path("p.yaml").write_text(PLAN % (kernel, "".join(f"    {line}\n" for line in test.splitlines())))
    with pytest.raises(GrammarErrors) as caught:
        checked_plan(Path("p.yaml"), Library())
    return [str(error) for error in caught.value.errors]


FILES = PLAN.replace("anonmutate", "fsmutate")


@pytest.mark.parametrize(
    ("kernel", "test", "line"),
    [
        ("", "", "p.yaml:5:5: tests.t.workload: fsmutate works on files: it needs a `filesystem`, such as ext4"),
        ("", "filesystem: ext4", "p.yaml:6:5: tests.t.filesystem: the config of k has no CONFIG_EXT4_FS: add_config"),
        (", add_config: [fs]", "filesystem: ext4\nexpect: derived", "p.yaml:7:5: tests.t.expect: what this comes to"),
        (", add_config: [fs]", "filesystem: {kind: ext5}", "filesystem.kind: unknown file system 'ext5'; allowed:"),
        (", add_config: [fs]", "filesystem: ext4\nzram: {swap: true}", "zram.swap: the device holds a file system or"),
    ],
)  # fmt: skip
def test_what_works_on_files(kernel: str, test: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_checks.PLAN", FILES)
    found = errors(kernel, test)
    assert any(line in error for error in found), found


def test_a_file_system_is_in_the_way_of_swap() -> None:
    [error] = errors(", add_config: [fs]", "filesystem: ext4")
    assert "p.yaml:6:5: tests.t.filesystem: anonmutate does not use files: a file system is in its way" in error


@pytest.mark.parametrize(
    ("kernel", "test", "line"),
    [
        (", add_series: [no-such]", "", "p.yaml:2:47: kernels[0].add_series[0]: no series 'no-such'; known: async"),
        (", add_series: [unstabel]", "", "did you mean unstable?"),
        (", add_config: [bas]", "", "p.yaml:2:47: kernels[0].add_config[0]: no fragment 'bas'; known: acpi"),
        (", arch: riscv46", "", "p.yaml:2:40: kernels[0].arch: unknown architecture 'riscv46'; allowed: x86_64"),
        (", arch: riscv64, config: [base, riscv46]", "", "p.yaml:2:64: kernels[0].config[1]: no fragment 'riscv46'"),
        (", series: [saved-clen]", "", "p.yaml:2:43: kernels[0].series[0]: series saved-clen requires unstable: put"),
        (", source: {kind: image, path: /boot/x}", "", "kernels[0].source: a ready image cannot be changed"),
        ("", "args: {pagez: 5}", "p.yaml:6:12: tests.t.args.pagez: anonmutate has no argument 'pagez'"),
        ("", "args: {pages: many}", "tests.t.args.pages: expected a whole number of at least 1, got 'many'"),
        ("", "args: {mutators: 99}", "args.mutators: 101 threads (mutators + evictors + verify-threads"),
        ("", "uid: 1000", "p.yaml:6:5: tests.t.uid: anonmutate runs as root only"),
        ("", "machine: {memory: 16T}", "p.yaml:6:15: tests.t.machine.memory: 16,777,216 MiB of memory, and this"),
        ("", "duration: 999999999999h", "p.yaml:6:15: tests.t.duration: 999999999999h is longer than any run"),
        ("", "machine: {boot-timeout: 31d}", "tests.t.machine.boot-timeout: 31d is longer than any run: at most 30d"),
        ("", "zram: {algorithm: lz4hc}", "p.yaml:6:12: tests.t.zram.algorithm: the config of k gives zram no lz4hc"),
        ("", "machine: {dump: on-crash}", "p.yaml:6:15: tests.t.machine.dump: no program could open a dump of k: give"),
        (", add_config: [vmcore]", "machine: {dump: always}", "unknown value 'always'; allowed: never, on-crash"),
        ("", "machine: {cmdline: [two words]}", "machine.cmdline[0]: 'two words' is several words; blanks"),
        ("", "zram: {size: 16T}", "zram.size: a zram device of 16777216 MiB needs 65536 MiB for its table"),
        ("", "expect: {floors: {vmstat.pswout: 1}}", "expect.floors.vmstat.pswout: unknown counter 'vmstat.pswout'"),
        ("", "expect: {floors: {workload.evictd: 1}}", "anonmutate does not report 'evictd'; allowed: mutated"),
        ("", "stop: {workload.evicted: 1}", "stop.workload.evicted: a cell cannot stop by what its workload"),
    ],
)  # fmt: skip
def test_what_could_never_run(kernel: str, test: str, line: str) -> None:
    found = errors(kernel, test)
    assert any(line in error for error in found), found
    assert len(found) == 1, found


def test_a_problem_of_many_cells_is_reported_once() -> None:
    text = "workload: anonmutate\nargs: {pagez: 5}\n"
    Path("p.yaml").write_text(
        "name: p\nkernels: [stock, unstable, saved-clen]\ndefaults: {"
        + ", ".join(text.splitlines())
        + "}\ntests: {a: {}}\n"
    )
    with pytest.raises(GrammarErrors) as caught:
        checked_plan(Path("p.yaml"), Library())
    [line] = str(caught.value).splitlines()
    assert line.startswith("p.yaml:3:41: defaults.args.pagez: ")
    assert line.endswith("did you mean pages? (cell stock/a and 2 others)")


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("expect: [{kernel: k, test: t, machine: {memory: 8T}}]", "p.yaml:6:41: expect[0].machine.memory: 8,388"),
        ("expect: [{kernel: k, floors: {workload.x: 1}}]", "p.yaml:6:31: expect[0].floors.workload.x: anon"),
        ("matrix: {axes: {memory: [512M, 8T]}}", "p.yaml:6:32: matrix.axes.memory[1]: 8,388,608 MiB of memory"),
        ("matrix: {axes: {size: {values: {s: {machine: {memory: 8T}}}}}}", "axes.size.values.s.machine.memory: 8"),
        ("machine: {memory: 8T}", "p.yaml:6:11: machine.memory: 8,388,608 MiB of memory"),
        ("defaults: {machine: {memory: 8T}}", "p.yaml:6:22: defaults.machine.memory: 8,388,608 MiB of memory"),
    ],
)  # fmt: skip
def test_a_field_is_blamed_where_it_was_written(where: str, line: str) -> None:
    Path("p.yaml").write_text(PLAN % ("", where + "\n"))
    with pytest.raises(GrammarErrors) as caught:
        checked_plan(Path("p.yaml"), Library())
    [found] = str(caught.value).splitlines()
    assert line in found


def test_what_a_named_file_gets_wrong_is_reported_in_that_file(host: Path) -> None:
    (host / "kernels/patches/mine").mkdir(parents=True)
    (host / "kernels/patches/mine/series.yaml").write_text("name: mine\nkind: fix\npatches: [1.patch]\n")
    (host / "kernels/config").mkdir()
    (host / "kernels/config/odd.config").write_text("CONFIG_ZRAM=maybe so\n")
    (host / "rootfs").mkdir()
    (host / "rootfs/rootfs.yaml").write_text("programs: {pressure: [src/pressure.c]}\n")
    found = errors(", add_series: [mine], add_config: [odd]")
    assert found[0].endswith(
        "patches/mine/series.yaml:3:11: patches[0]: 1.patch cannot be read: No such file or directory"
    )
    assert found[1].startswith(
        "p.yaml:2:67: kernels[0].add_config[0]: odd.config:1: not a config line: CONFIG_ZRAM=maybe so"
    )
    assert found[3].endswith(f"rootfs.yaml:1:23: programs.pressure[0]: {host}/rootfs/src/pressure.c does not exist")


def test_a_config_that_several_kernels_share_is_wrong_at_each_of_them(host: Path) -> None:
    """It is merged once."""
    (host / "kernels/config").mkdir(parents=True)
    (host / "kernels/config/odd.config").write_text("CONFIG_ZRAM=n\n")
    Path("p.yaml").write_text(
        "name: p\nkernels:\n"
        + "".join(f"  - {{name: {name}, base: stock, add_config: [odd]}}\n" for name in ("one", "two"))
        + "tests: {t: {workload: anonmutate}}\n"
    )
    with pytest.raises(GrammarErrors) as caught:
        checked_plan(Path("p.yaml"), Library())
    first, second = map(str, caught.value.errors)
    assert first.startswith("p.yaml:3:43: kernels[0].add_config[0]: CONFIG_ZRAM: ")
    assert second.startswith("p.yaml:4:43: kernels[1].add_config[0]: CONFIG_ZRAM: ")


def test_a_workload_that_the_guest_does_not_have(host: Path) -> None:
    (host / "rootfs/src").mkdir(parents=True)
    (host / "rootfs/src/pressure.c").write_text("")
    (host / "rootfs/rootfs.yaml").write_text("programs: {pressure: [src/pressure.c]}\n")
    assert errors() == [f"p.yaml:5:5: tests.t.workload: {host}/rootfs/rootfs.yaml does not build anonmutate (cell k/t)"]


def test_a_workload_of_ones_own_has_arguments_of_its_own(host: Path) -> None:
    (host / "rootfs/src").mkdir(parents=True)
    (host / "rootfs/src/mine.c").write_text("")
    (host / "rootfs/rootfs.yaml").write_text("programs: {mine: [src/mine.c]}\n")
    rows = "workloads: {mine: {meaning: m, zram: raw, arguments: {size: {type: count, meaning: m}}}}\n"
    (host / "rootfs/workloads.yaml").write_text(rows)
    text = (PLAN % ("", "    zram: {swap: false}\n    args: {size: 5}\n")).replace("anonmutate", "mine")
    Path("p.yaml").write_text(text)
    assert checked_plan(Path("p.yaml"), Library()).cells[0].workload.args == ("--size", "5")
    Path("p.yaml").write_text(text.replace("size: 5", "sise: 5"))
    with pytest.raises(GrammarErrors, match=r"args\.sise: mine has no argument 'sise' .*did you mean size\?"):
        checked_plan(Path("p.yaml"), Library())


@pytest.mark.parametrize("name", Library().names(Kind.PLAN))
def test_the_plans_that_ship_are_good(name: str) -> None:
    assert checked_plan(Library().plan(name), Library()).cells


def test_all_of_a_plan_is_wrong_at_once() -> None:
    found = errors(", add_series: [no-such]", "args: {pagez: 5}\nmachine: {memory: 8T}\nzram: {algorithm: deflate}")
    assert [error.split(": ")[1] for error in found] == [
        "kernels[0].add_series[0]", "tests.t.args.pagez", "tests.t.machine.memory", "tests.t.zram.algorithm",
    ]  # fmt: skip


def test_nothing_that_a_plan_names_is_started(host: Path) -> None:
    Path("p.yaml").write_text(PLAN % (""", make: {CC: 'sh -c "touch side-effect"'}""", ""))
    assert checked_plan(Path("p.yaml"), Library()).cells
    assert not (host / "side-effect").exists()


def test_versions_and_compressors() -> None:
    debian = KernelSpec(name="k", source=DebianSource(package="linux-source-6.12"))
    assert version_of(debian) == "6.12"
    assert version_of(KernelSpec(name="k", source=DirectorySource(path="/x"))) == ""
    old = {"CONFIG_CRYPTO_LZO": "y", "CONFIG_CRYPTO_ZSTD": "m", "CONFIG_CRYPTO_LZ4": "n"}
    assert compressors.offered(old, "6.1") == ("lzo", "lzo-rle", "zstd")
    assert compressors.offered(old, "6.12") == ()
    assert compressors.offered(old, "") == ("lzo", "lzo-rle", "zstd")
    assert compressors.offered({"CONFIG_ZRAM_BACKEND_842": "y"}, "7.3") == ("842",)


def test_one_mistake_is_reported_as_one(host: Path) -> None:
    """A series that cannot be read is not missing for those that require it; nor is a fragment's compressor."""
    for name, text in (("broken", "name: broken\nkind: fx\n"), ("next", "name: next\nkind: fix\nafter: [broken]\n")):
        (host / "kernels/patches" / name).mkdir(parents=True)
        (host / "kernels/patches" / name / "series.yaml").write_text(f"{text}patches: [1.patch]\n")
        (host / "kernels/patches" / name / "1.patch").write_text("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    [line] = errors(", add_series: [broken, next]")
    assert line.endswith("did you mean fix?")
    assert "broken/series.yaml:2:7: kind: unknown value 'fx'" in line
    [line] = errors(", config: [base, zrm]")
    assert "no fragment 'zrm'" in line
