import os
import re
import subprocess
from pathlib import Path

import pytest
from bzimage import bzimage
from noted import notes

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.kernel import source
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.source import apt, debian
from kzram_ci.model.events import Event
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.source import DebianSource

RELEASE = "6.1.0-56-cloud-amd64"
APT = """\
#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *update) exit 0 ;;
esac
for last; do :; done
cp {pool}/$last.deb . 2>/dev/null || {{ echo "E: Unable to locate package $last" >&2; exit 100; }}
"""


class Archive:
    """A pool of packages made by dpkg-deb, behind an apt-get that takes them from there."""

    def __init__(self, root: Path) -> None:
        self.root, self.pool, self.log = root, root / "pool", root / "apt.log"
        self.pool.mkdir()
        tools = root / "bin"
        tools.mkdir()
        (tools / "apt-get").write_text(APT.format(log=self.log, pool=self.pool))
        (tools / "apt-get").chmod(0o755)

    def add(self, name: str, version: str, *files: str, depends: str = "") -> None:
        tree = self.root / "trees" / f"{name}-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: x <x@example.org>\n"
            f"{f'Depends: {depends}' if depends else 'Section: kernel'}\nDescription: x\n"
        )
        for path in files:
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            release = re.findall(r"[1-9][\w.+-]+-amd64", path) if "vmlinuz" in path else []
            (tree / path).write_bytes(bzimage(release[0]) if release else b"\0" * 8192)
        deb = self.pool / f"{name}.deb"
        subprocess.run(("dpkg-deb", "-b", "--root-owner-group", tree, deb), check=True, capture_output=True)

    def asked(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split()[-1] for line in lines if " download " in line]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    made = Archive(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "_refreshed", set())
    return made


def image(
    tmp_path: Path, package: str, *, refresh: bool = False, offline: bool = False, events: list[Event] | None = None
) -> KernelImage | None:
    ref = DebianSource(package=package)
    return source.ready(
        ref,
        source.Context(
            cache=tmp_path / "cache", deadline=Deadline.after(60), refresh=refresh, offline=offline,
            listener=(events if events is not None else []).append,
        ),
        name="distro", arch="x86_64",
    )  # fmt: skip


def test_a_metapackage_gives_the_kernel_it_stands_for(archive: Archive, tmp_path: Path) -> None:
    boot, library = f"boot/vmlinuz-{RELEASE}", f"lib/modules/{RELEASE}"
    archive.add("linux-image-cloud-amd64", "6.1.192-2", depends=f"linux-image-{RELEASE} (= 6.1.192-2)")
    depends = "kmod, linux-base (>= 4.3~), initramfs-tools | linux-initramfs-tool"
    archive.add(
        f"linux-image-{RELEASE}",
        "6.1.192-2",
        boot,
        f"{library}/kernel/zram.ko",
        f"boot/config-{RELEASE}",
        depends=depends,
    )
    events: list[Event] = []
    found = image(tmp_path, "linux-image-cloud-amd64", events=events)
    assert found is not None
    assert found.release == RELEASE
    assert found.modules.endswith(library)
    assert Path(found.image).is_file() and Path(found.config).is_file()
    assert archive.asked() == ["linux-image-cloud-amd64", f"linux-image-{RELEASE}"]
    assert any(f"linux-image-{RELEASE} 6.1.192-2" in text for text in notes(events)), "it says its version"
    assert image(tmp_path, "linux-image-cloud-amd64") == found
    assert len(archive.asked()) == 2, "a download stays"


def test_a_kernel_split_into_packages(archive: Archive, tmp_path: Path) -> None:
    """As Debian does since 7.x: the image beside its modules, in a package of its own."""
    release = "7.2.13+deb14-cloud-amd64"
    parts = f"linux-binary-{release} (= 7.2.13-1), linux-modules-{release} (= 7.2.13-1), linux-base"
    archive.add(f"linux-image-{release}", "7.2.13-1", depends=parts)
    archive.add(f"linux-binary-{release}", "7.2.13-1", f"usr/lib/modules/{release}/vmlinuz")
    archive.add(f"linux-modules-{release}", "7.2.13-1", f"usr/lib/modules/{release}/kernel/zram.ko.xz")
    found = image(tmp_path, f"linux-image-{release}")
    assert found is not None
    assert found.modules == str(Path(found.image).parent)
    assert Path(found.modules, "kernel/zram.ko.xz").is_file()


