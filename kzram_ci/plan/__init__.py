"""Test plans: their grammar, their kernels, and the cells they expand to.

Pure but for `library`, which finds plans and kernels on disk. May import base.errors and model only. A new key is a
field in `schema`; what it does to cells is in `matrix`; a value that needs more than a type is checked in
`validation`.
"""
