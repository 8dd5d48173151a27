"""Policy is a test: imports point down, and each door to the world has one keeper."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "kzram_ci"

# The first matching prefix decides. A module may import strictly lower layers, or its own subpackage.
LAYERS = (
    ("kzram_ci.base.errors", 0.0),
    ("kzram_ci.base.guardian", 0.0),
    ("kzram_ci.base.clock", 0.1),
    ("kzram_ci.base.proc", 0.2),
    ("kzram_ci.base", 0.3),
    ("kzram_ci.model", 1.0),
    ("kzram_ci.oops", 2.0),
    ("kzram_ci.archs", 2.0),
    ("kzram_ci.buildlog", 2.0),
    ("kzram_ci.cpio", 2.0),
    ("kzram_ci.kconfig", 2.0),
    ("kzram_ci.patchset", 2.0),
    ("kzram_ci.tiny_guest", 2.0),
    ("kzram_ci.plan", 2.2),
    ("kzram_ci.report", 2.2),
    ("kzram_ci.effects", 3.0),
    ("kzram_ci.run", 4.0),
    ("kzram_ci.bisect", 5.0),
    ("kzram_ci.cli", 6.0),
    ("kzram_ci.__main__", 7.0),
    ("kzram_ci", 2.1),  # single-file pure modules: kconfig, qemu_argv, judge, stats, cpio, …
)
PURE = (1.0, 3.0)  # layers in [1, 3) see no process, clock or disk
KEEPERS = {"subprocess": "kzram_ci.base.proc", "time": "kzram_ci.base.clock"}
SHELLS = ("shell=True", "os.system(", "os.popen(")


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def layer(name: str) -> float:
    if name == "kzram_ci":
        return -1.0  # the version only
    return next(rank for prefix, rank in LAYERS if name == prefix or name.startswith(prefix + "."))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def subpackage(name: str) -> str:
    return ".".join(name.split(".")[:3])


def test_imports_point_down() -> None:
    wrong = []
    for importer, path in modules():
        for imported in imports(path):
            if not imported.startswith("kzram_ci.") or importer == "kzram_ci":
                continue
            if imported == "kzram_ci.__version__":
                continue
            same = importer.split(".")[:2] == imported.split(".")[:2]
            stage = importer.startswith("kzram_ci.effects.")
            if stage and same:  # a stage never imports another stage, only its own subpackage
                ok = subpackage(importer) == subpackage(imported)
            else:
                ok = layer(imported) < layer(importer) or same
            if not ok:
                wrong.append(f"{importer} -> {imported}")
    assert not wrong, "\n".join(wrong)


def test_pure_layers_stay_pure() -> None:
    doors = ("kzram_ci.base.proc", "kzram_ci.base.clock", "kzram_ci.base.workspace", "subprocess", "socket", "time")
    wrong = [
        f"{importer} -> {imported}"
        for importer, path in modules()
        if PURE[0] <= layer(importer) < PURE[1]
        for imported in imports(path)
        if any(imported == door or imported.startswith(door + ".") for door in doors)
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
