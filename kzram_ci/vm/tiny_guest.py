"""The smallest guest that proves a virtual CPU works: a 64 KiB ROM made here, no kernel, no assembler. Pure.

It leaves real mode, turns paging on, writes to memory, reads it back and hands the value to QEMU's
isa-debug-exit device. A `/dev/kvm` that opens, makes virtual CPUs and then never runs them is caught, and so
is one that cannot leave real mode.
"""

from __future__ import annotations

ROM_BYTES = 0x10000  # QEMU wants a multiple of 64 KiB and maps it right below 4 GiB
_START = 0xFF00

# .code16, at ROM offset 0xff00; after reset CS has base 0xffff0000, so IP is the offset
_CODE = bytes.fromhex(
    "fa"  # cli
    "2e660f011680ff"  # lgdtl %cs:0xff80
    "0f20c06683c8010f22c0"  # mov %cr0,%eax; or $1,%eax; mov %eax,%cr0       protected mode
    "66ea1affffff0800"  # ljmpl $8,$0xffffff1a                              to the next line
    "b8100000008ed8"  # .code32: mov $16,%eax; mov %ax,%ds
    "c7050010000083000000"  # movl $0x83,0x1000          page directory: first 4 MiB, present, writable, large
    "c705fc1f00008300c0ff"  # movl $0xffc00083,0x1ffc    and the last 4 MiB, where this ROM is
    "b8001000000f22d8"  # mov $0x1000,%eax; mov %eax,%cr3
    "0f20e083c8100f22e0"  # mov %cr4,%eax; or $0x10,%eax; mov %eax,%cr4      large pages
    "0f20c00d000000800f22c0"  # mov %cr0,%eax; or $0x80000000,%eax; mov …    paging
    "c705002000005a000000"  # movl $0x5a,0x2000
    "a000200000"  # mov 0x2000,%al
    "66ba0105ee"  # mov $0x501,%dx; out %al,(%dx)                           QEMU ends here
    "f4ebfd"  # hlt, for ever
)
_TABLE = bytes.fromhex(
    "0000000000000000"  # 0x08 code and 0x10 data: flat, 4 GiB
    "ffff0000009bcf00"
    "ffff00000093cf00"
)
_TABLE_REGISTER = (len(_TABLE) - 1).to_bytes(2, "little") + (0xFFFFFF68).to_bytes(4, "little")
_RESET = bytes.fromhex("e90dff")  # at 0xfff0: jmp 0xff00


def rom() -> bytes:
    """The ROM image; the same bytes every time."""
    image = bytearray(ROM_BYTES)
    for offset, part in ((_START, _CODE), (0xFF68, _TABLE), (0xFF80, _TABLE_REGISTER), (0xFFF0, _RESET)):
        image[offset : offset + len(part)] = part
    return bytes(image)
