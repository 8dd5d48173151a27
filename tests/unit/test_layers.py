"""Policy is a test: imports point down, pure modules stay pure, and each door to the world has one keeper."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "kzram_ci"

# Room: floor. A module imports its own room, or rooms on lower floors; rooms on one floor do not see each other.
FLOORS = {
    "base": 0,
    "model": 1,
    "store": 1,
    "guest": 2,
    "kernel": 2,
    "ktap": 2,
    "oops": 2,
    "plan": 2,
    "verdict": 2,
    "vm": 2,
    "results": 3,
    "run": 4,
    "bisect": 5,
    "trial": 5,
    "farm": 5,
    "host": 5,
    "watch": 6,
    "cli": 7,
    "__main__": 8,
}
# base has an order of its own, so that errors stay free of everything and proc of files
BASE = {
    "errors": 0,
    "expressions": 0,
    "packages": 0,
    "reaper": 0,
    "values": 0,
    "clock": 1,
    "needs": 1,
    "priority": 1,
    "proc": 2,
}
# So has bisect: its rooms, and what brings them together
BISECT = {"belief": 0, "session": 1, "reports": 2, "run": 3}
# A pure module sees no process, clock or file. A name stands for a module or for all below it;
PURE = (
    "base.escaped",
    "base.grammar",
    "base.patterns",
    "base.suggest",
    "base.units",
    "bisect.belief",
    "bisect.reports",
    "bisect.session.choice",
    "bisect.session.findings",
    "bisect.session.model",
    "bisect.session.observations",
    "bisect.session.wanted",
    "farm.address",
    "farm.messages",
    "guest.conf",
    "guest.cpio",
    "guest.executables",
    "guest.kernel_lines",
    "guest.libraries",
    "guest.messages",
    "guest.modinfo",
    "guest.schema",
    "kernel.buildfixes",
    "kernel.compilers",
    "kernel.compressors",
    "kernel.diff",
    "kernel.fix_schema",
    "kernel.fragments",
    "kernel.hooks",
    "kernel.kbuild.causes",
    "kernel.kbuild.inputs",
    "kernel.kbuild.log",
    "kernel.kbuild.provenance",
    "kernel.kconfig",
    "kernel.letter",
    "kernel.mail",
    "kernel.mechanism",
    "kernel.posted",
    "kernel.presence",
    "kernel.products",
    "kernel.recipe",
    "kernel.schema",
    "kernel.series",
    "kernel.source.aptsources",
    "kernel.tools",
    "ktap",
    "model",
    "oops",
    "plan",
    "results.reports",
    "run.retarget",
    "run.boot_limits",
    "run.boot_state",
    "store.index",
    "verdict",
    "trial.costs",
    "trial.decide",
    "trial.findings",
    "trial.idle",
    "trial.luck",
    "trial.model",
    "trial.records",
    "trial.reports",
    "trial.seen",
    "trial.silence",
    "trial.warnings",
    "vm.argv",
    "vm.by_hand",
    "vm.tiny_guest",
    "watch.decide",
    "watch.model",
    "watch.report",
)
EDGE = (
    "base.grammar.read",
    "bisect.reports.files",
    "kernel.mechanism.data",
    "oops.blame",
    "oops.capture",
    "oops.catalogue",
    "oops.checkout",
    "oops.helpers",
    "oops.symbolize",
    "plan.kernels",
    "plan.load",
    "plan.tables",
    "results.reports.html",
    "bisect.reports.html",
)
# Knowledge that rooms on the same floor may ask: pure, and it stands on nothing of its own room.
SHARED = ("kernel.mechanism", "oops.lines")
DOORS = (
    "kzram_ci.base.proc",
    "kzram_ci.base.clock",
    "kzram_ci.base.files",
    "kzram_ci.base.library",
    "kzram_ci.base.spans",
    "fcntl",
    "io",
    "os",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
)
FILE_CALLS = frozenset(
    {"read_text", "read_bytes", "write_bytes", "write_text", "unlink", "mkdir", "rename", "glob", "stat"}
)
KEEPERS = {"subprocess": "kzram_ci.base.proc", "time": "kzram_ci.base.clock"}
# A command imports so many modules of ours at most
MOST_USED = 8
SHELLS = ("shell=True", "os.system(", "os.popen(")


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    return name.split(".")[1]


def below(name: str, prefixes: tuple[str, ...]) -> bool:
    short = name.removeprefix("kzram_ci.")
    return any(short == prefix or short.startswith(prefix + ".") for prefix in prefixes)


def pure(name: str) -> bool:
    return below(name, PURE) and not below(name, EDGE)


def may_import(importer: str, imported: str) -> bool:
    mine, its = room(importer), room(imported)
    if mine == its == "base":
        rank = [BASE.get(name.split(".")[2] if name.count(".") > 1 else "", 3) for name in (importer, imported)]
        return rank[1] <= rank[0]
    if mine == its == "bisect":
        inner = [BISECT.get(name.split(".")[2] if name.count(".") > 1 else "", 9) for name in (importer, imported)]
        return inner[1] <= inner[0]
    if below(importer, SHARED):
        return below(imported, SHARED) or FLOORS[its] < FLOORS[mine]
    shared = below(imported, SHARED) and FLOORS[its] == FLOORS[mine]
    return mine == its or shared or FLOORS[its] < FLOORS[mine]


def test_every_module_stands_in_a_room() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}
    assert {room(name) for name, _ in modules() if name != "kzram_ci"} == set(FLOORS)


def test_every_room_says_what_it_is_for() -> None:
    for name in set(FLOORS) - {"__main__"}:
        text = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text())) or ""
        assert len(text.split()) >= 25, f"{name}: say what it is for, what it may import, how to add to it"
        assert "mport" in text, name


def test_imports_point_down() -> None:
    wrong = [
        f"{importer} -> {imported}"
        for importer, path in modules()
        for imported in imports(path)
        if importer != "kzram_ci" and imported.startswith("kzram_ci.") and imported != "kzram_ci.__version__"
        if not may_import(importer, imported)
    ]
    assert not wrong, "\n".join(wrong)


def at_once(tree: ast.Module | ast.If | ast.Try) -> Iterator[str]:
    """What a module imports while it is imported itself; not what waits in a function, or only types need."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Try) or (isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test)):
            yield from at_once(node)


