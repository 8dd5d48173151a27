"""For all tests: KZRAM_REQUIRE is read once, early; a test on real kernels says at once what it lacks."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import requires
from hypothesis import settings

# A law holds or does not; how long an example takes is the host's matter.
settings.register_profile("any host", deadline=None)
settings.load_profile("any host")

HISTORY = Path(__file__).resolve().parents[1] / "bench" / "bisect_history"
REAL_TOOLS = ("qemu-system-x86_64", "gcc", "make", "busybox")


# What a person's environment names, a team's history or a store, is nothing for tests to write to
THEIRS = ("KZRAM_DATABASE", "KZRAM_STORE", "KZRAM_STORE_READ", "KZRAM_TLS")


def pytest_configure() -> None:
    requires.required()
    for name in [name for name in os.environ if name in THEIRS or name.startswith("PG")]:
        del os.environ[name]  # PG…: libpq's own


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real"):
        for name in REAL_TOOLS:
            requires.tool(name, "real")


def pytest_report_header() -> str:
    return f"KZRAM_REQUIRE: {', '.join(sorted(requires.required())) or 'nothing, what is missing is skipped'}"


@pytest.fixture(scope="module")
def grown() -> Iterator[ModuleType]:
    """Grows a git repository of 6.12 in the cache, once: `base` and histories on top of it."""
    spec = importlib.util.spec_from_file_location("bisect_history_grow", HISTORY / "grow.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]
