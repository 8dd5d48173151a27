"""A kernel module that is nothing but its .modinfo section: what `modinfo` and our parser read."""

import struct


def module(name: str, depends: str = "", softdep: str = "") -> bytes:
    fields = [f"name={name}", f"depends={depends}", *([f"softdep={softdep}"] if softdep else [])]
    info = b"\0".join(field.encode() for field in fields) + b"\0"
    strings = b"\0.modinfo\0.shstrtab\0"
    at = 64
    rows = [(0, 0, 0, 0, 0, 0), (1, 1, 0, 0, at, len(info)), (10, 3, 0, 0, at + len(info), len(strings))]
    table = at + len(info) + len(strings)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2
    )
    sections = b"".join(struct.pack("<IIQQQQIIQQ", *row, 0, 0, 1, 0) for row in rows)
    return header + info + strings + sections
