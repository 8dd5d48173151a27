"""`kzram-ci schema`: the JSON Schema of each kind of file, for editors."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.base.values import dataclass
from kzram_ci.cli import answers
from kzram_ci.cli.answers import ANSWERS

EXAMPLE = """\
example: kzram-ci schema --output .kzram-schema.json
         then, as first line of a plan:  # yaml-language-server: $schema=.kzram-schema.json
         kzram-ci schema series --output .kzram-series.json
         kzram-ci schema --json-of run          # of what `kzram-ci run --json` prints

plan       testplans/*.yaml
kernel     kernels/*.yaml, but for these two:
lines      kernels/lines.yaml
variants   kernels/variants.yaml
series     kernels/patches/*/series.yaml
hooks      kernels/patches/*/hooks.yaml
fixes      kernels/toolchain/fixes.yaml
rootfs     rootfs/rootfs.yaml
workloads  rootfs/workloads.yaml
"""
# kind of file -> module and model of its grammar, imported when asked for: pydantic is slow to import
MODELS = {
    "plan": ("kzram_ci.plan.schema", "PlanFile"),
    "kernel": ("kzram_ci.plan.kernel_schema", "KernelFile"),
    "lines": ("kzram_ci.plan.kernel_schema", "LinesFile"),
    "variants": ("kzram_ci.plan.kernel_schema", "VariantsFile"),
    "series": ("kzram_ci.kernel.schema", "SeriesFile"),
    "hooks": ("kzram_ci.kernel.hooks.schema", "HooksFile"),
    "fixes": ("kzram_ci.kernel.fix_schema", "FixesFile"),
    "rootfs": ("kzram_ci.guest.schema", "RecipeFile"),
    "workloads": ("kzram_ci.plan.workload_schema", "WorkloadsFile"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRequest:
    """The grammar of one kind of file; to standard output, or a file."""

    of: str = "plan"
    output: Path | None = None
    answer: str = ""  # of what a command prints, in place of a file's


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of plans and other files, for editors",
        description="Print the JSON Schema of plans, or of another kind of file, for editors.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "of", nargs="?", default="plan", choices=list(MODELS), metavar="KIND", help="kind of file (default: plan)"
    )
    parser.add_argument("--kernel", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--json-of", choices=list(ANSWERS), metavar="COMMAND", help="of what a command prints with --json, such as run"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.set_defaults(func=main, only_looks=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return write(SchemaRequest(of="kernel" if args.kernel else args.of, output=args.output, answer=args.json_of or ""))


def write(request: SchemaRequest) -> int:
    """Print or write the schema. Raises UserError (no place for a file), InfraError (disk)."""
    document = answers.schema_of(request.answer) if request.answer else schema_of(request.of)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if request.output is None:
        print(text, end="")
    else:
        files.write_named(request.output, text)
    return 0


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a kind of file."""
    module, name = MODELS[kind]
    document = getattr(importlib.import_module(module), name).model_json_schema(by_alias=True)
    identity = f"urn:kzram-ci:schema:{kind}:1"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identity, **document}
