"""Help texts of `--kernel GLOB|SOURCE` and what goes with it."""

from __future__ import annotations

from kzram_ci.plan.source_args import FORMS

_FORMS = ", ".join(FORMS.values())
KERNEL_HELP = (
    "only these kernels (line:GLOB, variant:GLOB: by one of their axes); or a source, which takes the place of their "
    "own while their series and config stay "
    f"(with several, all kernels on each): {_FORMS}. An image gets no series and no config"
)
SOURCE_HELP = f"source to take in place of the kernel's own: {_FORMS}"
REFRESH_HELP = "ask for newer packages than were downloaded before"
