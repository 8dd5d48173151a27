"""How a kernel comes to be: source, series, configuration, toolchain, build; and what its source says of the overrun.

Pure: `series`, `diff`, `kconfig`, `fragments`, `buildfixes`, `kbuild.log` and `mechanism`. At the edge: `source` (one
module a kind), `patches`, `toolchain`, `kbuild`; `workshop` holds their order. May import base and model only. A new
kind of source is a module in `source/` and a row in its table; a new fact about kernels is a row in
`mechanism/map.toml`.
"""
