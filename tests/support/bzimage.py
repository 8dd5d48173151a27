"""A kernel image of x86, as far as anybody reads it here."""


def bzimage(release: str) -> bytes:
    """The header of the boot protocol (Documentation/arch/x86/boot.rst), of 64 bits, with a version string."""
    data = bytearray(0x2000)
    data[0x202:0x206] = b"HdrS"
    data[0x236] = 1  # XLF_KERNEL_64
    data[0x20E:0x210] = (0x1000 - 0x200).to_bytes(2, "little")
    text = f"{release} (builder@host) #1 SMP".encode() if release else b""
    data[0x1000 : 0x1000 + len(text)] = text
    return bytes(data)
