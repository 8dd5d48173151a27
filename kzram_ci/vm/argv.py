"""QEMU's command line, one function a concern, each with its reason. Pure and deterministic.

Nothing here listens beyond this host: every channel is a Unix socket, and the guest has no network card.
"""

from __future__ import annotations

from kzram_ci.base.values import dataclass
from kzram_ci.model.arch import COMMON_CMDLINE, Arch, arch_of
from kzram_ci.model.machine import Accel, Dump, MachineSpec
from kzram_ci.model.root import SERIAL

CONTROL_PORT = "org.kzram.control"
STDIN_PORT = "org.kzram.stdin"
GUEST_ADDRESS = "10.0.2.15"  # init gives it to its card
CONSOLE_ID = "console"  # the chardev that QMP's chardev-send-break names
TINY_GUEST_PORT = 0x501
TINY_GUEST_VALUE = 0x5A
TINY_GUEST_EXIT = TINY_GUEST_VALUE << 1 | 1  # isa-debug-exit leaves with (value << 1) | 1

Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPaths:
    """Files and sockets of one boot. Sockets lie in a short private directory: 107 bytes is the limit."""

    qmp: str
    control: str
    serial: str
    console: str
    disk: str = ""
    stdin: str = ""  # of a command in the guest
    root: str = ""  # the disk with the root of the guest's programs
    root_format: str = "raw"
    gdb: str = ""  # where QEMU waits for a debugger before the guest's first instruction
    memory: str = ""  # the file that is the guest's memory, for guests that are saved or restored
    restored: bool = False  # from that file, which stays as it is, and a state that comes by `migrate-incoming`


def escaped(path: str) -> str:
    """A path as an option's value: QEMU reads a doubled comma as one."""
    return path.replace(",", ",,")


