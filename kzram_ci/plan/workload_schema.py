"""The grammar of rootfs/workloads.yaml, as pydantic models; imported late."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from kzram_ci.base.grammar.scalars import Name, Text, Word, no_items, no_rows
from kzram_ci.base.grammar.strict import Strict

ArgumentName = Annotated[str, Field(pattern="^[a-z][a-z0-9-]*$")]
CounterName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class ArgumentRow(Strict):
    """An argument of a workload."""

    type: Literal["count", "flag", "choice", "text"] = Field(
        description="count: a whole number; flag: true or false; choice: one of `values`; text: one word"
    )
    min: Annotated[int, Field(ge=0)] = Field(0, description="count: the least it may be")
    values: list[Word] | None = Field(None, description="choice: what there is to choose")
    default: Any = Field(None, description="what the program takes where nothing is given")
    meaning: Text = Field(description="what it does")


class WorkloadRow(Strict):
    """A workload."""

    meaning: Text = Field(description="what it does")
    zram: Literal["swap", "raw", "files"] = Field(
        description="swap: it swaps; raw: it writes to the device itself; files: it needs a `filesystem`"
    )
    users: bool = Field(False, description="whether it can run as another user than root (`uid`)")
    threads: list[ArgumentName] = Field(default_factory=no_items, description="arguments that count threads")
    arguments: dict[ArgumentName, ArgumentRow] = Field(default_factory=no_rows, description="name: its row")
    reports: dict[CounterName, Text] = Field(default_factory=no_rows, description="counter of its own: what it counts")


class WorkloadsFile(Strict):
    """The workloads of the guest, a row each; a row of rootfs/workloads.yaml in the working directory wins."""

    model_config = ConfigDict(title="kzram-ci workloads")
    most_threads: Annotated[int, Field(ge=1)] | None = Field(None, description="threads that a workload may have")
    workloads: dict[Name, WorkloadRow] = Field(description="name of the program: its row")
