"""``densecore export``: a saved model for other programs."""

import argparse
from typing import Any

import densecore as dc
from densecore import tabular
from densecore.export import FORMATS, export


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    formats = ", ".join(f"{ending} ({what})" for ending, what in FORMATS.items())
    parser = commands.add_parser(
        "export",
        help="write a saved model for other programs",
        description=f"Write the inference of a saved model; OUT ends in one of: {formats}.",
    )
    parser.add_argument("model", metavar="MODEL", help="a file that densecore saved")
    parser.add_argument("out", metavar="OUT", help="the file to write")
    parser.add_argument(
        "--int8",
        action="store_true",
        help="of a C header: weights of 8 bits, a quarter of the constants",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the file and say what it is, and what it costs."""
    if tabular.is_table_model(options.model):
        model = tabular.load_table_model(options.model)
        print(model.export(options.out, int8=options.int8))
    else:
        print(export(dc.load_model(options.model), options.out, int8=options.int8))
    return 0
