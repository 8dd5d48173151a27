r"""Find, name and compare what the Linux kernel prints when it is in trouble.

>>> from kzram_ci.oops import parse
>>> [oops.title for oops in parse(b"[    1.000000] kernel BUG at mm/slub.c:1!\n")]
['kernel BUG']
"""

from kzram_ci.oops.model import Frame, Oops
from kzram_ci.oops.parse import iterate, parse
from kzram_ci.oops.stream import StreamParser

__all__ = ["Frame", "Oops", "StreamParser", "iterate", "parse"]
