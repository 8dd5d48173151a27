"""A whole run on a machine whose kernels another machine has built: a toy tree, a real make, a fake QEMU."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import store_server
from house import Done, House

from kzram_ci.base.digest import sha256
from kzram_ci.store.index import data_name

STORE = "store"


@pytest.fixture(scope="module")
def of_a(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Machine A has run the plan and left all that it made in the store."""
    store_server.needed("fsspec")
    place = tmp_path_factory.mktemp("a")
    house = House(place / "house", place / "cache-of-a")
    house.plan(one="FAKE pass", two="FAKE pass\nand more")
    done = house.run("whole.yaml", "--quiet", "--store", STORE)
    assert done.code == 0, done.out
    return house


@pytest.fixture
def house(of_a: House, tmp_path: Path) -> House:
    """Machine B, with the same tools and trees, an empty cache, and a store that is a copy."""
    if not (kept := of_a.path / "kept").exists():
        shutil.copytree(of_a.path / STORE, kept)
    shutil.rmtree(of_a.path / STORE)
    shutil.copytree(kept, of_a.path / STORE)
    of_a.env["KZRAM_CACHE"] = str(tmp_path / "cache-of-b")
    (of_a.path / "make-calls").unlink(missing_ok=True)
    return of_a


def makes(house: House) -> int:
    calls = house.path / "make-calls"
    return calls.read_text().count("bzImage") if calls.exists() else 0


def keys(done: Done) -> dict[str, str]:
    return {name: row["kernel_key"] for name, row in done.results.items()}


def test_nothing_is_built_twice(house: House) -> None:
    first = min((house.path / "runs").iterdir())
    done = house.run("whole.yaml", "--store-read", STORE)
    assert done.code == 0, done.out
    assert makes(house) == 0
    assert f"one: from file://{house.path}/{STORE}" in done.out
    assert keys(done) == keys(Done(code=0, out="", path=first))


def test_another_machine_reports_on_the_run(house: House) -> None:
    first = min((house.path / "runs").iterdir())

    def report(*words: str) -> "subprocess.CompletedProcess[str]":
        argv = (sys.executable, "-m", "kzram_ci", "report", f"elsewhere/{first.name}", *words)
        return subprocess.run(
            argv, check=False, cwd=house.path, env=house.env, capture_output=True, text=True, timeout=120
        )

    assert report().returncode == 2
    done = report("--store-read", STORE)
    assert done.returncode == 0, done.stderr
    assert f"from file://{house.path}/{STORE}" in done.stderr
    there = house.path / "elsewhere" / first.name
    ours, theirs = Done(code=0, out="", path=there), Done(code=0, out="", path=first)
    assert ours.results == theirs.results
    assert (ours.junit.tests, ours.junit.failures) == (theirs.junit.tests, theirs.junit.failures)
    for console in first.glob("cells/*/console.log"):
        assert (there / console.relative_to(first)).read_bytes() == console.read_bytes()
    assert report().returncode == 0, "it is here now"


def test_the_environment_names_the_store_as_well(house: House) -> None:
    house.env["KZRAM_STORE_READ"] = STORE
    done = house.run("whole.yaml", "--quiet", "--kernel", "one", "--test", "more")
    assert done.code == 0, done.out
    assert makes(house) == 0


def test_wrong_bytes_are_built_here_with_a_line_that_says_so(house: House) -> None:
    for image in (house.path / STORE / "data").rglob("*"):
        if image.is_file() and image.stat().st_size:
            image.write_bytes(image.read_bytes()[:-1] + b"!")
    done = house.run("whole.yaml", "--store-read", STORE, "--kernel", "one", "--test", "more")
    assert done.code == 0, done.out
    assert makes(house) > 0
    assert "has not the bytes that its digest says: thrown away, made here" in done.out


def test_a_manifest_that_no_build_wrote_is_thrown_away(house: House) -> None:
    """Its bytes are those of the index: only what it says is wrong."""
    for path in (house.path / STORE / "index" / "kernels").glob("*.json"):
        index = json.loads(path.read_bytes())
        row = next(row for row in index["files"] if row["path"] == "manifest.json")
        manifest = json.loads((house.path / STORE / data_name(row["sha256"])).read_bytes())
        manifest["image"]["image"] = "../../../../etc/passwd"
        data = json.dumps(manifest).encode()
        row.update(size=len(data), sha256=sha256(data))
        place = house.path / STORE / data_name(sha256(data))
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        path.write_text(json.dumps(index))
    done = house.run("whole.yaml", "--store-read", STORE, "--kernel", "one", "--test", "more")
    assert done.code == 0, done.out
    assert "its manifest is that of another kernel: thrown away, built here" in done.out
    assert makes(house) > 0


def test_a_store_that_is_gone_is_a_line_and_no_more(house: House) -> None:
    store_server.needed("s3fs")
    house.env |= {**store_server.WORDS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "NO_PROXY": "*"}
    done = house.run("whole.yaml", "--store", "s3://nowhere/at/all", "--kernel", "one", "--test", "more")
    assert done.code == 0, done.out
    assert "s3://nowhere/at/all does not answer" in done.out
    assert done.out.count("does not answer") == 1
    assert all(verdict == "ok" for _, verdict in done.verdicts.values())


def test_a_sample_is_built_again_and_compared(house: House) -> None:
    """Also where a writer of the store made other bytes and an index that fits them."""
    (house.path / "kernels" / "one.yaml").write_text(
        f"source: {{kind: directory, path: {house.path}/trees/one}}\nconfig: [tiny]\n"
    )

    def build(*words: str) -> "subprocess.CompletedProcess[str]":
        argv = (sys.executable, "-m", "kzram_ci", "build", "one", "--store-read", STORE, *words)
        return subprocess.run(
            argv, check=False, cwd=house.path, env=house.env, capture_output=True, text=True, timeout=120
        )

    done = build("--check-store", "3")
    assert (done.returncode, done.stdout) == (0, "one  the same 4 files as in the store\n"), done.stderr
    for path in (house.path / STORE / "index" / "kernels").glob("*.json"):
        index = json.loads(path.read_bytes())
        row = next(row for row in index["files"] if row["path"] == "vmlinux")
        row.update(sha256=sha256(b"evil"), size=4)
        path.write_text(json.dumps(index))
    done = build("--check-store", "1")
    assert (done.returncode, done.stdout) == (1, "one  differs from the store: vmlinux\n"), done.stderr
    assert not [path for path in Path(house.env["KZRAM_CACHE"]).glob("slots/.check-*")]
