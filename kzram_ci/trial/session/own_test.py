"""Which tests a trial runs: those of a plan, or a script of the user's, which is made a plan of one test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.base.values import dataclass
from kzram_ci.model.cell import Plan
from kzram_ci.plan.load import Beside, draft_plan
from kzram_ci.results.layout import slug
from kzram_ci.run.checks import checked_plan, sent_along
from kzram_ci.run.retarget import BASE_KERNEL
from kzram_ci.run.selection import plan_of, plan_with

SECONDS = 300
_SOURCES = (".c", ".cc", ".cpp", ".rs", ".go")
_HINT = "--test ./repro.sh --files DATA..., all in the folder of the script"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenTests:
    """A plan by name, or (`text`) one that was made; `names`: which of its tests; `arch`: in place of the plan's."""

    name: str
    names: tuple[str, ...] = ()
    text: str = ""
    arch: str = ""

    @property
    def _archs(self) -> tuple[str, ...]:
        return (self.arch,) if self.arch else ()

    def plan(self) -> Plan:
        """The plan, checked. Raises UserError with all that is wrong with it."""
        if not self.text:
            return plan_of(self.name, self._archs)
        return checked_plan(Path(self.name), Library(), self.text, self._archs)

    def with_kernels(self, beside: Beside) -> Plan:
        """The plan with more kernels beside its own."""
        if not self.text:
            return plan_with(self.name, beside, self._archs)
        library = Library()
        draft = draft_plan(self.text, Path(self.name), library, beside, self._archs)
        draft.problems.raise_if_any()
        return sent_along(draft.plan, library)


def chosen_tests(plan: str, tests: Sequence[str], files: Sequence[str], kernel: str) -> ChosenTests:
    """The tests that were asked for. Raises UserError for scripts beside tests of a plan."""
    scripts = [word for word in tests if _is_script(word)]
    if not scripts:
        if files:
            raise UserError("--files belongs to a script", hint=_HINT)
        return ChosenTests(name=plan, names=tuple(tests))
    if source := next((word for word in scripts if word.endswith(_SOURCES)), None):
        name = Path(source).stem
        raise UserError(
            f"{source} is source: the guest has no compiler",
            hint=f"gcc -O2 -static -pthread -o {name} {source}, then --test ./{name}",
        )
    if len(scripts) < len(tests):
        raise UserError(f"{scripts[0]} is a script, other tests are of a plan", hint="one trial for each")
    paths = [Path(word).expanduser() for word in scripts]
    if len({path.resolve().parent for path in paths}) > 1:
        raise UserError("the scripts are in several folders", hint=_HINT)
    folder = paths[0].resolve().parent
    return ChosenTests(
        name=str(folder / "trial.yaml"), text=_text(paths, [_below(folder, file) for file in files], kernel)
    )


def _is_script(word: str) -> bool:
    return word.startswith(("./", "../", "/", "~/")) or Path(word).is_file()


def _below(folder: Path, file: str) -> str:
    """A file as the plan names it: from the folder of the script."""
    path = Path(file).expanduser()
    there = path if path.is_absolute() or path.exists() else folder / path
    try:
        return str(there.resolve().relative_to(folder))
    except ValueError as error:
        raise UserError(f"{file} is not below {folder}, where the script is", hint=_HINT) from error


def _text(scripts: Sequence[Path], files: Sequence[str], kernel: str) -> str:
    """The plan: JSON is YAML, and needs no thought about quotes."""
    tests = {
        slug(script.name.partition(".")[0]): {
            "workload": "script",
            "run": f"./{script.name}",
            "duration": f"{SECONDS}s",
            **({"files": list(files)} if files else {}),
        }
        for script in scripts
    }
    name = slug(scripts[0].name.partition(".")[0])
    return json.dumps({"name": name, "kernels": [kernel or BASE_KERNEL], "tests": tests}, indent=2)
