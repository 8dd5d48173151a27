"""Test plans: their grammar, their kernels, and the cells they expand to.

Pure but for `load`, `kernels` and `tables`, which read plans, kernel files and tables from the library. May import
base, model and the mechanism map (`kernel.mechanism`) only. A new key is a field in `schema`, `cell_schema`,
`matrix_schema` or `kernel_schema`; what it does to cells is in `merge` and `expand`; a contradiction that can be seen
before anything runs is in `lint`; what needs other rooms to be seen is in `kzram_ci.run.checks`. A new counter is a
row in `counters`, a new workload a row of rootfs/workloads.yaml, a new line or variant of kernels a row of
kernels/lines.yaml or kernels/variants.yaml.
"""