def base_args(row: Arch) -> Argv:
    """An empty machine: no devices, no configuration of the user's, messages that compare equal."""
    return (row.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-msg", "timestamp=off")


def accel_args(row: Arch, accel: Accel, cpu: str = "") -> Argv:
    """One host thread a virtual CPU under TCG: the race needs CPUs that really run side by side.

    cpu: the model that was proved; "" for the architecture's first one.
    """
    if accel is Accel.KVM:
        return ("-machine", row.machine, "-accel", "kvm", "-cpu", cpu or row.cpus_kvm[0])
    return ("-machine", row.machine, "-accel", "tcg,thread=multi", "-cpu", cpu or row.cpu_tcg)


def threads_args(accel: Accel) -> Argv:
    """Names by which the threads of virtual CPUs are known, to give them their places (`placing`)."""
    return () if accel is Accel.KVM else ("-name", "debug-threads=on")


def size_args(spec: MachineSpec) -> Argv:
    """CPUs as sockets' worth of cores, memory in MiB."""
    return ("-smp", str(spec.cpus), "-m", f"{spec.memory_mib}M")


def end_args(row: Arch, dump: Dump = Dump.NEVER) -> Argv:
    """A panic is reported (pvpanic) and then goes on, so that its last lines still reach the console.

    With `panic=-1` the guest reboots right after them, and -no-reboot makes that QEMU's end; where memory is to be
    dumped QEMU waits then. By the vmcoreinfo device the kernel tells what a dump of it needs to be read.
    """
    device = ("-device", row.panic_device) if row.panic_device else ()
    if dump is Dump.NEVER:
        return ("-no-reboot", "-action", "panic=none", *device)
    return ("-no-reboot", "-action", "panic=none,shutdown=pause", *device, "-device", "vmcoreinfo")


def monitor_args(paths: CellPaths) -> Argv:
    """QMP on a socket that we listen on before QEMU starts: no polling, no race."""
    return ("-chardev", f"socket,id=qmp,path={escaped(paths.qmp)}", "-mon", "chardev=qmp,mode=control")


def console_args(paths: CellPaths) -> Argv:
    """The kernel's console. QEMU itself keeps the raw bytes in a file, even while no client is connected.

    A server that does not wait drops what is not read, so the guest's UART never blocks on us. Append,
    because a file opened that way survives being looked at and cut by others.
    """
    log = f"logfile={escaped(paths.console)},logappend=on"
    chardev = f"socket,id={CONSOLE_ID},path={escaped(paths.serial)},server=on,wait=off,{log}"
    return ("-chardev", chardev, "-serial", f"chardev:{CONSOLE_ID}")


def control_args(paths: CellPaths) -> Argv:
    """Exit token and counters: a port of its own, so that a broken kernel log cannot break them.

    We listen, QEMU connects: the port is open at the host's end before the guest's first byte.
    """
    return port_args(f"socket,id=control,path={escaped(paths.control)}")


def port_args(chardev: str) -> Argv:
    """The control port, on what QEMU is to connect it to."""
    port = f"virtserialport,chardev=control,name={CONTROL_PORT}"
    return ("-device", "virtio-serial-pci", "-chardev", chardev, "-device", port)


def stdin_args(paths: CellPaths) -> Argv:
    """What a command in the guest reads: not on the console, whose line discipline changes bytes and drops some."""
    if not paths.stdin:
        return ()
    port = f"virtserialport,chardev=stdin,name={STDIN_PORT}"
    return ("-chardev", f"socket,id=stdin,path={escaped(paths.stdin)}", "-device", port)


def disk_args(paths: CellPaths) -> Argv:
    """A scratch disk that never flushes to the host's: its content dies with the cell.

    Opened for writing from the start: QEMU would open it anew where a guest is saved or restored, as another user.
    """
    if not paths.disk:
        return ()
    drive = f"file={escaped(paths.disk)},if=none,id=scratch,format=raw,auto-read-only=off,cache=unsafe,discard=unmap"
    return ("-drive", drive, "-device", "virtio-blk-pci,drive=scratch")


def root_args(paths: CellPaths) -> Argv:
    """The disk with the programs' root, which stays as it is: what the guest writes goes to a file of QEMU's own."""
    if not paths.root:
        return ()
    drive = f"file={escaped(paths.root)},if=none,id=root,format={paths.root_format},snapshot=on,cache=unsafe"
    return ("-drive", drive, "-device", f"virtio-blk-pci,drive=root,serial={SERIAL}")


def network_args(spec: MachineSpec) -> Argv:
    """One port of this host's loopback to the guest's sshd; the guest reaches nothing, not even this host."""
    if spec.root is None or not spec.root.ssh_port:
        return ()
    forward = f"hostfwd=tcp:127.0.0.1:{spec.root.ssh_port}-{GUEST_ADDRESS}:22"
    return ("-netdev", f"user,id=net,restrict=on,{forward}", "-device", "virtio-net-pci,netdev=net,romfile=")


def share_tag(number: int) -> str:
    """What the guest mounts a directory of the host by."""
    return f"kzram{number}"


def share_args(spec: MachineSpec) -> Argv:
    """Directories of the host, by 9p: QEMU itself serves them, there is no other process and no right is needed.

    `none`: files have the owner and mode that the host's user may give them. remap: a directory may hold mounts.
    """
    words: list[str] = []
    for number, share in enumerate(spec.shares):
        mode = "" if share.writable else ",readonly=on"
        place = f"id=share{number},path={escaped(share.directory)}"
        words += ["-fsdev", f"local,{place},security_model=none,multidevs=remap{mode}"]
        words += ["-device", f"virtio-9p-pci,fsdev=share{number},mount_tag={share_tag(number)}"]
    return tuple(words)


def gdb_args(paths: CellPaths) -> Argv:
    """QEMU's gdb server on a socket in a private directory; -S: the guest waits for its first word."""
    if not paths.gdb:
        return ()
    chardev = f"socket,id=gdb,path={escaped(paths.gdb)},server=on,wait=off"
    return ("-chardev", chardev, "-gdb", "chardev:gdb", "-S")


def memory_args(spec: MachineSpec, paths: CellPaths) -> Argv:
    """Memory that is a file: shared to save a guest in it, private to start from one that is saved.

    With the migration capability x-ignore-shared (QEMU 4.0 and later) the state leaves it out: to restore a guest is
    to map the file.
    """
    if not paths.memory:
        return ()
    share = "off" if paths.restored else "on"
    backend = f"memory-backend-file,id=ram,size={spec.memory_mib}M,mem-path={escaped(paths.memory)},share={share}"
    return ("-object", backend, "-machine", "memory-backend=ram", *(("-incoming", "defer") if paths.restored else ()))


def kernel_args(kernel: str, initrd: str, cmdline: Argv) -> Argv:
    """Kernel, initramfs and command line; QEMU loads them, there is no boot loader and no disk."""
    return ("-kernel", kernel, "-initrd", initrd, "-append", " ".join(cmdline))


def cmdline_of(spec: MachineSpec, accel: Accel) -> Argv:
    """The kernel's command line: architecture, house, plan; the last word wins where they differ."""
    row = arch_of(spec.arch)
    emulated = row.cmdline_tcg if accel is not Accel.KVM else ()
    return (*row.cmdline, *emulated, *COMMON_CMDLINE, *spec.cmdline)


def argv(
    spec: MachineSpec, accel: Accel, *, kernel: str, initrd: str, paths: CellPaths, cmdline: Argv = (), cpu: str = ""
) -> Argv:
    """The whole command line of one boot. `cmdline` is added after the plan's. Raises UserError."""
    row = arch_of(spec.arch)
    return (
        *base_args(row),
        *accel_args(row, accel, cpu),
        *threads_args(accel),
        *size_args(spec),
        *memory_args(spec, paths),
        *end_args(row, spec.dump),
        *monitor_args(paths),
        *console_args(paths),
        *control_args(paths),
        *stdin_args(paths),
        *disk_args(paths),
        *root_args(paths),
        *share_args(spec),
        *network_args(spec),
        *gdb_args(paths),
        *kernel_args(kernel, initrd, (*cmdline_of(spec, accel), *cmdline)),
        *spec.qemu_args,
    )


def alone_argv(
    spec: MachineSpec,
    accel: Accel,
    *,
    kernel: str,
    initrd: str,
    control: str,
    disk: str = "",
    root: tuple[str, str] = ("", "raw"),
    cpu: str = "",
) -> Argv:
    """The same machine with nothing at the other end: console and monitor on a terminal, the control port a file.

    root: the disk with the programs' root, and its format.
    """
    row = arch_of(spec.arch)
    paths = CellPaths(qmp="", control="", serial="", console="", disk=disk, root=root[0], root_format=root[1])
    return (
        *base_args(row),
        *accel_args(row, accel, cpu),
        *threads_args(accel),
        *size_args(spec),
        *end_args(row),
        "-serial",
        "mon:stdio",
        *port_args(f"file,id=control,path={escaped(control)}"),
        *disk_args(paths),
        *root_args(paths),
        *share_args(spec),
        *kernel_args(kernel, initrd, cmdline_of(spec, accel)),
        *spec.qemu_args,
    )


def tiny_guest_argv(row: Arch, accel: Accel, rom: str, cpu: str = "") -> Argv:
    """A machine whose only program is a ROM that ends QEMU with TINY_GUEST_EXIT once it has run."""
    exit_device = f"isa-debug-exit,iobase={TINY_GUEST_PORT:#x},iosize=1"
    size = ("-smp", "1", "-m", "16M")
    return (*base_args(row), *accel_args(row, accel, cpu), *size, "-no-reboot", "-bios", rom, "-device", exit_device)


def first_line_argv(row: Arch, accel: Accel, kernel: str, cpu: str = "") -> Argv:
    """A kernel without an initramfs, its console on standard output: it greets, panics and is gone."""
    words = " ".join((*row.cmdline, "panic=-1"))
    size = ("-smp", "1", "-m", "512M", "-no-reboot")
    return (
        *base_args(row),
        *accel_args(row, accel, cpu),
        *size,
        "-serial",
        "stdio",
        "-kernel",
        kernel,
        "-append",
        words,
    )
