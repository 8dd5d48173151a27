"""Stands in for QEMU: speaks just enough QMP, writes the console log, misbehaves as $FAKE_QEMU says.

good | error-at-start | silent | flood | deaf (ignores TERM and quit) | lost | no-qmp | killed | garbage
bad-qmp (its monitor speaks something else) | in-init, in-work (silent from there on)
off-early, reboots (leaves before work)
stopped (SIGSTOP to itself in the work) | noise (NULs, escapes and fake exit tokens on the console, then silent)
crash (an oops on the console; QEMU then waits with the guest's memory, if it is to: $FAKE_QEMU_DUMP is the status
of the dump, "huge" one that grows) | hostile (sends $FAKE_QEMU_CHATTER, then crashes) | flood-port | lost-port

Without $FAKE_QEMU the kernel decides, by words in its image: `FAKE pass`, `FAKE fail`, `FAKE oops CONSOLE-LOG`; and
with `GUEST-WAIT FILE` before that until FILE is there (FILE.waiting says that it waits).
"""

import json
import os
import re
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

WAIT_SECONDS = 60
words = " ".join(sys.argv)


def word_of_kernel(name: str) -> str:
    """What follows a word in the text of the kernel's image, up to the end of its line; "" without it."""
    image = Path(sys.argv[sys.argv.index("-kernel") + 1]) if "-kernel" in sys.argv else Path()
    found = re.search(rf"\b{name} (.*)", image.read_text(errors="replace")) if image.is_file() else None
    return found.group(1).strip() if found else ""


mode, _, log_to_print = (os.environ.get("FAKE_QEMU") or word_of_kernel("FAKE") or "good").partition(" ")


def path(identity: str, key: str) -> str:
    found = re.search(rf"id={identity},[^ ]*{key}=([^, ]+)", words)
    assert found, (identity, key)
    return found.group(1)


if "none" in sys.argv[1:3]:  # asked whether it knows -sandbox
    sys.exit(1)
if mode == "error-at-start":
    sys.stderr.write("qemu-system-x86_64: warning: something harmless\n")
    sys.exit("qemu-system-x86_64: -device flux-capacitor: 'flux-capacitor' is not a valid device model name")
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "no-qmp":
    time.sleep(600)

qmp = socket.socket(socket.AF_UNIX)
qmp.connect(path("qmp", "path"))
serial = socket.socket(socket.AF_UNIX)
serial.bind(path("console", "path"))
serial.listen(1)
control = socket.socket(socket.AF_UNIX)
control.connect(path("control", "path"))
if mode == "bad-qmp":
    qmp.sendall(b"HTTP/1.1 200 OK\r\n\r\n<html>\xff\x00" + b"{" * 100_000)
    time.sleep(600)
version = {"qemu": {"micro": 0, "minor": 0, "major": 0}, "package": ""}
qmp.sendall(json.dumps({"QMP": {"version": version, "capabilities": []}}).encode() + b"\r\n")
pending = ""


core = Path()


def dump(command: dict[str, Any]) -> dict[str, str]:
    """What is asked for a dump of the guest's memory, and done."""
    global core
    if command["execute"] == "dump-guest-memory":
        core = Path(command["arguments"]["protocol"].removeprefix("file:"))
        data = b"KDUMP   ".ljust(1000, b"\0")
        records = struct.pack(">qq", 0, len(data)) + data + struct.pack(">qq", -1, -1)
        core.write_bytes(b"makedumpfile".ljust(4096, b"\0") + records)
    if command["execute"] != "query-dump":
        return {}
    status = os.environ.get("FAKE_QEMU_DUMP", "completed")
    if status == "huge":
        os.truncate(core, core.stat().st_size + (1 << 19))
    return {"status": "active" if status == "huge" else status}


def answer() -> str:
    """One command; the client puts nothing between two of them."""
    global pending
    while True:
        try:
            command, end = json.JSONDecoder().raw_decode(pending)
            break
        except ValueError:
            data = qmp.recv(4096).decode()
            if not data:
                time.sleep(600)
            pending = pending.lstrip() + data
    pending = pending[end:].lstrip()
    answered = dump(command)
    qmp.sendall(json.dumps({"return": answered, "id": command.get("id")}).encode() + b"\r\n")
    return str(command["execute"])


def end() -> None:
    """The guest is over; QEMU leaves, or says so and waits."""
    if "shutdown=pause" not in words:
        sys.exit(0)
    event = {"event": "SHUTDOWN", "data": {"guest": True}, "timestamp": {"seconds": 1, "microseconds": 0}}
    qmp.sendall(json.dumps(event).encode() + b"\r\n")


