"""A source is one shape a kind; what earlier versions wrote (all fields of all kinds) is still read."""

from typing import Any

import pytest

from kzram_ci.model import codec
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import (
    DebianSource,
    DirectorySource,
    ImageSource,
    LocalGit,
    LocalTarball,
    RemoteGit,
    RemoteTarball,
    Source,
    SourceKind,
    source_of,
)

EMPTY = dict.fromkeys(("package", "suite", "path", "url", "ref", "sha256", "modules", "config", "debug"), "")
SHA = "0" * 64
EACH: list[tuple[dict[str, str], Source, str]] = [
    (
        {"kind": "debian", "package": "linux-source-6.1", "suite": "bookworm"},
        DebianSource(package="linux-source-6.1", suite="bookworm"),
        "debian:linux-source-6.1@bookworm",
    ),
    ({"kind": "directory", "path": "/linux"}, DirectorySource(path="/linux"), "directory:/linux"),
    ({"kind": "git", "path": "/r", "ref": "v6.13"}, LocalGit(path="/r", ref="v6.13"), "git:/r@v6.13"),
    ({"kind": "git", "url": "x://r", "ref": "HEAD"}, RemoteGit(url="x://r", ref="HEAD"), "git:x://r@HEAD"),
    ({"kind": "tarball", "path": "/l.tar", "sha256": SHA}, LocalTarball(path="/l.tar", sha256=SHA), "tarball:/l.tar"),
    ({"kind": "tarball", "url": "x://l", "sha256": SHA}, RemoteTarball(url="x://l", sha256=SHA), "tarball:x://l"),
    ({"kind": "image", "path": "/boot/i", "config": "/c"}, ImageSource(path="/boot/i", config="/c"), "image:/boot/i"),
]


@pytest.mark.parametrize(("fields", "value", "words"), EACH)
def test_what_was_written_with_all_fields_is_read(fields: dict[str, str], value: Source, words: str) -> None:
    old: dict[str, Any] = {"name": "k", "source": {**EMPTY, **fields}}
    spec = codec.from_json(KernelSpec, old)
    assert spec.source == value
    assert value.words() == words


@pytest.mark.parametrize(("fields", "value", "words"), EACH)
def test_there_and_back(fields: dict[str, str], value: Source, words: str) -> None:
    spec = KernelSpec(name="k", source=value)
    data = codec.to_json(spec)
    assert {name: word for name, word in data["source"].items() if word} == fields
    assert codec.from_json(KernelSpec, data) == spec


@pytest.mark.parametrize(("fields", "value", "words"), EACH)
def test_from_fields(fields: dict[str, str], value: Source, words: str) -> None:
    given = {**EMPTY, **fields}
    assert source_of(SourceKind(given.pop("kind")), given) == value


def test_a_stored_source_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="path is empty"):
        codec.from_json(KernelSpec, {"name": "k", "source": {**EMPTY, "kind": "git", "ref": "v6.13"}})


@pytest.mark.parametrize(("package", "ready"), [("linux-image-amd64", True), ("linux-source-6.1", False)])
def test_a_package_is_ready_or_source(package: str, ready: bool) -> None:
    assert DebianSource(package=package).ready is ready
