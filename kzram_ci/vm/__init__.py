"""The machine: QEMU's command line, its process, its monitor, its console, and which accelerator works here.

Pure: `argv` (one function a concern, pinned by golden files) and `tiny_guest`. At the edge: `qemu`, `qmp`, `console`,
`accel`, `binary`. May import base and model only. A new device is a function in `argv` and a field of
`model.machine.MachineSpec`.
"""
