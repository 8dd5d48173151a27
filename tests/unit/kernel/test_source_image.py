from pathlib import Path

import pytest
from bzimage import bzimage

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.kernel import source
from kzram_ci.kernel.source import image
from kzram_ci.model.arch import ARCHS
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.source import SourceKind, source_of

RELEASE = "6.1.0-56-cloud-amd64"


def image_at(path: Path, release: str = RELEASE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bzimage(release))
    return path


def describe(tmp_path: Path, path: Path, *, arch: str = "x86_64", **fields: str) -> KernelImage:
    ref = source_of(SourceKind.IMAGE, {"path": str(path), **fields})
    found = source.ready(
        ref, source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60)), name="distro", arch=arch
    )
    assert found is not None
    return found


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


@pytest.mark.parametrize("library", ["lib/modules", "usr/lib/modules"])
def test_as_installed(tmp_path: Path, library: str) -> None:
    root = tmp_path / "root"
    image = image_at(root / "boot" / "vmlinuz-any-name")
    config, debug = root / "boot" / f"config-{RELEASE}", root / "usr/lib/debug/boot" / f"vmlinux-{RELEASE}"
    touch(root / library / RELEASE / "kernel" / "zram.ko.xz", config, debug)
    found = describe(tmp_path, image)
    assert (found.release, found.image, found.config, found.vmlinux) == (RELEASE, str(image), str(config), str(debug))
    assert found.modules == str(root / library / RELEASE)
    assert found.cached


def test_the_image_beside_its_modules(tmp_path: Path) -> None:
    image = image_at(tmp_path / "usr/lib/modules" / RELEASE / "vmlinuz")
    assert describe(tmp_path, image).modules == str(image.parent)


def test_an_image_alone(tmp_path: Path) -> None:
    found = describe(tmp_path, image_at(tmp_path / "bzImage"))
    assert (found.modules, found.config, found.vmlinux) == ("", "", "")


def test_a_build_tree(tmp_path: Path) -> None:
    image = image_at(tmp_path / "linux/arch/x86/boot/bzImage")
    touch(tmp_path / "linux/.config", tmp_path / "linux/vmlinux")
    found = describe(tmp_path, image)
    assert (found.config, found.vmlinux) == (str(tmp_path / "linux/.config"), str(tmp_path / "linux/vmlinux"))


def test_what_the_user_names_wins_and_must_be_there(tmp_path: Path) -> None:
    image = image_at(tmp_path / "boot/vmlinuz")
    touch(tmp_path / "lib/modules" / RELEASE / "a.ko", tmp_path / "mine/a.ko")
    assert describe(tmp_path, image, modules=str(tmp_path / "mine")).modules == str(tmp_path / "mine")
    with pytest.raises(UserError, match="does not exist"):
        describe(tmp_path, image, debug=str(tmp_path / "nowhere"))


def test_the_key_covers_image_and_modules(tmp_path: Path) -> None:
    image = image_at(tmp_path / "boot/vmlinuz")
    keys = {describe(tmp_path, image).key}
    touch(tmp_path / "lib/modules" / RELEASE / "a.ko")
    keys.add(describe(tmp_path, image).key)
    image_at(image, "6.1.0-57")
    keys.add(describe(tmp_path, image).key)
    assert len(keys) == 3


def test_another_architecture_tells_its_release_by_name(tmp_path: Path) -> None:
    path = tmp_path / "boot" / "vmlinuz-6.1.0-13-arm64"
    path.parent.mkdir()
    path.write_bytes(b"\0" * 8192)
    assert describe(tmp_path, path, arch="arm64").release == "6.1.0-13-arm64"


def test_an_image_is_for_what_its_header_says(tmp_path: Path) -> None:
    for row in ARCHS:
        at, magic = row.magic
        path = tmp_path / row.name / "Image"
        path.parent.mkdir()
        banner = b"Linux version 6.12.1-own (builder) #1"
        head = bytearray(bytes(at) + magic + bytes(0x30000 - at - len(magic)))
        if row.wide is not None and row.bits == 64:  # x86 has one header for both
            head[row.wide[0]] |= row.wide[1]
        path.write_bytes(head + banner)
        assert image.arch_of_image(path) == row.name
        if row.name == "x86_64":
            continue
        with pytest.raises(UserError, match=f"is a kernel for {row.name}, not for x86_64") as caught:
            describe(tmp_path, path)
        assert caught.value.hint == f"--arch {row.name}"
        assert row.directory == "x86" or image._release(path) == "6.12.1-own"


def test_an_image_of_32_bits_has_the_same_header(tmp_path: Path) -> None:
    path = image_at(tmp_path / "bzImage")
    path.write_bytes(path.read_bytes().replace(b"\1", b"\0", 1))
    assert (image.arch_of_image(path), image._release(path)) == ("i386", RELEASE)


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a file"):
        describe(tmp_path, tmp_path / "nowhere")
    (tmp_path / "noise").write_bytes(b"noise" * 0x1000)
    with pytest.raises(UserError, match="is not a kernel image"):
        describe(tmp_path, tmp_path / "noise")
    (tmp_path / "small").write_text("no kernel")
    with pytest.raises(UserError, match="is not a kernel image"):
        describe(tmp_path, tmp_path / "small")
