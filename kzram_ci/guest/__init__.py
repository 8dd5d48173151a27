"""What runs inside the machine: its root file system, the cell's configuration, its modules, and its messages.

Pure: `cpio`, `conf`, `modinfo`. At the edge: `rootfs` (compiles the guest's programs), `modules`, `control` (the
guest's port). May import base and model only. A new workload is a program in `rootfs/src` and a row in
`rootfs/rootfs.yaml`.
"""
