"""One build on its way: what is built, in which slot, by which make."""

from __future__ import annotations

from kzram_ci.base.values import dataclass
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kbuild.inputs import Inputs
from kzram_ci.kernel.kbuild.make import MakeDir
from kzram_ci.kernel.kbuild.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The holder of the slot's lock has it."""

    inputs: Inputs
    slot: Slot
    make_dir: MakeDir
    context: Context
