"""For all tests: KZRAM_REQUIRE is read once, early; a test on real kernels says at once what it lacks."""

import pytest
import requires
from hypothesis import settings

# A law holds or does not; how long an example takes is the host's matter.
settings.register_profile("any host", deadline=None)
settings.load_profile("any host")

REAL_TOOLS = ("qemu-system-x86_64", "gcc", "make", "busybox")


def pytest_configure() -> None:
    requires.required()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real"):
        for name in REAL_TOOLS:
            requires.tool(name, "real")


def pytest_report_header() -> str:
    return f"KZRAM_REQUIRE: {', '.join(sorted(requires.required())) or 'nothing, what is missing is skipped'}"
