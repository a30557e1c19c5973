"""What the parts of the benchmark have in common: two options, and where the numbers go."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import description


def parse(description: str | None, arguments: Sequence[str] | None) -> argparse.Namespace:
    """`--quick` and `--json FILE`, which `everything.py` gives to each part."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    made.add_argument("--json", metavar="FILE", help="write all numbers")
    return made.parse_args(arguments)


def write(path: str | None, numbers: dict[str, Any]) -> None:
    """The numbers with the machine that they were measured on, when a file is wanted."""
    if path is not None:
        report = {"machine": description.describe(), **numbers}
        Path(path).write_text(json.dumps(report, indent=1) + "\n")
