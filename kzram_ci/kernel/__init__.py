"""How a kernel comes to be: source, series, configuration, toolchain, build; and what its source says of the overrun.

One direction, written in `workshop`: `source` gives a tree, `parts` the parts that a definition names, `toolchain`
the tools; `recipe` puts these values together, `kbuild` makes the kernel of them. Pure: `recipe`, `series`, `diff`,
`kconfig`, `compressors`, `fragments`, `buildfixes`, `kbuild.inputs`, `kbuild.log` and `mechanism`. At the edge:
`source` (one module a kind), `parts`, `toolchain`, `patches`, `kbuild`. `context` says where and until when. May
import base and model only. A new kind of source is a module in `source/` and a case in its `_tree`; a new fact about
kernels is a row in `mechanism/map.toml`.
"""
