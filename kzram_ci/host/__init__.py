"""The host: what it has and lacks, what a run writes down about it, and how large the cache may grow.

All of it at the edge. May import base and model. A new requirement is a row in `doctor`.
"""
