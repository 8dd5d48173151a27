"""Numbers of a bisection as people read them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from kzram_ci.base.units import say_count
from kzram_ci.bisect.belief.model import EVIDENCE, Observation
from kzram_ci.bisect.session.findings import Findings
from kzram_ci.bisect.session.model import REVERT
from kzram_ci.bisect.session.observations import SeenBoot


def percent(value: float) -> str:
    """Never "100 %" for what is not certain."""
    if value >= 0.9995:
        return f"{int(value * 1e5) / 1e3:.3f} %" if value < 1.0 else "100 %"
    return f"{value:.1%}".replace("%", " %")


def spread(boots: Iterable[SeenBoot]) -> str:
    """`3 crash, 2 clean, 5 other`, in the order they came."""
    return ", ".join(f"{count} {what}" for what, count in Counter(boot.what for boot in boots).items())


def crashed_in(boots: tuple[SeenBoot, ...]) -> str:
    """`crashed in 3 of 8 boots; 5 are not evidence (5 other)`: all boots, also those without evidence."""
    crashes = sum(boot.what is Observation.CRASH for boot in boots)
    useless = tuple(boot for boot in boots if boot.what not in EVIDENCE)
    text = f"crashed in {crashes} of {say_count(len(boots), 'boot')}"
    if not useless:
        return text
    return f"{text}; {len(useless)} {'is' if len(useless) == 1 else 'are'} not evidence ({spread(useless)})"


def kernels(findings: Findings) -> str:
    """`6 kernels built, 2 from the cache, 1 not built`."""
    builds = [build for build in findings.facts.builds if build.commit != REVERT]
    failed = sum(bool(build.failed) for build in builds)
    cached = sum(build.cached for build in builds)
    parts = [f"{say_count(len(builds) - failed - cached, 'kernel')} built"]
    parts += [f"{cached} from the cache"] if cached else []
    parts += [f"{failed} not built"] if failed else []
    return ", ".join(parts)
