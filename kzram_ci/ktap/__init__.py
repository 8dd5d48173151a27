r"""KTAP and TAP 13/14: which tests a log tells of, and how each ended.

Pure as a whole: text in, values out. `lines` is the grammar of one line, `stream` builds the tree of tests, `report`
counts it and flattens it to test points. May import base, model and `oops.lines` (the prefixes of printk). A new
directive is a row of `lines.DIRECTIVES`.

>>> from kzram_ci.ktap import parse
>>> [(point.name, str(point.status)) for point in parse(b"TAP version 13\n1..2\nok 1 a\n").points()]
[('a', 'pass'), ('2', 'missing')]
"""

from kzram_ci.ktap.report import Report
from kzram_ci.ktap.stream import Parser, parse

__all__ = ["Parser", "Report", "parse"]
