"""build: words to kernels, without a compiler."""

from __future__ import annotations

import json

import pytest
from answer_schemas import check

from kzram_ci.base.errors import UserError
from kzram_ci.cli.main import main
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.run import kernels
from kzram_ci.run.kernels import specs_of


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[KernelSpec, KernelContext]]:
    """What would be built."""
    found: list[tuple[KernelSpec, KernelContext]] = []

    def image_for(spec: KernelSpec, context: KernelContext) -> KernelImage:
        found.append((spec, context))
        seconds = 41.0 if spec.name == "stock" else 0.0
        return KernelImage(
            key="k", name=spec.name, arch="x86_64", release="6.12.9", image=f"/{spec.name}", seconds=seconds,
            cached=not seconds,
        )  # fmt: skip

    monkeypatch.setattr(kernels, "image_for", image_for)
    return found


def test_it_names_each_kernel_and_where_it_is(
    asked: list[tuple[KernelSpec, KernelContext]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(("build", "stock", "unstable", "-j", "3", "--refresh")) == 0
    assert capsys.readouterr().out == ("stock  6.12.9  built in 41 s\n  /stock\nunstable  6.12.9  ready\n  /unstable\n")
    assert [(spec.name, context.jobs, context.refresh) for spec, context in asked] == [
        ("stock", 3, True),
        ("unstable", 3, True),
    ]


def test_json_for_programs(asked: list[tuple[KernelSpec, KernelContext]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("build", "git:/linux@v6.13", "--json")) == 0
    (row,) = found = json.loads(capsys.readouterr().out)
    check("build", found)
    assert row["image"] == f"/{row['name']}"
    assert asked[0][0].source.words() == "git:/linux@v6.13"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stock", "--kernel", "unst*"), "--kernel unst* is not a source"),
        (("stok",), "unknown kernel 'stok'"),
    ],
)
def test_errors_come_before_any_build(
    asked: list[tuple[KernelSpec, KernelContext]], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert main(("build", *words)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not asked


def test_kernels_on_several_sources() -> None:
    found = specs_of(("stock", "unstable"), ("directory:/a", "git:/b@v1"))
    assert len({spec.name for spec in found}) == 4
    assert {spec.source.words() for spec in found} == {"directory:/a", "git:/b@v1"}
    with pytest.raises(UserError, match="cannot be put into a ready image"):
        specs_of(("unstable",), ("image:/boot/vmlinuz",))
