"""`kzram-ci run` on a worker with a cache of its own: TLS, a store, a toy tree, a real make, a fake QEMU."""

import os
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requires
import store_server
from house import OOPS, Done, House

from kzram_ci.base import proc
from kzram_ci.base.digest import digest_file
from kzram_ci.farm import security

STORE = "store"


def processes(house: House, word: str) -> list[str]:
    return [line for line in house.ours() if word in line]


class Farm:
    """A scheduler and a worker, as an operator starts them."""

    def __init__(self, house: House, tmp_path: Path) -> None:
        self.tls = tmp_path / "tls"
        self.tls.mkdir()
        security.throw_away(self.tls)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"tls://127.0.0.1:{free.getsockname()[1]}"
        self.house, self.env = house, {**house.env, "KZRAM_CACHE": str(tmp_path / "cache-of-the-worker")}
        words = [f"--tls-{name}" for name in ("ca-file", "cert", "key")]
        files = [str(self.tls / name) for name in (security.CA, security.CERT, security.KEY)]
        tls = [word for pair in zip(words, files, strict=True) for word in pair]
        self.scheduler = self._start(
            *("-m", "distributed.cli.dask_scheduler", "--host", self.address, *tls),
            *("--dashboard-address", "127.0.0.1:0", "--no-show"),
        )
        self.log = tmp_path / "worker.log"
        self.worker = self._start("-m", "kzram_ci", "worker", self.address, "--tls", str(self.tls), "--name", "w")

    def _start(self, *words: str) -> "subprocess.Popen[bytes]":
        log = self.tls.parent / f"{words[1].rpartition('.')[2]}.log"
        with log.open("wb") as out:
            return subprocess.Popen(
                (sys.executable, *words), env=self.env, cwd=self.tls, stdout=out, stderr=subprocess.STDOUT
            )

    def options(self) -> tuple[str, ...]:
        return ("--scheduler", self.address, "--tls", str(self.tls), "--store", str(self.house.path / STORE))

    def stop(self) -> None:
        for child in (self.worker, self.scheduler):
            if child.poll() is None:
                child.terminate()
            child.wait(timeout=60)


@pytest.fixture
def house(tmp_path: Path) -> House:
    store_server.needed("fsspec")
    for name in ("distributed", "cryptography"):
        try:
            __import__(name)
        except ImportError:
            requires.lacking("cluster", f"no {name}")
    return House(tmp_path / "house", tmp_path / "cache")


@pytest.fixture
def farm(house: House, tmp_path: Path) -> Iterator[Farm]:
    farm = Farm(house, tmp_path)
    yield farm
    farm.stop()


def test_a_run_that_is_killed_leaves_no_guest_and_is_gone_on_with(house: House, farm: Farm) -> None:
    gate = house.path / "gate"
    house.plan(
        quick=f"FAKE oops {OOPS}",
        slow=f"FAKE pass\nGUEST-WAIT {gate}",
        expect="  - {kernel: quick, test: race, outcome: oops}",
    )
    child = house.start("whole.yaml", *farm.options())
    house.until(lambda: Path(f"{gate}.waiting").exists(), "a boot on the worker")
    house.until(lambda: house.results_so_far("quick"), "the cells of the first kernel")
    os.kill(child.pid, signal.SIGKILL)
    killed = house.finish(child)
    house.until(lambda: not processes(house, "fake_qemu"), "the end of the guests")
    assert farm.worker.poll() is None, "the worker serves others"
    assert set(killed.results) == {"quick/race", "quick/more"}
    gate.touch()
    done = house.finish(house.start("--resume", str(killed.path), *farm.options()))
    assert done.verdicts == {
        "quick/race": ("oops", "ok"),
        "quick/more": ("oops", "finding"),
        "slow/race": ("pass", "ok"),
        "slow/more": ("pass", "ok"),
    }, done.out
    assert len((done.path / "results.jsonl").read_text().splitlines()) == 4
    assert (done.path / "cells" / "slow.race" / "console.log").stat().st_size > 0
    alike(done, house)
    farm.scheduler.kill()  # a worker without a scheduler ends by itself
    assert farm.worker.wait(timeout=90) == 0
    house.until(lambda: not house.ours(), "the end of all")


def alike(farm: Done, house: House) -> None:
    """The same plan on threads of this machine gives the same."""
    other = house.run("whole.yaml", "--quiet", "--runs", "others")
    alone = Done(code=other.code, out=other.out, path=next((house.path / "others").iterdir()))
    assert farm.verdicts == alone.verdicts
    assert farm.code == alone.code
    for field in ("seed", "attempts", "kernel_key", "setup_key", "provenance", "accel"):
        assert {name: row[field] for name, row in farm.results.items()} == {
            name: row[field] for name, row in alone.results.items()
        }, field


def test_what_stands_in_the_way_is_a_line(house: House, tmp_path: Path) -> None:
    house.plan(one="FAKE pass")
    for words, code, line in (
        (("--scheduler", "tcp://192.0.2.1:1"), 2, "is not the loopback"),
        (("--scheduler", "tls://127.0.0.1:9"), 2, "needs certificates"),
        (("--scheduler", "tcp://192.0.2.1:1", "--insecure"), 2, "take kernels from a store"),
    ):
        done = house.run("whole.yaml", *words)
        assert done.code == code, done.out
        assert line in done.out
    assert not proc.cancelled()


def test_a_kernel_whose_source_all_can_have_is_built_on_a_worker(house: House, farm: Farm, tmp_path: Path) -> None:
    house.plan(one="FAKE pass")
    archive = house.path / "linux-6.12.1.tar.xz"
    with tarfile.open(archive, "w:xz") as out:
        out.add(house.path / "trees" / "one", "linux-6.12.1")
    tarball = f"{{kind: tarball, url: 'file://{archive}', sha256: {digest_file(archive)}}}"
    plan = (house.path / "whole.yaml").read_text().replace("{kind: directory, path: trees/one}", tarball)
    (house.path / "whole.yaml").write_text(plan)
    done = house.run("whole.yaml", *farm.options())
    assert done.code == 0, done.out
    assert set(done.verdicts.values()) == {("pass", "ok")}
    assert (tmp_path / "cache-of-the-worker" / "slots").is_dir(), done.out
    assert not (tmp_path / "cache" / "slots").exists()
    assert "one: building" in done.out, "the worker's progress is shown here"
    alike(done, house)
