"""What several commands take: tables with a separator, and files that must be different ones."""

import os
from typing import Any

from densecore.tabular.reader import SEPARATORS


def add_separator(parser: Any) -> None:
    """Add ``--separator``, which `separator_of` reads."""
    parser.add_argument(
        "--separator",
        metavar="CHAR",
        help=f"one of {' '.join(SEPARATORS)} (default: found in the file)",
    )


def separator_of(name: str | None) -> str | None:
    """The character that ``--separator`` names, None to find it in the file."""
    if name is None:
        return None
    if name in SEPARATORS:
        return SEPARATORS[name]
    if len(name) == 1 and not name.isalnum() and name not in "\"'\r\n.":
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
