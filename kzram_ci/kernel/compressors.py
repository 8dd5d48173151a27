"""Which compression algorithms a configuration gives zram. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kzram_ci.model.version import applies_to

BACKENDS_SINCE = ">=6.12"  # zram's own backends; before, the crypto API's
# algorithm: (symbol of zram's own backend, symbol of the crypto API)
SYMBOLS = {
    "lzo": ("CONFIG_ZRAM_BACKEND_LZO", "CONFIG_CRYPTO_LZO"),
    "lzo-rle": ("CONFIG_ZRAM_BACKEND_LZO", "CONFIG_CRYPTO_LZO"),
    "lz4": ("CONFIG_ZRAM_BACKEND_LZ4", "CONFIG_CRYPTO_LZ4"),
    "lz4hc": ("CONFIG_ZRAM_BACKEND_LZ4HC", "CONFIG_CRYPTO_LZ4HC"),
    "zstd": ("CONFIG_ZRAM_BACKEND_ZSTD", "CONFIG_CRYPTO_ZSTD"),
    "deflate": ("CONFIG_ZRAM_BACKEND_DEFLATE", "CONFIG_CRYPTO_DEFLATE"),
    "842": ("CONFIG_ZRAM_BACKEND_842", "CONFIG_CRYPTO_842"),
}


def wanted(algorithm: str, version: str) -> tuple[str, ...]:
    """The symbols that give an algorithm to a kernel; of a version that is not known, one of them will do."""
    own, crypto = SYMBOLS[algorithm]
    if not version:
        return own, crypto
    return (own,) if applies_to((BACKENDS_SINCE,), version) else (crypto,)


def offered(values: Mapping[str, str], version: str) -> tuple[str, ...]:
    """The algorithms that a configuration turns on."""
    return tuple(
        name for name in SYMBOLS if any(values.get(symbol, "n") not in ("n", "0") for symbol in wanted(name, version))
    )