def test_refresh_asks_once_for_a_newer_one(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = "linux-image-6.1.0-1-amd64"
    archive.add(package, "6.1.1-1", "boot/vmlinuz-6.1.0-1-amd64")
    first = image(tmp_path, package)
    archive.add(package, "6.1.2-1", "boot/vmlinuz-6.1.0-1-amd64", "lib/modules/vmlinuz/a.ko")
    assert image(tmp_path, package, refresh=True) == first, "what this process fetched is fresh"
    monkeypatch.setattr(debian, "_refreshed", set())  # the next process
    assert image(tmp_path, package) == first
    image(tmp_path, package, refresh=True)
    manifest = (tmp_path / "cache/downloads" / f"debian-{package}-host" / "manifest.json").read_text()
    assert "6.1.2-1" in manifest
    image(tmp_path, package, refresh=True)
    assert len(archive.asked()) == 2, "the kernels of one run share a source"


def test_offline_is_never_asked(archive: Archive, tmp_path: Path) -> None:
    assert image(tmp_path, "linux-image-amd64", offline=True) is None
    assert archive.asked() == []


def test_a_package_without_a_kernel(archive: Archive, tmp_path: Path) -> None:
    archive.add("linux-image-amd64", "1", "boot/nothing")
    with pytest.raises(UserError, match="holds no vmlinuz"):
        image(tmp_path, "linux-image-amd64")
    with pytest.raises(UserError, match="no package linux-image-other"):
        image(tmp_path, "linux-image-other")


@pytest.mark.parametrize(
    ("package", "arch"),
    [
        ("linux-image-cloud-amd64", ""),
        ("linux-image-6.12.117+deb13-arm64", "arm64"),
        ("linux-image-arm64-16k", "arm64"),
        ("linux-source-6.12", ""),
    ],
)
def test_a_kernel_of_another_architecture_comes_from_its_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, arch: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    ref = DebianSource(package=package)
    assert apt._foreign(ref) == arch
    words = apt._options(tmp_path, ref, arch)
    assert [word for word in words if "Architecture" in word] == (
        [f"APT::Architecture={arch}", f"APT::Architectures={arch}"] if arch else []
    )


def sources_list(tmp_path: Path, suite: str, mirror: str = "") -> str:
    ref = DebianSource(package="linux-image-amd64", suite=suite, mirror=mirror)
    options = apt._options(tmp_path / f"apt-{suite}", ref)
    assert "Dir::Etc::sourceparts=-" in options
    return (tmp_path / f"apt-{suite}/sources.list").read_text()


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a host's apt, empty."""
    (tmp_path / "etc/sources.list.d").mkdir(parents=True)
    (tmp_path / "keyring.gpg").touch()
    monkeypatch.setattr(apt, "ETC", tmp_path / "etc")
    monkeypatch.setattr(apt, "KEYRING", tmp_path / "keyring.gpg")
    monkeypatch.delenv(apt.VARIABLE, raising=False)
    return tmp_path / "etc"


def test_a_suite_comes_from_the_hosts_mirror(etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (etc / "sources.list").write_text("deb http://mirror.example.org/debian bookworm main\n")
    signed = f"deb [signed-by={tmp_path / 'keyring.gpg'}]"
    assert sources_list(tmp_path, "trixie") == f"{signed} http://mirror.example.org/debian trixie main\n"
    assert "mirror.example.org/debian-security/ trixie-security" in sources_list(tmp_path, "trixie-security")
    security = "Types: deb\nURIs: http://s.example.org/debian-security\nSuites: bookworm-security\nComponents: main\n"
    (etc / "sources.list.d/security.sources").write_text(security)
    (etc / "sources.list.d/old.list.save").write_text("deb http://old.example.org/debian-security trixie-security main")
    assert "s.example.org/debian-security sid-security" in sources_list(tmp_path, "sid-security")
    monkeypatch.setenv(apt.VARIABLE, "http://env.example.org/debian")
    assert "env.example.org/debian-security/ x-security" in sources_list(tmp_path, "x-security")
    assert "http://plan.example.org/debian sid" in sources_list(tmp_path, "sid", "http://plan.example.org/debian")


def test_a_host_without_a_mirror_learns_what_to_set(etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no Debian mirror is known for linux-image-amd64 in trixie") as caught:
        sources_list(tmp_path, "trixie")
    assert f"{apt.VARIABLE}=" in caught.value.hint
    assert "`mirror:`" in caught.value.hint
    monkeypatch.setenv(apt.VARIABLE, "mirror.example.org")
    with pytest.raises(UserError, match=r"'mirror\.example\.org' is not the URL of a mirror"):
        sources_list(tmp_path, "sid")


def test_a_source_that_nothing_offers_where_no_mirror_is_known(archive: Archive, etc: Path, tmp_path: Path) -> None:
    ref = DebianSource(package="linux-source-6.99")
    with pytest.raises(UserError, match=r"no package linux-source-6\.99 .* and no Debian mirror is known") as caught:
        source.fetch(ref, Context(cache=tmp_path / "cache", deadline=Deadline.after(60)))
    assert f"{apt.VARIABLE}=" in caught.value.hint


def test_a_mirror_of_the_plan_needs_a_suite(archive: Archive, tmp_path: Path) -> None:
    ref = DebianSource(package="linux-source-6.99", mirror="http://plan.example.org/debian")
    with pytest.raises(UserError, match="has a mirror and no suite"):
        source.fetch(ref, Context(cache=tmp_path / "cache", deadline=Deadline.after(60)))


ONLY_IN = """\
#!/bin/sh
# an archive that has the package in one suite only
case "$*" in
  *update) for word; do case $word in Dir::Etc::sourcelist=*) cp "${{word#*=}}" {seen} ;; esac; done; exit 0 ;;
esac
for last; do :; done
grep -q " {suite} " {seen} 2>/dev/null && cp {pool}/$last.deb . && exit 0
echo "E: Unable to locate package $last" >&2; exit 100
"""


def test_a_source_the_host_does_not_offer_is_looked_for_in_debian(
    archive: Archive, etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (etc / "sources.list").write_text("deb http://mirror.example.org/debian bookworm main\n")
    archive.add("linux-source-6.99", "6.99.1-1", "usr/src/linux-source-6.99.tar.xz")
    script = ONLY_IN.format(seen=tmp_path / "suites", suite="trixie", pool=archive.pool)
    (tmp_path / "bin" / "apt-get").write_text(script)
    monkeypatch.setattr(apt, "elsewhere", lambda: ("bookworm-security", "trixie"))
    events: list[Event] = []
    ref = DebianSource(package="linux-source-6.99")
    context = source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60), listener=events.append)
    tree = source.fetch(ref, context)
    assert tree.version == "6.99.1-1"
    assert any("looking in Debian's trixie" in text for text in notes(events))
    wanted = DebianSource(package="linux-source-6.99", suite="bookworm")
    with pytest.raises(UserError, match=r"no package linux-source-6\.99 in bookworm"):
        source.fetch(wanted, context)


BEHIND = """\
#!/bin/sh
echo "$@" >> {log}
case "$*" in *update) exit 0 ;; esac
echo "Reading package lists..." >&2
printf '%s\\n' "{line}" >&2
exit 100
"""


@pytest.mark.parametrize(
    "line",
    [
        "E: Failed to fetch http://m.example.org/pool/l/linux_6.1_all.deb  404  Not Found [IP: 192.0.2.1 80]",
        "E: Failed to fetch http://m.example.org/x.deb  File has unexpected size (1 != 2). Mirror sync in progress?",
        "E: Failed to fetch http://m.example.org/x.deb  Hash Sum mismatch",
    ],
)
def test_a_mirror_that_lags_behind_its_index(archive: Archive, tmp_path: Path, line: str) -> None:
    (tmp_path / "bin" / "apt-get").write_text(BEHIND.format(log=archive.log, line=line))
    with pytest.raises(InfraError) as caught:
        image(tmp_path, "linux-image-cloud-amd64")
    assert caught.value.message == f"apt: {line}"
    assert "try again in an hour" in caught.value.hint
    assert archive.asked() == ["linux-image-cloud-amd64"], "apt itself asked again, as often as Acquire::Retries says"
    assert "Acquire::Retries=3" in archive.log.read_text()
    assert not list((tmp_path / "cache").glob("downloads/*/manifest.json"))


def test_where_a_package_may_be_depends_on_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    assert apt.elsewhere() == ("bookworm-security", "bookworm-backports", "trixie-security", "trixie")
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "ubuntu", "VERSION_CODENAME": "noble"})
    assert apt.elsewhere() == ("trixie-security", "trixie")
