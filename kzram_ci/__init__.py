"""kzram-ci: build patched kernels, boot them in QEMU, race zram's swap-out, judge by evidence."""

__version__ = "0.1.0"
