"""`kzram-ci schema`: the JSON Schema of plans or kernel files, for editors."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.plan.load import schema_of

EXAMPLE = """\
example: kzram-ci schema --output .kzram-schema.json
         then, as first line of a plan:  # yaml-language-server: $schema=.kzram-schema.json
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRequest:
    """The grammar of plans or of kernel files; to standard output, or a file."""

    of: str = "plan"
    output: Path | None = None


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
    """The command."""
    return write(SchemaRequest(of="kernel" if args.kernel else "plan", output=args.output))


def write(request: SchemaRequest) -> int:
    """Print or write the schema. Raises InfraError (disk)."""
    text = json.dumps(schema_of(request.of), indent=2, ensure_ascii=False) + "\n"
    if request.output is None:
        print(text, end="")
    else:
        files.write_atomic(request.output, text)
    return 0
