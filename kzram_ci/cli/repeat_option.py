"""`--repeat N|auto`: how often a cell is booted before "good" is believed."""

from __future__ import annotations

import argparse
import sys

from kzram_ci.bisect.belief import repeats
from kzram_ci.model.cell import Plan
from kzram_ci.results.history import History

AUTO = "auto"
REPEAT_HELP = (
    "boot each cell N times (overrides repeats); auto: as often as it takes until a pass by luck is improbable; the "
    "crash rate is that of the history, or else what the plan promises"
)


def repeat(word: str) -> int | str:
    """The type of the option for argparse."""
    if word == AUTO:
        return AUTO
    try:
        boots = int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is neither a number nor {AUTO!r}") from None
    if boots < 1:
        raise argparse.ArgumentTypeError(f"{boots} boots show nothing: 1 or more, or {AUTO!r}")
    return boots


def repeated(plan: Plan, wanted: int | str, history: History | None, *, whole: Plan) -> Plan:
    """The plan with the repeats that were asked for (0: its own); `whole` has the kernels not chosen as well."""
    if isinstance(wanted, int):
        return repeats.times(plan, wanted) if wanted else plan
    records = history.records(plan=plan.name) if history is not None else ()
    often, lines = repeats.often_enough(plan, (record.result for record in records), whole=whole)
    for line in lines:
        print(f"kzram-ci: {line}", file=sys.stderr)
    return often
