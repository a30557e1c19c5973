"""Compare densecore with other libraries: ``python benchmarks/run.py [--quick]``.

Every contestant's result is checked before its time is taken; all take turns in one process. Exit
status 1 when one computes something else, 2 for a mistake in the command.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import description
import peers
import report as reports
import worker
from rows import ROWS, Row


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Compare densecore with other libraries.")
    made.add_argument("--threads", default="1", help="such as 1,2 (default: 1)")
    made.add_argument("--only", metavar="NAME[,NAME]", help=f"of {', '.join(ROWS)}")
    made.add_argument("--peers", metavar="NAME[,NAME]", help=f"of {', '.join(peers.MODULES)}")
    quick = "short rounds, without compiled steps and the largest network"
    made.add_argument("--quick", action="store_true", help=quick)
    made.add_argument("--rounds", type=int, help="(default: 7, with --quick 3)")
    made.add_argument("--json", metavar="FILE", help="write all numbers")
    made.add_argument("--plot", metavar="FILE", help="write a picture, such as speed.png")
    return made


def choose(option: str, text: str | None, known: Sequence[str]) -> list[str]:
    """The names of a comma-separated list; all known ones for none.

    Raises
    ------
    ValueError
        One is not known; the message lists those that are.
    """
    if text is None:
        return list(known)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise ValueError(f"{option}: unknown name '{name}'; known: {', '.join(known)}")
    return names


def thread_counts(text: str) -> list[int]:
    """Raises ValueError for what this process has no processors for."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if min(counts) < 1:
        raise ValueError(f"--threads: found '{text}', wanted whole numbers such as 1,2")
    usable = len(description.processors())
    if usable and max(counts) > usable:
        raise ValueError(
            f"--threads: found {max(counts)}, wanted at most {usable}, the processors that this "
            "process may use"
        )
    return counts


def chosen_rows(options: argparse.Namespace, threads: int) -> list[str]:
    def runs(row: Row) -> bool:
        if row.threads and threads not in row.threads:
            return False
        return options.only is not None or row.quick or not options.quick

    return [name for name in choose("--only", options.only, list(ROWS)) if runs(ROWS[name])]


def ask(
    rows: list[str],
    threads: int,
    options: argparse.Namespace,
    show: Callable[[dict[str, Any]], None] = reports.print_row,
    **settings: Any,
) -> dict[str, Any]:
    """Run rows in a process with so many threads and processors; shows each as it comes.

    `settings` are those of `contest.Settings` that are not as the options say.
    """
    question = {
        "rows": rows,
        "peers": options.chosen_peers,
        "processors": description.processors()[:threads],
        "settings": {
            "threads": threads,
            "rounds": options.rounds or (3 if options.quick else 7),
            "seconds": 0.02 if options.quick else 0.2,
            "multiply_adds": 1e8 if options.quick else 2e9,
            "compile": not options.quick,
            **settings,
        },
    }
    process = subprocess.Popen(
        [sys.executable, str(Path(worker.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=worker.environment(threads),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    answer: dict[str, Any] = {"rows": []}
    with process:
        process.stdin.write(json.dumps(question))
        process.stdin.close()
        for line in process.stdout:
            part = json.loads(line)
            if "row" in part:
                answer["rows"].append(part["row"])
                show(part["row"])
                sys.stdout.flush()
            else:
                answer.update(part)
    if process.returncode != 0 or "versions" not in answer:
        raise RuntimeError(
            f"the process that measured {', '.join(rows)} ended with status {process.returncode}"
        )
    return answer


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The whole report, JSON-able."""
    found: dict[str, Any] = {
        "machine": description.describe(), "versions": {}, "missing": {}, "rows": [],
    }  # fmt: skip
    for threads in thread_counts(options.threads):
        names = chosen_rows(options, threads)
        # A process for each dtype: JAX decides once whether it has float64.
        wide = [name for name in names if ROWS[name].workload.startswith("f64")]
        for rows in ([name for name in names if name not in wide], wide):
            if rows:
                part = ask(rows, threads, options)
                found["rows"] += part["rows"]
                found["versions"].update(part["versions"])
                found["missing"].update(part["missing"])
    found["rows"].sort(key=lambda row: (row["threads"], list(ROWS).index(row["name"])))
    if not found["rows"]:
        raise ValueError(f"--only: found {options.only}, which has no row for {options.threads} "
                         "threads")  # fmt: skip
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.rounds is not None and options.rounds < 1:
            raise ValueError(f"--rounds: found {options.rounds}, wanted at least 1")
        options.chosen_peers = choose("--peers", options.peers, list(peers.MODULES))
        if "densecore" not in options.chosen_peers:
            options.chosen_peers.insert(0, "densecore")
        found = measure(options)
        reports.print_summary(found)
        if options.json is not None:
            Path(options.json).write_text(json.dumps(found, indent=1) + "\n")
        if options.plot is not None:
            import picture

            picture.draw(found, options.plot)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    return 1 if any(row["wrong"] for row in found["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
