"""The loop between the channels of a running machine and the state machine; `run` and `boot` share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kzram_ci.base import clock
from kzram_ci.run.boot_state import BootState, Ending, Input, QemuGone, ending, step
from kzram_ci.run.channels import Channel
from kzram_ci.vm.qemu import Machine, StopHow

POLL_SECONDS = 0.02

Observer = Callable[[Input, BootState], None]


def unobserved(given: Input, state: BootState) -> None:
    """The observer of a boot that nothing else follows."""


def nap() -> None:
    """Wait a moment; how long a channel that cannot wake us may lie unread."""
    clock.sleep(POLL_SECONDS)


def take(state: BootState, inputs: Iterable[Input], observe: Observer = unobserved) -> BootState:
    """The state after these inputs."""
    for given in inputs:
        state = step(state, given, clock.monotonic())
        observe(given, state)
    return state


def follow(
    state: BootState,
    channels: Sequence[Channel],
    machine: Machine,
    observe: Observer = unobserved,
    *,
    wait: Callable[[], None] = nap,
) -> tuple[BootState, Ending]:
    """Feed the state machine until the boot is over. Every state has a deadline, so this ends.

    `wait` is called when there is nothing to read, and returns within a moment.
    """
    while True:
        gone = not machine.running()  # asked first: what QEMU left in the channels before it went is read below
        given = [each for channel in channels for each in channel.poll()]
        if gone:
            given.append(gone_now(machine))
        state = take(state, given, observe)
        if (end := ending(state, clock.monotonic())) is not None:
            return state, end
        if not given:
            wait()


def gone_now(machine: Machine) -> QemuGone:
    """How QEMU went."""
    stopped = machine.stopped not in (None, StopHow.ITSELF)
    return QemuGone(code=machine.exit_code(), message=machine.complaint(), stopped=stopped)
