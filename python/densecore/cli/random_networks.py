"""Random networks: a seed draws them, so that no speed can be tuned to a list.

``densecore bench --random SEED`` times them and their neighbours, which differ in one thing; the
comparison with other libraries (``benchmarks/random_networks.py``) draws the same.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .workloads import Workload

# The range of a step's multiply-adds.
KINDS = {"tiny": (1e1, 2e4), "small": (2e4, 2e6), "medium": (2e6, 1e8), "large": (1e8, 3e9)}
BATCHES = [1, 1, 2, 4, 8, 10, 16, 32, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000, 2048]
MOST_PARAMETERS = 30_000_000


def draw(seed: int, count: int, kinds: list[str] | None = None) -> list[Workload]:
    """`count` networks, the kinds of `kinds` (default: all) in turn."""
    rng = np.random.default_rng(seed)
    names = kinds or list(KINDS)
    return [_draw(rng, f"{seed}-{i}", *KINDS[names[i % len(names)]]) for i in range(count)]


def _draw(rng: np.random.Generator, name: str, low: float, high: float) -> Workload:
    """Widths and batch log-uniform, until the work is within the limits."""
    while True:
        most = rng.choice([8, 32, 128, 512, 2048])
        inputs, *hidden = (
            round(float(most ** rng.uniform(0.2, 1))) for _ in range(rng.integers(2, 6))
        )
        classes = rng.random() < 0.4
        outputs = int(rng.integers(2, 11) if classes else rng.integers(1, 5))
        drawn = Workload(
            name, inputs, (*hidden, outputs), str(rng.choice(["relu", "relu", "tanh", "sigmoid"])),
            "softmax" if classes else "linear",
            "sparse_categorical_crossentropy" if classes else "mean_squared_error",
            int(rng.choice(BATCHES)), str(rng.choice(["sgd", "adam"])), 1e-3,
            str(rng.choice(["float32", "float32", "float32", "float64"])),
        )  # fmt: skip
        if low <= drawn.multiply_adds <= high and drawn.parameter_count <= MOST_PARAMETERS:
            return drawn


def neighbours(workload: Workload) -> dict[str, Workload]:
    """Networks that differ from `workload` in one thing."""
    *hidden, last = workload.units
    changed: dict[str, Callable[[], Workload]] = {
        "a row more": lambda: replace(workload, batch=workload.batch + 1),
        "twice the rows": lambda: replace(workload, batch=2 * workload.batch),
        "a unit more": lambda: replace(workload, units=(*(n + 1 for n in hidden), last)),
        "an input more": lambda: replace(workload, inputs=workload.inputs + 1),
        "a layer more": lambda: replace(workload, units=(*hidden, *hidden[-1:], last)),
        "gelu": lambda: replace(workload, hidden="gelu"),
        "silu": lambda: replace(workload, hidden="silu"),
        "elu": lambda: replace(workload, hidden="elu"),
        "tanh": lambda: replace(workload, hidden="tanh"),
        "adam": lambda: replace(workload, optimizer="adam"),
        "float64": lambda: replace(workload, dtype="float64"),
    }
    made = {name: change() for name, change in changed.items()}
    return {name: other for name, other in made.items() if other != workload}


def expected_work(workload: Workload) -> float:
    """The expected time of a step, in that of a multiply-add: the products, the update of the
    parameters, and the activations; float64 counts twice."""
    updates = 3 * workload.parameter_count
    functions = 40 * workload.batch * sum(workload.units)
    return (2 * workload.multiply_adds + updates + functions) * (1 + (workload.dtype == "float64"))


def factor(found: float, network: Workload, base: float, of: Workload) -> float:
    """By how much a network's time exceeds that of another one, beyond what its work grows by."""
    return found / base / (expected_work(network) / expected_work(of))
