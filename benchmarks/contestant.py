"""What takes part in a comparison, and when two of them count as computing the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import densecore as dc
from densecore.cli.workloads import ADAM_EPSILON, Workload

Array = NDArray[Any]
Weights = list[Array]  # kernel (inputs, units), bias (units,), ...: the order of `get_weights`

# Of the largest change of a parameter array: rounding of sums of up to a few thousand terms.
LIMITS = {"float32": 1e-4, "float64": 1e-9}

# In units of the rounding of 1: how exactly a sum of some thousand terms is known.
KINK = 64


class LeftOutError(Exception):
    """This contestant cannot do this workload; the text says why."""


@dataclass
class Problem:
    """One workload as every contestant gets it."""

    workload: Workload
    threads: int
    batches: int
    x: Array = field(repr=False)
    y: Array = field(repr=False)
    weights: Weights = field(repr=False)
    rows: int = 1  # of a prediction

    @property
    def asked(self) -> Array:
        """The rows to predict."""
        return self.x[: self.rows]

    @classmethod
    def of(cls, workload: Workload, threads: int, batches: int) -> Problem:
        x, y = workload.data(batches)
        return cls(workload, threads, batches, x, y, workload.model().get_weights())

    def batch(self, index: int) -> tuple[Array, Array]:
        rows = slice(index * self.workload.batch, (index + 1) * self.workload.batch)
        return self.x[rows], self.y[rows]

    def first_batch(self) -> Problem:
        """The same with nothing but the first batch: one epoch is one step.

        Rows that bring a relu's input next to 0 give way to copies of others: there, rounding
        decides whether the row counts in the gradient, and right contestants would not agree.
        """
        x, y = self.batch(0)
        step = Problem(self.workload, self.threads, 1, x.copy(), y, self.weights)
        if self.workload.hidden == "relu":
            reference = _reference(self)
            reference.forward(x.astype(np.float64))
            margin = KINK * np.finfo(self.workload.dtype).eps
            near = np.any([np.abs(z).min(axis=1) < margin for z in reference.z[1:-1]], axis=0)
            if near.all():
                raise ValueError(f"{self.workload.name}: found no row without a relu next to 0")
            step.x[near] = np.resize(x[~near], (int(near.sum()), x.shape[1]))
        return step


class Training(Protocol):
    """Trains from the problem's weights; made anew for every problem."""

    name: str
    loop: bool  # whether an epoch is one call; by default there is a call for each step

    def __init__(self, problem: Problem) -> None: ...
    def epoch(self) -> None:
        """One step for each of the problem's batches, in order; finished when it returns."""

    def parameters(self) -> Weights: ...


class Prediction(Protocol):
    """Predicts the rows that are asked for."""

    name: str

    def __init__(self, problem: Problem) -> None: ...
    def repeat(self, count: int) -> None:
        """`count` predictions, one call from Python for each."""

    def output(self) -> Array: ...


def _reference(problem: Problem) -> dc.reference.Network:
    """The NumPy reference with the problem's weights, in double precision."""
    kernels, biases = problem.weights[::2], problem.weights[1::2]
    names = [activation for _, _, activation in problem.workload.layers]
    return dc.reference.Network(
        [
            (np.ascontiguousarray(kernel.T, np.float64), bias.astype(np.float64), name)
            for kernel, bias, name in zip(kernels, biases, names, strict=True)
        ]
    )


def expected_step(problem: Problem) -> Weights:
    """The parameters after one step, by the reference."""
    workload, reference = problem.workload, _reference(problem)
    x, y = problem.batch(0)
    settings = {"learning_rate": workload.learning_rate}
    if workload.optimizer == "adam":
        settings["epsilon"] = ADAM_EPSILON
    y = y if workload.sparse else y.astype(np.float64)
    reference.train_on_batch(
        x.astype(np.float64), y, optimizer=workload.optimizer, loss=workload.loss, **settings
    )
    return [p.T if p.ndim == 2 else p for p in reference.parameters]


def step_error(problem: Problem, expected: Weights, found: Weights) -> float:
    """The largest error of a parameter array's change in one step, relative to that change.

    The parameter's own rounding is taken off: it is there however exact the change was. Of an array
    whose change is hidden by it, as that of the first layers of a deep network may be, only a
    larger change than wanted can be seen.
    """
    eps = float(np.finfo(problem.workload.dtype).eps)
    worst, largest, visible = 0.0, (0.0, 0.0), False
    for before, want, have in zip(problem.weights, expected, found, strict=True):
        if have.shape != want.shape:
            raise ValueError(f"parameters: found shape {have.shape}, wanted {want.shape}")
        change = float(np.abs(want - before).max())
        rounding = eps * float(np.abs(want).max())
        error = float(np.abs(np.asarray(have, np.float64) - want).max())
        if not np.isfinite(error):
            worst = np.inf
        elif change >= 100 * rounding:
            visible = visible or want.ndim > 1  # biases start at 0, which has no rounding
            worst = max(worst, max(error - rounding, 0.0) / change)
        else:
            largest = max(largest, (change, rounding))
            worst = worst if error <= 2 * (change + rounding) else np.inf
    if not visible:
        change, rounding = largest
        raise ValueError(
            f"{problem.workload.name}: a step changes parameters by {change:.1e}, too little "
            f"to see an error; wanted at least {100 * rounding:.1e} (learning rate)"
        )
    return worst


def expected_output(problem: Problem) -> Array:
    """The prediction, by the reference."""
    return _reference(problem).forward(problem.asked.astype(np.float64))


def output_error(expected: Array, found: Array) -> float:
    """The largest error of an output, relative to the largest output."""
    if found.shape != expected.shape:
        raise ValueError(f"output: found shape {found.shape}, wanted {expected.shape}")
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    return error if np.isfinite(error) else np.inf
