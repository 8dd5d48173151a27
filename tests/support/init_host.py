"""rootfs/init on the host: its absolute paths lead into a directory; what would change the host is a function of ours.

A function is found before any program and before busybox's own applets, so that nothing real is mounted or powered off.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import requires

INIT = Path(__file__).resolve().parents[2] / "rootfs" / "init"
SHELLS = {"dash": ("dash",), "busybox": ("busybox", "sh")}
# Every stand-in writes down how it was called. `kzwatch` without --emit is the workload's run.
STUBS = """\
called() ( IFS=$(printf '\\037'); printf '%s\\037\\n' "$*" >>{log} ) # in one write: readers call it at the same time
{plain}
mount() {
    called mount "$@"
    mounted=$1
    case "$1 $2" in "-t 9p") [ -z '{share}' ] || { echo "mount: {share}"; return 1; } ;; esac
    case "$1 $2" in "-t devtmpfs") return {devtmpfs} ;; "-t cgroup2") return {cgroup2} ;; esac
}
insmod() { called insmod "$@"; case $1 in *bad*) echo "insmod: can't insert: unknown symbol" >&2; return 1 ;; esac; }
mdev() { called mdev "$@"; {mdev}; }
mkswap() { called mkswap "$@"; [ -z '{mkswap}' ] || { echo "mkswap: {mkswap}" >&2; return 1; }; }
uname() { case $1 in -r) echo 6.12.1 ;; -m) echo x86_64 ;; *) echo '#1 SMP' ;; esac; }
dd() { called dd "$@"; return 1; } # or its reader reads for ever
chroot() { called chroot "$@"; case $mounted in *{root_on}) ;; *) return 1 ;; esac; }
poweroff() { called poweroff "$@"; exit 86; }
chmod() { called chmod "$@"; }
mkfs() { called mkfs "$@"; case $1 in bad*) echo "mkfs: not this way"; return 1 ;; esac; }
kzwatch() {
    called kzwatch "$@"
    [ "$1" = --as ] && return 1 # or its reader reads for ever
    [ "$1" = --emit ] || { called uid "$KZRAM_UID"; called env "${KZRAM_MAKE_IT_FAIL:-unset}"; return {code}; }
}
"""
PLAIN = ("umount", "ifconfig", "swapon", "sync", "reboot", "setsid", "cttyhack", "sleep")
POWERED_OFF = 86


@dataclass(kw_only=True)
class Host:
    """A guest's file system as init finds it, in a directory."""

    root: Path
    conf: dict[str, str]
    mdev: str = ":"
    mkswap: str = ""
    share: str = ""
    root_on: str = ""  # the only device with a root file system; "": all have one
    code: int = 0
    devtmpfs: int = 0
    cgroup2: int = 0
    calls: list[tuple[str, ...]] = field(default_factory=list)
    console: str = ""

    def write(self, name: str, text: str = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str) -> str:
        return (self.root / name).read_text().strip()

    def remove(self, name: str) -> None:
        path = self.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def run(self, shell: str) -> int:
        """Run init to its end; its exit status is POWERED_OFF when it ended as it must."""
        if self.conf:
            text = "".join(f"{name}='{value}'\n" for name, value in self.conf.items())
            self.write("etc/kzram/cell.conf", text)
        log = self.root / "calls"
        log.write_text("")
        script = self.root / "init"
        script.write_text(self._script(log))
        program = (requires.tool(SHELLS[shell][0]), *SHELLS[shell][1:], str(script))
        done = subprocess.run(program, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.console = done.stdout.decode()
        self.calls = [tuple(line.split("\x1f")[:-1]) for line in log.read_text().splitlines()]
        return done.returncode

    def _script(self, log: Path) -> str:
        plain = "\n".join(f'{name}() {{ called {name} "$@"; }}' for name in PLAIN)
        stubs = STUBS.replace("{plain}", plain)
        values = {
            "log": log,
            "mdev": self.mdev,
            "mkswap": self.mkswap,
            "share": self.share,
            "root_on": self.root_on,
            "code": self.code,
        }
        for name, value in {**values, "devtmpfs": self.devtmpfs, "cgroup2": self.cgroup2}.items():
            stubs = stubs.replace("{" + name + "}", str(value))
        text = INIT.read_text()
        text = text.replace("export PATH=/bin ", f"export PATH={os.environ['PATH']} ")
        text, count = re.subn(
            r"(?<![\w.*\]])/(etc|proc|sys|dev|tmp|mnt|usr)(?=[/\s)\"]|$)", rf"{self.root}/\1", text, flags=re.M
        )
        assert count > 30
        assert "PATH=/bin" not in text
        return stubs + text

    def emitted(self, event: str) -> list[dict[str, str]]:
        """The words of each event of a kind: `KEY=TEXT` and `KEY:=JSON`."""
        found = [call[3:] for call in self.calls if call[:3] == ("kzwatch", "--emit", event)]
        return [dict(word.split("=", 1) for word in words) for words in found]

    def ran(self, name: str) -> list[tuple[str, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]

    def workload(self) -> tuple[dict[str, str], tuple[str, ...]] | None:
        """Options and command of the run, None when there was none."""
        for call in self.calls:
            if call[0] == "kzwatch" and call[1] not in ("--emit", "--as"):
                middle = call.index("--")
                words = call[1:middle]
                return dict(zip(words[::2], words[1::2], strict=True)), call[middle + 1 :]
        return None


def a_guest(root: Path, **conf: str) -> Host:
    """A guest with zram, a control port, debugfs with failslab and fail_page_alloc, and a cell to run."""
    host = Host(root=root, conf={"NONCE": "abc", "WORKLOAD": "anonmutate --pages 64", **conf})
    host.write("sys/class/virtio-ports/vport0p1/name", "org.other\n")
    host.write("sys/class/virtio-ports/vport0p2/name", "org.kzram.control\n")
    for name in ("vport0p1", "vport0p2", "zram0", "console"):
        host.write(f"dev/{name}")
    host.write("sys/block/zram0/comp_algorithm", "lzo [lzo-rle] lz4\n")
    for name in ("disksize", "queue/stable_writes"):
        host.write(f"sys/block/zram0/{name}", "0\n")
    for kind in ("failslab", "fail_page_alloc"):
        for knob in ("ignore-gfp-wait", "interval", "verbose", "times", "probability"):
            host.write(f"sys/kernel/debug/{kind}/{knob}")
    host.write("sys/kernel/debug/failslab/cache-filter")
    for knob in ("min-order", "ignore-gfp-highmem", "task-filter"):
        host.write(f"sys/kernel/debug/fail_page_alloc/{knob}")
    host.write("sys/kernel/slab/zs_handle-zram0/failslab", "0\n")
    host.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    return host
