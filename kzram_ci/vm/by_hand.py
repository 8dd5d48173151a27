"""qemu.txt: QEMU's command line word for word, and the same machine as a script that runs without kzram-ci. Pure."""

from __future__ import annotations

import shlex

from kzram_ci.vm.argv import Argv

_MARK = "#   "
_HEAD = """\
# QEMU as it was started for this boot, word for word:
#
{exact}
#
# It needs sockets that kzram-ci serves, and an initramfs that is made for each boot. So this file is a script, run it
# with `sh qemu.txt`, with the same machine for a person: console and monitor are on the terminal (Ctrl-A X ends QEMU,
# Ctrl-A C switches), and the last lines of the control port, counters and exit token, are shown at the end.
"""
_BODY = """\
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
for file in {kernel} {rootfs} "$here/{archive}"; do
    [ -r "$file" ] || {{ echo "$file is gone; repro.sh makes it again" >&2; exit 69; }}
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp {rootfs} "$work/{initrd}"
chmod u+w "$work/{initrd}"
head -c $(((4 - $(wc -c <"$work/{initrd}") % 4) % 4)) /dev/zero >>"$work/{initrd}" # archives begin on 4 bytes
cat "$here/{archive}" >>"$work/{initrd}"
cd "$work"
{disk}status=0
{command} || status=$?
tail -n 3 {control} 2>/dev/null || :
exit $status
"""


def script(
    exact: Argv,
    alone: Argv,
    *,
    kernel: str,
    rootfs: str,
    archive: str,
    initrd: str,
    control: str,
    disk: tuple[str, int],
) -> str:
    """The file. `alone`: the machine with `initrd`, `disk` (a name, and MiB or 0) and `control` in its directory.

    `archive` is the cell's own part of the initramfs, a file beside this one.
    """
    name, mib = disk
    return _HEAD.format(exact=_commented(exact)) + _BODY.format(
        kernel=shlex.quote(kernel),
        rootfs=shlex.quote(rootfs),
        archive=archive,
        initrd=initrd,
        control=control,
        disk=f"truncate -s {mib}M {name}\n" if mib else "",
        command=shlex.join(alone),
    )


def _commented(words: Argv) -> str:
    return "\n".join(_MARK + line for line in shlex.join(words).split("\n"))


def exact(text: str) -> str:
    """The command line of such a file, as it was; of any other text, all of it."""
    lines = [line.removeprefix(_MARK) for line in text.splitlines() if line.startswith(_MARK)]
    return "\n".join(lines) if lines else text.strip()