answer()  # qmp_capabilities
nonce = os.environ.get("FAKE_NONCE", "")
with open(path("console", "logfile"), "ab", buffering=0) as console:
    if mode == "killed":
        console.write(b"Linux version fake\n")
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "flood":
        while True:
            console.write(b"x" * 4096 + b"\n")
            time.sleep(0.0005)
    if mode in ("hostile", "crash"):
        control.sendall(b'{"ev":"boot","release":"fake"}\n{"ev":"ready"}\n')
        if chatter := os.environ.get("FAKE_QEMU_CHATTER"):
            control.sendall(Path(chatter).read_bytes())
        time.sleep(0.2)
        console.write(
            b"[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000028\n"
            b"[    1.000000] RIP: 0010:obj_malloc+0x4b/0x160\n"
            b"[    1.000000] Call Trace:\n[    1.000000]  zs_malloc+0x1e7/0x4f0\n"
            b"[    1.000000] ---[ end trace 0000000000000000 ]---\n"
        )
        end()
    if mode in ("in-init", "off-early", "reboots", "in-work", "stopped", "noise"):
        console.write(b"Linux version fake\n")
        control.sendall(b'{"ev":"boot","t":1,"release":"fake"}\n')
        if mode in ("in-work", "stopped", "noise"):
            control.sendall(b'{"ev":"ready","t":2}\n{"ev":"sample","t":3,"counters":{"vmstat.pswpout":5}}\n')
    if mode == "off-early":
        end()
    if mode == "reboots":  # under -no-reboot a reset is QEMU's end; it says so first
        assert "-no-reboot" in sys.argv
        console.write(b"reboot: Restarting system\n")
        event = {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}, "timestamp": {"seconds": 1}}
        event["timestamp"]["microseconds"] = 0  # type: ignore[index]
        qmp.sendall(json.dumps(event).encode() + b"\r\n")
        sys.exit(0)
    if mode == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if mode == "noise":
        token = json.dumps({"ev": "exit", "t": 9, "nonce": "0123456789abcdef", "code": 0}).encode()
        console.write(b"\0" * 100_000 + b"\x1b]0;owned\x07\x1b[2J" + token + b"\n" + b"\xff" * 70_000 + b"\n" + token)
    if mode == "flood-port":
        control.sendall(b'{"ev":"ready"}\n')
        while True:
            control.sendall(b"x" * 65536 + b"\n")
    if mode == "lost-port":
        control.sendall(b'{"ev":"ready"}\n')
        control.close()
    if gate := word_of_kernel("GUEST-WAIT"):
        Path(f"{gate}.waiting").touch()
        until = time.monotonic() + WAIT_SECONDS
        while not Path(gate).exists() and time.monotonic() < until:
            time.sleep(0.02)
    if mode in ("pass", "fail", "oops"):
        console.write(b"Linux version 6.12.1\n")
        control.sendall(b'{"ev":"boot","t":1,"release":"6.12.1"}\n{"ev":"ready","t":2}\n')
        control.sendall(b'{"ev":"sample","t":3,"counters":{"vmstat.pswpout":5,"recompressions":900,"overruns":0,')
        control.sendall(b'"selftest_failures":0}}\n')
        time.sleep(0.05)
    if mode == "oops":
        console.write(Path(log_to_print).read_bytes())
        sys.exit(0)
    if mode in ("good", "lost", "garbage"):
        console.write(
            b"Linux version fake\n"
            b"zram: overrun: 4096 bytes into an object of 1138, 31 pages compressed again so far\ntorn"
        )
        control.sendall(b'{"ev":"boot","t":1,"release":"fake"}\n{"ev":"ready","t":2}\n{"ev":"sample","t":3,"cou')
        time.sleep(0.05)
        control.sendall(b'nters":{"vmstat.pswpout":5,"overruns":1}}\n')
    if mode == "lost":
        sys.exit(0)
    if mode == "garbage":
        control.sendall(b'\xff\x00not json\n[]\n{"ev":"exit","nonce":"wrong","code":0}\n')
        sys.exit(0)
    if mode in ("good", "pass", "fail"):
        conf = Path(path("console", "logfile")).with_name("cell.conf").read_text()
        nonce = re.search("NONCE='([^']*)'", conf).group(1)  # type: ignore[union-attr]
        control.sendall(
            json.dumps({"ev": "exit", "t": 9, "nonce": nonce, "code": int(mode == "fail")}).encode() + b"\n"
        )
        end()
while True:  # silent, deaf
    if answer() == "quit" and mode != "deaf":
        sys.exit(0)
