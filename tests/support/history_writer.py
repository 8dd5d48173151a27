"""A process that writes a history: it loads little, since a test starts several."""

from pathlib import Path

import report_samples as samples

from kzram_ci.results.history import history_at


def write(given: tuple[str, int]) -> int:
    """A run of its own, and the import of one that all import; how many results of that were new."""
    url, number = given
    history = history_at(url)
    history.add_run(f"run-{number}", samples.PLAN, Path("/runs"))
    for result in samples.results():
        history.add_result(f"run-{number}", result)
    return history.add_past("shared", samples.results(), plan="p", directory="/x", recorded="2026", origin="x")
