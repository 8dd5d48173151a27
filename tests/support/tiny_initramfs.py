"""An initramfs of busybox and one script, for tests of the machine that must not wait for the real one."""

import shutil
from pathlib import Path

INIT = """\
#!/bin/sh
/bin/busybox mkdir -p /proc /sys /dev /bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
. /etc/kzram/cell.conf
for p in /sys/class/virtio-ports/*; do
  [ "$(cat $p/name)" = org.kzram.control ] && exec 3>/dev/${p##*/}
done
say() { echo "{\\"t\\":1,$1}" >&3; }
say '"ev":"boot","release":"'$(uname -r)'"'
echo "tiny: up, workload $WORKLOAD"
if [ "$SHELL" = 1 ]; then
  say '"ev":"ready"'
  exec setsid cttyhack sh
fi
say '"ev":"ready"'
set -- $WORKLOAD
case "$1" in
  ok) say '"ev":"sample","counters":{"vmstat.pswpout":7}' ;;
  crash) echo c > /proc/sysrq-trigger; sleep 60 ;;
  hang) sleep 1000 ;;
  flood) while :; do cat /proc/kallsyms /etc/kzram/cell.conf; done ;;
  lost) poweroff -f ;;
  disk) dd if=/dev/vda of=/dev/null bs=64k count=16 2>&1 && say '"ev":"sample","counters":{"disk":1}' ;;
esac
say '"ev":"stop","why":"workload"'
say '"ev":"exit","nonce":"'$NONCE'","code":0'
poweroff -f
sleep 60
"""


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _entry(name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
    return _padded(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded) + _padded(data)


def tiny_initramfs(path: Path) -> Path:
    """Write it and return the path; needs a static busybox."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "install busybox-static"
    entries = [
        _entry("bin", 0o040755),
        _entry("bin/busybox", 0o100755, Path(busybox).read_bytes()),
        _entry("bin/sh", 0o120777, b"busybox"),
        _entry("dev", 0o040755),
        _entry("dev/console", 0o020600, device=(5, 1)),
        _entry("etc", 0o040755),
        _entry("etc/kzram", 0o040755),
        _entry("init", 0o100755, INIT.encode()),
    ]
    path.write_bytes(b"".join(entries) + _entry("TRAILER!!!", 0))
    return path
