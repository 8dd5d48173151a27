"""Building kernels: content-addressed results, and slots in which a variant costs seconds.

A *slot* is a source tree with an object directory in it. Kernels that differ in patches only share one: the
files that differ are rewritten, make does the rest. What comes out is copied to `kernels/<key>/`, where the
key is the digest of everything that went in.
"""

from kzram_ci.kernel.kbuild.artifacts import cached
from kzram_ci.kernel.kbuild.base_tree import is_local, pristine
from kzram_ci.kernel.kbuild.build import build
from kzram_ci.kernel.kbuild.inputs import Inputs, key, slot_key
from kzram_ci.kernel.kbuild.provenance import provenance_of

__all__ = ["Inputs", "build", "cached", "is_local", "key", "pristine", "provenance_of", "slot_key"]
