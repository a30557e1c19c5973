"""densecore itself: inside `fit`, and called from Python for every step."""

from __future__ import annotations

import numpy as np

import densecore as dc
from contestant import Array, Problem, Weights

library = "densecore"


class _Model:
    threads: int | None = None  # as the problem says

    def __init__(self, problem: Problem) -> None:
        self.problem, self.workload = problem, problem.workload
        self.model = self.workload.model()
        self.model.set_weights(problem.weights)

    def use_threads(self) -> None:
        dc.set_num_threads(self.threads or self.problem.threads)

    def parameters(self) -> Weights:
        return self.model.get_weights()


class Fit(_Model):
    name = "densecore fit"
    loop = True

    def epoch(self) -> None:
        self.epochs(1)

    def epochs(self, count: int) -> None:
        self.use_threads()
        x, y, batch = self.problem.x, self.problem.y, self.workload.batch
        self.model.fit(x, y, batch, epochs=count, shuffle=False, verbose=0)


class FitOneThread(Fit):
    """What more threads are compared with."""

    name = "densecore fit, 1 thread"
    threads = 1


class Batch(_Model):
    name = "densecore train_on_batch"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.batches = [problem.batch(index) for index in range(problem.batches)]

    def epoch(self) -> None:
        self.use_threads()
        train = self.model.train_on_batch
        for x, y in self.batches:
            train(x, y)


class Predict(_Model):
    name = "densecore predict_on_batch"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.x = problem.asked
        self.out = np.empty((problem.rows, self.workload.units[-1]), self.workload.dtype)

    def repeat(self, count: int) -> None:
        self.use_threads()
        predict, x, out = self.model.predict_on_batch, self.x, self.out
        for _ in range(count):
            predict(x, out)

    def output(self) -> Array:
        return self.out


trainings = [Fit, Batch]
predictions = [Predict]
