"""What an entry of a store consists of: names, sizes and digests; and what of what a stranger wrote is taken. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kzram_ci.base.values import dataclass

FORMAT = 1
MOST_FILES = 20_000  # the modules of a distribution's kernel are 4,000
MOST_BYTES = 16 << 30
INDEX_BYTES = 8 << 20
MANIFEST = "manifest.json"

# Of a run what it found: scripts of it (repro.sh, qemu.txt) are programs, its reports are drawn from this.
RUNS = "runs"
RUN_FILES = re.compile(
    r"plan\.(?:yaml|json)|(?:environment|blame)\.json|results\.jsonl"
    r"|cells/[A-Za-z0-9_=+-][\w.=+-]*/(?:(?:attempt|boot-failed|interrupted)-\d{1,6}/){0,2}"
    r"(?:console\.log|control\.log|qemu\.log|(?:cell|counters|evidence)\.json|oops-[\w.-]{1,100}\.txt"
    r"|stdout\.txt|stderr\.txt|hang-registers\.txt)",
    re.ASCII,
)

# kind -> which of its files are shared, by their path within the entry. A kernel's scripts for gdb are programs of
# the host that has them: they stay where they were made.
KINDS: Mapping[str, re.Pattern[str]] = {
    "kernels": re.compile(
        r"manifest\.json|(?:bzImage|[uzv]?Image(?:\.gz)?|vmlinu[xz]|config|System\.map|build\.log)"
        r"|facts-[0-9a-f]{16}\.json|[\w.+-]+\.diff|modules/(?:[\w.+,@=-]+/)*[\w.+,@=-]+",
        re.ASCII,
    ),
    "rootfs": re.compile(r"manifest\.json|initramfs\.cpio", re.ASCII),
    "roots": re.compile(r"manifest\.json|[\w.+-]+\.(?:img|ext4|qcow2|raw)", re.ASCII),
    "downloads": re.compile(r"manifest\.json|[\w.+~-]+\.tar(?:\.\w+)?", re.ASCII),
    RUNS: RUN_FILES,
}
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{7,159}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Wrong(ValueError):
    """What a store holds is not what it should be: damaged, half, or made up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file of an entry."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The files of an entry, the manifest among them."""

    kind: str
    key: str
    files: tuple[Item, ...]


def proof(kind: str) -> str:
    """The file without which an entry is none."""
    return "plan.json" if kind == RUNS else MANIFEST


def shared(kind: str, path: str) -> bool:
    """Whether a file of an entry goes into a store, and is taken from one: a plain name at a place of its kind."""
    parts = path.split("/")
    return KINDS[kind].fullmatch(path) is not None and not any(part in ("", ".", "..") for part in parts)


def render(index: Index) -> bytes:
    """The index as it is stored."""
    rows = [{"path": item.path, "size": item.size, "sha256": item.sha256} for item in index.files]
    data = {"format": FORMAT, "kind": index.kind, "key": index.key, "files": rows}
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


def parse(data: bytes, kind: str, key: str) -> Index:
    """What a store says of an entry. Raises Wrong for all that `render` never writes."""
    if len(data) > INDEX_BYTES:
        raise Wrong("its index is too long")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Wrong("its index is not JSON") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise Wrong("its index is of another format")
    if (value.get("kind"), value.get("key")) != (kind, key):
        raise Wrong("its index is of something else")
    rows = value.get("files")
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_FILES:
        raise Wrong("its index has no list of files, or too long a one")
    files = tuple(_item(kind, row) for row in rows)
    paths = {item.path for item in files}
    if len(paths) != len(files) or proof(kind) not in paths:
        raise Wrong(f"its index names a file twice, or no {proof(kind)}")
    folders = {path[:at] for path in paths for at, sign in enumerate(path) if sign == "/"}
    if folders & paths:
        raise Wrong("its index names a file that is a directory as well")
    if sum(item.size for item in files) > MOST_BYTES:
        raise Wrong("it is too large")
    return Index(kind=kind, key=key, files=files)


def _item(kind: str, row: Any) -> Item:
    if not isinstance(row, dict):
        raise Wrong("its index has a row that is not one")
    path, size, digest = row.get("path"), row.get("size"), row.get("sha256")
    if not isinstance(path, str) or len(path) > 1024 or not shared(kind, path):
        raise Wrong(f"it has a file that has no place in {kind}: {str(path)[:80]!r}")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MOST_BYTES:
        raise Wrong(f"{path} has no size")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise Wrong(f"{path} has no digest")
    return Item(path=path, size=size, sha256=digest)


def data_name(digest: str) -> str:
    """Where the bytes of a digest lie in a store."""
    return f"data/{digest[:2]}/{digest}"


def index_name(kind: str, key: str) -> str:
    """Where the index of an entry lies in a store. Raises ValueError for a kind or key that no entry has."""
    if kind not in KINDS or not KEY.fullmatch(key):
        raise ValueError(f"{kind}/{key} is not an entry of a store")
    return f"index/{kind}/{key}.json"
