"""What the tests of the command line share: tables to give it, and ways to call it."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


def command(*arguments: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "densecore", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def table(text: str, name: str = "data.csv") -> str:
    Path(name).write_text(text)
    return name


def flowers(rows: int = 60, seed: int = 0) -> str:
    """A small table with numbers, categories, and classes that depend on both."""
    rng = np.random.default_rng(seed)
    lines = ["length,colour,wild,species,weight"]
    for _ in range(rows):
        colour = rng.choice(["red", "blue"])
        length = rng.normal(3 if colour == "red" else 6, 1)
        species = "rose" if length < 4.5 else "iris"
        wild = rng.choice(["true", "false"])
        weight = 2 * length + (1 if wild == "true" else 0) + rng.normal(0, 0.1)
        lines.append(f"{length:.3f},{colour},{wild},{species},{weight:.3f}")
    return "\n".join(lines) + "\n"


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))
