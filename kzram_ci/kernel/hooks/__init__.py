"""Instruments put into a source by code search: for kernels that no patch was made for.

Each hook says what it looks for and how often it must be found; what was done is checked again from outside. A place
that is not there, or is there too often, is an error and never a hook less. New: a series gets a hooks.yaml. Pure.
"""

from kzram_ci.kernel.hooks.hook import Hook, Order, Put, Search, Way

__all__ = ["Hook", "Order", "Put", "Search", "Way"]
