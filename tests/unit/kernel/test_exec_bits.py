from pathlib import Path

from tiny_source import write_tree

from kzram_ci.base.clock import Deadline
from kzram_ci.kernel import kbuild, source
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kbuild.exec_bits import restore
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.model.events import Event, Note
from kzram_ci.model.source import DirectorySource

SCRIPT = "#!/bin/sh\n"


def write(root: Path, *, mode: int = 0o644, **content: str) -> None:
    for name, text in content.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)


def runs(root: Path, name: str) -> bool:
    return bool((root / name).stat().st_mode & 0o111)


def test_a_tree_that_lost_them_gets_them_back_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, scripts__a_DOT_sh=SCRIPT, scripts__mkcompile=SCRIPT, usr__gen_DOT_sh=SCRIPT, tools__b_DOT_pl=SCRIPT)
    write(tmp_path, scripts__data_DOT_awk="no script\n", scripts__Makefile="x:\n", lib__README="#! title\n")
    write(tmp_path, out__scripts__x_DOT_sh=SCRIPT, _DOT_git__hooks__y_DOT_sh=SCRIPT)
    assert restore(tmp_path, leave="out") == ("scripts/a.sh",)
    for name in ("scripts/a.sh", "scripts/mkcompile", "usr/gen.sh", "tools/b.pl"):
        assert runs(tmp_path, name), name
    for name in ("scripts/data.awk", "scripts/Makefile", "lib/README", "out/scripts/x.sh", ".git/hooks/y.sh"):
        assert not runs(tmp_path, name), name
    assert restore(tmp_path, leave="out") == ()


def test_a_healthy_tree_has_some_that_never_were(tmp_path: Path) -> None:
    write(tmp_path, mode=0o755, scripts__a_DOT_sh=SCRIPT, scripts__b_DOT_sh=SCRIPT)
    write(tmp_path, scripts__c_DOT_sh=SCRIPT)
    assert restore(tmp_path, leave="out") == ()
    assert runs(tmp_path, "scripts/c.sh")


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "host", tool_DOT_sh=SCRIPT)
    (tmp_path / "tree/scripts").mkdir(parents=True)
    (tmp_path / "tree/scripts/tool.sh").symlink_to(tmp_path / "host/tool.sh")
    (tmp_path / "tree/scripts/gone.sh").symlink_to("nowhere")
    assert restore(tmp_path / "tree", leave="out") == ()
    assert not runs(tmp_path, "host/tool.sh")


def test_of_a_tree_that_was_looked_through_the_changes_are_enough(tmp_path: Path) -> None:
    write(tmp_path, scripts__a_DOT_sh=SCRIPT, scripts__mkcompile=SCRIPT, usr__gen_DOT_sh=SCRIPT, usr__gen=SCRIPT)
    (tmp_path / "usr/link.sh").symlink_to("gen")
    only = {"scripts/mkcompile", "usr/gen.sh", "usr/gen", "usr/link.sh", "scripts/gone.sh"}
    assert restore(tmp_path, leave="out", only=only) == ()
    every = ("scripts/a.sh", "scripts/mkcompile", "usr/gen.sh", "usr/gen")
    assert [name for name in every if runs(tmp_path, name)] == ["scripts/mkcompile", "usr/gen.sh"]


def test_a_read_only_file_is_no_hindrance(tmp_path: Path) -> None:
    write(tmp_path, mode=0o444, scripts__a_DOT_sh=SCRIPT)
    assert restore(tmp_path, leave="out") == ("scripts/a.sh",)
    assert (tmp_path / "scripts/a.sh").stat().st_mode & 0o777 == 0o555


def test_a_source_without_exec_bits_is_built_and_stays_as_it_was(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "mine")
    (tree / "scripts/run.sh").write_text("#!/bin/sh\necho int run\\;\n")
    text = (tree / "Makefile").read_text()
    (tree / "Makefile").write_text(text.replace("tinyconfig:\n", "tinyconfig:\n\t@scripts/run.sh\n", 1))
    events: list[Event] = []
    context = Context(cache=tmp_path / "cache", deadline=Deadline.after(60), jobs=1, listener=events.append)
    fetched = source.fetch(DirectorySource(path=str(tree)), context)
    fragment = Fragment(name="f.config", text="CONFIG_B=y\n")
    for name in ("stock", "again"):
        make_vars = (("NAME", name),)
        inputs = kbuild.Inputs(name=name, arch="x86_64", tree=fetched, fragments=(fragment,), make_vars=make_vars)
        assert Path(kbuild.build(inputs, context).image).is_file()
    notes = [event.text for event in events if isinstance(event, Note)]
    assert [note.startswith("scripts/run.sh not executable in this source") for note in notes].count(
        True
    ) == 1  # told once
    assert not runs(tree, "scripts/run.sh")
