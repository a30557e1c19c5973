"""scikit-learn: partial_fit over all batches, where its estimators have the network."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from contestant import Array, LeftOutError, Problem, Weights
from densecore.cli.workloads import ADAM_EPSILON

library = "scikit-learn"

HIDDEN = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


class PartialFit:
    name = "scikit-learn partial_fit"

    def __init__(self, problem: Problem) -> None:
        workload = problem.workload
        kind = MLPClassifier if workload.sparse else MLPRegressor
        last = "softmax" if workload.sparse else "linear"
        if workload.last != last:
            raise LeftOutError(f"{kind.__name__} has no {workload.last} as last activation")
        # Its squared loss is half the sum over the outputs; densecore's, as Keras's, is their mean.
        factor = 1.0 if workload.sparse else 2 / workload.units[-1]
        adam = workload.optimizer == "adam"
        self.model: Any = kind(
            hidden_layer_sizes=workload.units[:-1],
            activation=HIDDEN[workload.hidden],
            solver=workload.optimizer,
            alpha=0.0,
            batch_size=workload.batch,
            learning_rate_init=workload.learning_rate * (1 if adam else factor),
            momentum=0.0,
            shuffle=False,
            # Adam does not mind the scale of the gradient, but for epsilon, which it also adds
            # before the correction of the second moment: so that the first step agrees.
            epsilon=ADAM_EPSILON / factor * (1 - 0.999) ** 0.5,
        )
        self.x, self.y = problem.x, problem.y
        if not workload.sparse and workload.units[-1] == 1:
            self.y = self.y[:, 0]
        self.classes = {"classes": np.arange(workload.units[-1])} if workload.sparse else {}
        # The first call makes the parameters; then they become those of the problem.
        self._fit(self.x[: workload.batch], self.y[: workload.batch])
        for index in range(len(workload.units)):
            self.model.coefs_[index][...] = problem.weights[2 * index]
            self.model.intercepts_[index][...] = problem.weights[2 * index + 1]
        del self.model._optimizer

    def _fit(self, x: Any, y: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.partial_fit(x, y, **self.classes)

    def epoch(self) -> None:
        self._fit(self.x, self.y)

    def parameters(self) -> Weights:
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [p.copy() for pair in pairs for p in pair]


class Predict(PartialFit):
    name = "scikit-learn predict"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.asked = problem.asked
        self.predict = self.model.predict_proba if problem.workload.sparse else self.model.predict
        self.last: Any = None

    def repeat(self, count: int) -> None:
        predict, x = self.predict, self.asked
        for _ in range(count):
            self.last = predict(x)

    def output(self) -> Array:
        return np.asarray(self.last).reshape(len(self.asked), -1)


trainings = [PartialFit]
predictions = [Predict]
