"""What a kernel's source says about the overrun, and what follows for series, amplifiers and expectations. Pure."""

from kzram_ci.kernel.mechanism.adapt import decided, suited, suited_plan
from kzram_ci.kernel.mechanism.carried import not_counted
from kzram_ci.kernel.mechanism.data import asked
from kzram_ci.kernel.mechanism.facts import Fact, Facts, files, on_record, probe
from kzram_ci.kernel.mechanism.rules import Amplifier, Expected, amplifier, expected, meaning, met, opened, unreachable

__all__ = [
    "Amplifier",
    "Expected",
    "Fact",
    "Facts",
    "amplifier",
    "asked",
    "decided",
    "expected",
    "files",
    "meaning",
    "met",
    "not_counted",
    "on_record",
    "opened",
    "probe",
    "suited",
    "suited_plan",
    "unreachable",
]
