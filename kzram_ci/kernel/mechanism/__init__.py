"""What a kernel's source says about the overrun, and what follows for series, amplifiers and expectations. Pure."""

from kzram_ci.kernel.mechanism.adapt import suited, suited_plan
from kzram_ci.kernel.mechanism.facts import Fact, Facts, files, probe
from kzram_ci.kernel.mechanism.rules import Amplifier, Expected, amplifier, expected, meaning, unreachable

__all__ = [
    "Amplifier",
    "Expected",
    "Fact",
    "Facts",
    "amplifier",
    "expected",
    "files",
    "meaning",
    "probe",
    "suited",
    "suited_plan",
    "unreachable",
]
