"""Every part of the benchmark in one go: ``python benchmarks/everything.py [--json FILE]``.

Each part is a program of its own, run in its own process on one thread, one after another; what it
prints goes to the terminal, what it writes into one report, with the machine, the versions and the
date that all parts share. A part that fails does not keep the others from running. Exit status 1
when one failed, 2 for a mistake in the command.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import description
from run import choose
from worker import environment

FOLDER = Path(__file__).parent
LIBRARIES = (
    ["densecore", "numpy", "scipy", "scikit-learn", "torch", "jax", "onnxruntime", "keras"]
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A program that understands ``--quick`` and ``--json FILE``."""

    command: tuple[str, ...]  # after the interpreter
    minutes: float  # of a whole run, about
    question: str  # that it answers

    needs: str | None = None  # a module, without which it has nothing to measure

    @property
    def missing(self) -> str | None:
        """What keeps it from running."""
        if self.command[0].endswith(".py") and not (FOLDER / self.command[0]).exists():
            return f"{self.command[0]} is not there"
        if self.needs and find_spec(self.needs) is None:
            return f"{self.needs} is not installed"
        return None

    @property
    def shown(self) -> str:
        """The command as a user types it."""
        folder = "" if self.command[0] == "-m" else "benchmarks/"
        return f"python {folder}{' '.join(self.command)}"


PARTS = {
    "core": Part(("-m", "densecore", "bench", "--threads", "1"), 0.2, "what this machine gives"),
    "libraries": Part(("run.py",), 8, "training steps and predictions beside other libraries"),
    "random": Part(("random_networks.py",), 5, "networks drawn by a seed, beside other libraries"),
    "threads": Part(("many_threads.py",), 1, "what more processors would give, simulated"),
    "ranks": Part(("ranks.py",), 0.5, "two processes beside two threads", "mpi4py"),
    "overheads": Part(("overheads.py",), 3, "what a call costs beyond its arithmetic"),
    "features": Part(("features.py",), 0.3, "what a step costs with each layer and option"),
    "sklearn": Part(
        ("sklearn_tables.py",), 3, "scikit-learn's estimators beside densecore's", "sklearn"
    ),
    "solvers": Part(("solvers.py",), 3, "Levenberg-Marquardt and L-BFGS", "scipy"),
    "ensembles": Part(("ensembles.py",), 2, "many small networks at once"),
    "graphs": Part(("graphs.py",), 1, "two towers and embeddings, beside JAX and PyTorch", "jax"),
    "serving": Part(("serving.py",), 2, "latencies of single rows, from several threads"),
}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Run every part of the benchmark.")
    made.add_argument("--only", metavar="NAME[,NAME]", help=f"of {', '.join(PARTS)}")
    made.add_argument("--quick", action="store_true", help="see that all parts work")
    made.add_argument("--json", metavar="FILE", help="write one report")
    made.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    return made


def run_part(part: Part, quick: bool) -> dict[str, Any]:
    """What a part has written, how it ended and how long it took."""
    program, *options = part.command
    command = [program, *options] if program == "-m" else [str(FOLDER / program), *options]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.json"
        command += ["--quick"] * quick + ["--json", str(path)]
        start = time.perf_counter()
        status = subprocess.run(
            [sys.executable, *command], env=environment(threads=1), check=False
        ).returncode
        return {
            "command": [*part.command, *["--quick"] * quick],
            "status": status,
            "seconds": round(time.perf_counter() - start, 1),
            "report": json.loads(path.read_text()) if path.exists() else None,
        }


def versions() -> dict[str, str]:
    """Of the libraries that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def measure(names: list[str], quick: bool) -> dict[str, Any]:
    """The whole report, JSON-able."""
    report: dict[str, Any] = {
        "machine": description.describe(), "versions": versions(), "quick": quick, "missing": {},
        "parts": {},
    }  # fmt: skip
    for name in names:
        part = PARTS[name]
        print(f"\n=== {name}: {part.question} ({part.shown})")
        if part.missing:
            print(f"left out: {part.missing}")
            report["missing"][name] = part.missing
            continue
        sys.stdout.flush()
        report["parts"][name] = found = run_part(part, quick)
        if found["status"] != 0 or found["report"] is None:
            print(f"{name}: FAILED with status {found['status']}, "
                  f"{'a' if found['report'] else 'no'} report")  # fmt: skip
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        names = choose("--only", options.only, list(PARTS))
        if options.json is not None and not Path(options.json).parent.is_dir():
            raise ValueError(f"--json: there is no directory {Path(options.json).parent}")
        if options.list:
            for name in names:
                part = PARTS[name]
                time_text = "left out" if part.missing else f"{part.minutes:g} min"
                print(f"{name:12}{time_text:>10}  {part.question}")
            return 0
        report = measure(names, options.quick)
        if options.json is not None:
            Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    except (ValueError, OSError) as error:
        print(f"everything.py: {error}", file=sys.stderr)
        return 2
    print()
    bad = False
    for name, part in report["parts"].items():
        failed = part["status"] != 0 or part["report"] is None
        bad |= failed
        print(f"{name:12}{part['seconds']:8.1f} s  {'FAILED' if failed else 'done'}")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
