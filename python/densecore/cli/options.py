"""Options of several commands: how a table is read, and files that must be different ones."""

import argparse
import os
from typing import Any

from densecore.tabular import Table, read_table
from densecore.tabular.reader import SEPARATORS


def add_table_options(parser: Any) -> None:
    """Add the options that `read` looks at."""
    parser.add_argument(
        "--separator",
        metavar="CHAR",
        help=f"one of {' '.join(SEPARATORS)} (default: found in the file)",
    )
    parser.add_argument(
        "--no-header",
        action="store_true",
        help="the first line is values; columns are column_1, column_2, …",
    )
    parser.add_argument(
        "--missing-value",
        metavar="TEXT",
        action="append",
        default=[],
        help="a text that stands for a missing value in every column, such as -999; repeat it for "
        "several",
    )


def read(path: str, options: argparse.Namespace) -> Table:
    """The table of a file, as the options say."""
    return read_table(
        path,
        separator_of(options.separator),
        not options.no_header,
        missing_values=options.missing_value,
    )


def separator_of(name: str | None) -> str | None:
    """The character that ``--separator`` names, None to find it in the file."""
    if name is None:
        return None
    if name in SEPARATORS:
        return SEPARATORS[name]
    if len(name) == 1 and name.isascii() and not name.isalnum() and name not in "\"'\r\n.":
        return name
    if name == "\\t":
        return "\t"
    raise ValueError(f"--separator: found '{name}', wanted one of {' '.join(SEPARATORS)}")


def refuse_same_file(*named: tuple[str, str | None]) -> None:
    """Raise ValueError when two of the paths are one file: writing it would destroy the other."""
    seen: dict[str, str] = {}
    for name, path in named:
        if path is None:
            continue
        real = os.path.realpath(path)
        if real in seen:
            raise ValueError(f"{path}: is both {seen[real]} and {name}, wanted different files")
        seen[real] = name
