"""The values that rooms hand to each other: frozen, slotted, keyword-only.

Imports of base only errors, needs and packages.

A new value that two rooms need is a dataclass here; what only one room needs stays in that room.
"""
