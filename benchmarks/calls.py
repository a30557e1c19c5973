"""Calls from Python, one for each step or prediction, beside the same arithmetic without calls."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from contest import Result, Settings, check, contestants_of, time_all
from contestant import Array, Problem, expected_output, expected_step, output_error, step_error
from densecore.cli.workloads import WORKLOADS
from peers import own
from rows import Row
from timing import Call

# What the calls are compared with: many steps, or many rows, in one call.
RUN, MANY_ROWS = "densecore step.run(n)", "densecore predict, n rows"
ARITHMETIC = (RUN, MANY_ROWS)
# Parts of a step, which together are one.
PARTS = ("densecore forward", "densecore backward", "densecore apply_gradients")


class Step(own._Model):
    """One row of data, bound; `repeat` makes so many steps."""

    name = RUN

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.x, self.y = problem.batch(0)
        self.use_threads()
        self.step = self.model.make_train_step(self.x, self.y)

    def repeat(self, count: int) -> None:
        self.step.run(count)


class BoundStep(Step):
    name = "densecore make_train_step()()"

    def repeat(self, count: int) -> None:
        step = self.step
        for _ in range(count):
            step()


class TrainOnBatch(Step):
    name = "densecore train_on_batch"

    def repeat(self, count: int) -> None:
        train, x, y = self.model.train_on_batch, self.x, self.y
        for _ in range(count):
            train(x, y)


class OpenStep(Step):
    """Forward, backward and update, with the derivative of the mean squared error in NumPy."""

    name = "densecore forward, backward, apply"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.out = np.empty_like(self.y)
        self.gradient = np.empty_like(self.y)

    def repeat(self, count: int) -> None:
        model, x, y, out, gradient = self.model, self.x, self.y, self.out, self.gradient
        forward, backward, apply = model.forward, model.backward, model.apply_gradients
        scale = np.array(2 / y.size, y.dtype)
        for _ in range(count):
            forward(x, out)
            np.subtract(out, y, out=gradient)
            np.multiply(gradient, scale, out=gradient)
            backward(gradient)
            apply()

    def forward(self, count: int) -> None:
        forward, x, out = self.model.forward, self.x, self.out
        for _ in range(count):
            forward(x, out)

    def backward(self, count: int) -> None:
        self.model.forward(self.x, self.out)
        backward, gradient = self.model.backward, self.gradient
        for _ in range(count):
            backward(gradient)

    def apply(self, count: int) -> None:
        self.model.gradients[:] = 0  # or the parameters would run away
        apply = self.model.apply_gradients
        for _ in range(count):
            apply()


class Predictor(own.Predict):
    name = "densecore make_predictor()()"

    def repeat(self, count: int) -> None:
        self.use_threads()
        predict = self.model.make_predictor(self.x, self.out)
        for _ in range(count):
            predict()


class ManyRows(own.Predict):
    """As many predictions as are asked for, in calls for up to 4096 rows."""

    name = MANY_ROWS

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.block = max(1, 4096 // len(self.x))
        self.many = np.tile(self.x, (self.block, 1))
        self.outs = np.empty((len(self.many), self.out.shape[1]), self.out.dtype)

    def repeat(self, count: int) -> None:
        self.use_threads()
        for start in range(0, count, self.block):
            rows = min(self.block, count - start) * len(self.x)
            self.model.predict_on_batch(self.many[:rows], self.outs[:rows])

    def output(self) -> Array:
        return self.outs[: len(self.x)]


def measure(row: Row, modules: dict[str, ModuleType], settings: Settings) -> Result:
    """Check and time one row of `rows.CALLS`; `floor` is the arithmetic."""
    workload = replace(WORKLOADS[row.workload], batch=row.batch)
    result = Result(
        row.name, row.use, workload.name, workload.shape, workload.dtype, row.batch,
        settings.threads,
    )  # fmt: skip
    problem = replace(Problem.of(workload, settings.threads, 1), rows=row.batch)
    calls = (_steps if row.use == "train" else _predictions)(result, problem, modules, settings)
    time_all(result, calls, settings)
    arithmetic = [result.times[name] for name in ARITHMETIC if name in result.times]
    result.floor = arithmetic[0] if arithmetic else None
    result.unit = "call"
    return result


def _steps(
    result: Result, problem: Problem, modules: dict[str, ModuleType], settings: Settings
) -> dict[str, Call]:
    expected = expected_step(problem)
    calls: dict[str, Call] = {}
    theirs = {
        name: contestant
        for name, contestant in contestants_of(modules, "trainings", result, settings)
        if not (getattr(contestant, "loop", False) or issubclass(contestant, own._Model))
    }
    for name, contestant in {
        **{kind.name: kind for kind in (Step, BoundStep, TrainOnBatch, OpenStep)},
        **theirs,
    }.items():

        def one_step(name: str = name, contestant: type[Any] = contestant) -> float:
            made = contestant(problem)
            calls[name] = made.repeat if isinstance(made, Step) else _repeat(made)
            calls[name](1)
            return step_error(problem, expected, made.parameters())

        if not check(result, name, one_step):
            calls.pop(name, None)
    if OpenStep.name in calls:
        parts = OpenStep(problem)
        calls |= dict(zip(PARTS, (parts.forward, parts.backward, parts.apply), strict=True))
    return calls


def _repeat(contestant: Any) -> Call:
    def call(count: int) -> None:
        epoch = contestant.epoch  # of one batch
        for _ in range(count):
            epoch()

    return call


def _predictions(
    result: Result, problem: Problem, modules: dict[str, ModuleType], settings: Settings
) -> dict[str, Call]:
    expected = expected_output(problem)
    calls: dict[str, Call] = {}
    theirs = dict(contestants_of(modules, "predictions", result, settings))
    for name, contestant in {ManyRows.name: ManyRows, Predictor.name: Predictor, **theirs}.items():

        def one_call(name: str = name, contestant: type[Any] = contestant) -> float:
            made = contestant(problem)
            made.repeat(1)
            calls[name] = made.repeat
            return output_error(expected, made.output())

        if not check(result, name, one_call):
            calls.pop(name, None)
    return calls
