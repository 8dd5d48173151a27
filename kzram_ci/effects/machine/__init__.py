"""The virtual machine: QEMU (qemu), its monitor (qmp), the kernel log (console), the guest's own port (control)."""
