"""Test plans: their grammar, their kernels, and the cells they expand to.

Pure but for `library`, which finds plans and kernels on disk. May import base.errors, model and the mechanism map
(`kernel.mechanism`) only. A new key is a field in `schema`, of kernels in `kernel_schema`; what it does to cells is
in `matrix`; a value that needs more than a type is checked in `validation`. A new line or variant of kernels is no
code: it is a row of kernels/lines.yaml or kernels/variants.yaml.
"""
