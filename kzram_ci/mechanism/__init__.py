"""What a kernel's source says about the overrun, and what follows for series, amplifiers and expectations. Pure."""

from kzram_ci.mechanism.facts import Fact, Facts, files, probe
from kzram_ci.mechanism.rules import Amplifier, Expected, amplifier, expected, meaning, unreachable
from kzram_ci.mechanism.suit import suited

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
    "unreachable",
]
