"""`kzram-ci schema`: the JSON Schema of plans or kernel files, for editors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.plan.load import schema_of

EXAMPLE = """\
example: kzram-ci schema --output .kzram-schema.json
         then, as first line of a plan:  # yaml-language-server: $schema=.kzram-schema.json
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of plans, for editors",
        description="Print the JSON Schema of plans (or of kernel files), for editors.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kernel", action="store_true", help="of kernels/*.yaml instead of plans")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print or write the schema."""
    text = json.dumps(schema_of("kernel" if args.kernel else "plan"), indent=2, ensure_ascii=False) + "\n"
    if args.output is None:
        print(text, end="")
    else:
        files.write_atomic(args.output, text)
    return 0