def test_no_module_needs_itself() -> None:
    """Which module of a ring is imported first decides whether it works: some command would not start."""
    paths = dict(modules())
    needs: dict[str, set[str]] = {}
    for name, path in paths.items():
        found = {
            ".".join(parts[:end])
            for one in at_once(ast.parse(path.read_text()))
            for parts in [one.split(".")]
            for end in range(1, len(parts) + 1)
        }
        needs[name] = {one for one in found & set(paths) if one != name and not name.startswith(f"{one}.")}
    free: set[str] = set()
    while ready := {name for name, wanted in needs.items() if name not in free and wanted <= free}:
        free |= ready
    ring = {name: sorted(needs[name] - free) for name in set(needs) - free}
    assert not ring, "\n".join(f"{name} -> {', '.join(wanted)}" for name, wanted in sorted(ring.items()))


def test_the_lists_name_what_is_there() -> None:
    names = {name.removeprefix("kzram_ci.") for name, _ in modules()}
    assert set(PURE) | set(EDGE) <= names


def test_pure_modules_stay_pure() -> None:
    wrong = [
        f"{importer} -> {imported}"
        for importer, path in modules()
        if pure(importer)
        for imported in imports(path)
        if any(imported == door or imported.startswith(door + ".") for door in DOORS)
    ]
    wrong += [
        f"{name}:{node.lineno}: {called}"
        for name, path in modules()
        if pure(name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        if (called := getattr(node.func, "attr", "")) in FILE_CALLS or getattr(node.func, "id", "") == "open"
    ]
    assert not wrong, "\n".join(wrong)


def test_each_door_has_one_keeper() -> None:
    wrong = [
        f"{importer} imports {imported}"
        for importer, path in modules()
        for imported in imports(path)
        if (keeper := KEEPERS.get(imported.split(".")[0])) and importer != keeper
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_calls_a_shell() -> None:
    wrong = [f"{name}: {word}" for name, path in modules() for word in SHELLS if word in path.read_text()]
    assert not wrong, "\n".join(wrong)


def used_by(path: Path) -> set[str]:
    """The modules of ours that a file imports."""
    known = {name for name, _ in modules()}
    found = {name for name in imports(path) if name.startswith("kzram_ci.")}
    return {name if name in known else name.rpartition(".")[0] for name in found}


def test_commands_stay_thin() -> None:
    """Options in, a request, one call below, an exit code out: a command that imports more holds logic."""
    wrong = [
        f"{name} imports {len(used)}: {', '.join(sorted(used))}"
        for name, path in modules()
        if room(f"{name}.") == "cli" and len(used := used_by(path)) > MOST_USED
    ]
    assert not wrong, "\n".join(wrong)


def test_options_end_in_the_module_that_reads_them() -> None:
    takers = [
        (name, node.name)
        for name, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        if any("Namespace" in ast.unparse(arg.annotation) for arg in node.args.args if arg.annotation)
    ]
    readers = {
        name
        for name, path in modules()
        if any(f"def {made}(" in path.read_text() for made in ("add_parser", "parser_of"))
    }
    assert not [taker for taker in takers if taker[0] not in readers]


def test_modules_and_functions_stay_small() -> None:
    wrong = []
    for name, path in modules():
        text = path.read_text()
        if (lines := text.count("\n")) > 400:
            wrong.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                wrong += [f"{name}.{node.name}: {length} lines"] * (length > 60)
    assert not wrong, "\n".join(wrong)
