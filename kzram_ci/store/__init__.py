"""Cache entries shared by machines: a directory, S3 or anything else that fsspec knows, by content address.

May import base. `index` is pure: what an entry consists of, and what of that is taken. `place` moves bytes, each
transfer under a deadline. `shared` is what other rooms ask: it never raises for what a store lacks, lost or got wrong,
for the answer to all of these is the same: make it here.

A store holds `data/<sha256>` and, for each entry, `index/<kind>/<key>.json` with the digests of its files, which is
written last. A new kind of entry is a row in `index.KINDS`.
"""
