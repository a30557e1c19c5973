"""What a call costs beyond its arithmetic: ``python benchmarks/overheads.py [--quick]``.

Three small networks, one step or prediction per call, one thread. The arithmetic is densecore's
own, of many steps in one call (`step.run(n)`) and of many rows in one prediction; what a call takes
longer than that is its overhead. Every contestant's result is checked before its time is taken.
Exit status 1 when one computes something else, 2 for a mistake in the command.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import description
import peers
from calls import ARITHMETIC, PARTS
from report import heading, time_text
from rows import CALLS
from run import ask, choose

WIDTH = 38


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Measure what calls cost beyond their arithmetic.")
    made.add_argument("--only", metavar="NAME[,NAME]", help=f"of {', '.join(CALLS)}")
    made.add_argument("--peers", metavar="NAME[,NAME]", help=f"of {', '.join(peers.MODULES)}")
    made.add_argument("--quick", action="store_true", help="short rounds, nothing compiled")
    made.add_argument("--json", metavar="FILE", help="write all numbers")
    made.set_defaults(rounds=None)
    return made


def print_row(row: dict[str, Any]) -> None:
    """One contestant per line: a call, and what of it is not arithmetic."""
    print(f"\n{row['use']}: {heading(row)}")
    print(f"  {'':<{WIDTH}}{'per call':>10}{'overhead':>11}{'× arithmetic':>14}{'error':>9}")
    floor = row["floor"]
    for name, spent in sorted(row["times"].items(), key=lambda item: item[1]):
        if name in PARTS:
            continue
        line = f"  {name:<{WIDTH}}{time_text(spent):>10}"
        if name in ARITHMETIC:
            line += f"{'arithmetic':>11}{'':14}"
        elif floor:
            over = time_text(spent - floor) if spent > floor else "≈ 0"
            line += f"{over:>11}{spent / floor:>14.3g}"
        else:
            line += f"{'-':>11}{'-':>14}"
        print(line + f"{row['errors'][name]:>9.0e}")
    parts = [f"{name.split()[1]} {time_text(row['times'][name])}" for name in PARTS
             if name in row["times"]]  # fmt: skip
    if parts:
        print(f"  alone: {', '.join(parts)}")
    for name, reason in row["wrong"].items():
        print(f"  {name}: WRONG, {reason}")
    for name, reason in row["left_out"].items():
        print(f"  {name}: left out, {reason.splitlines()[0][:120]}")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        names = choose("--only", options.only, list(CALLS))
        options.chosen_peers = choose("--peers", options.peers, list(peers.MODULES))
        if "densecore" not in options.chosen_peers:
            options.chosen_peers.insert(0, "densecore")
        # Calls take microseconds: many short rounds find an undisturbed one sooner than few long.
        settings = {} if options.quick else {"rounds": 100, "seconds": 0.004}
        answer = ask(names, 1, options, print_row, **settings)
        for row in answer["rows"]:  # a number for each of so many rounds would say no more
            row["median"] = {name: median(rounds) for name, rounds in row.pop("rounds").items()}
        found = {"machine": description.describe(), **answer}
        print()
        for name, reason in found["missing"].items():
            print(f"{name}: left out, {reason}")
        if options.json is not None:
            Path(options.json).write_text(json.dumps(found, indent=1) + "\n")
    except (ValueError, OSError, RuntimeError) as error:
        print(f"overheads.py: {error}", file=sys.stderr)
        return 2
    return 1 if any(row["wrong"] for row in found["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
