"""The values that rooms hand to each other: frozen, slotted, keyword-only. Imports base.errors only.

A new value that two rooms need is a dataclass here; what only one room needs stays in that room.
"""
