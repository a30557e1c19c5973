"""Keras 3, with the backend that it is configured for: train_on_batch, and its two predictions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from contestant import Array, LeftOutError, Problem, Weights
from densecore.cli.workloads import ADAM_EPSILON

library = "keras"


def _model(problem: Problem) -> Any:
    workload = problem.workload
    layers = [
        keras.layers.Dense(units, activation, dtype=workload.dtype)
        for _, units, activation in workload.layers
    ]
    model = keras.Sequential([keras.Input((workload.inputs,), dtype=workload.dtype), *layers])
    model.set_weights(problem.weights)
    return model


class Batch:
    name = "Keras train_on_batch"

    def __init__(self, problem: Problem) -> None:
        workload = problem.workload
        if workload.dtype != keras.config.floatx():
            raise LeftOutError(f"it is configured for {keras.config.floatx()}")
        self.model = _model(problem)
        optimizer = keras.optimizers.SGD(workload.learning_rate)
        if workload.optimizer == "adam":
            optimizer = keras.optimizers.Adam(workload.learning_rate, epsilon=ADAM_EPSILON)
        self.model.compile(optimizer, workload.loss)
        self.batches = [problem.batch(index) for index in range(problem.batches)]

    def epoch(self) -> None:
        train = self.model.train_on_batch
        for x, y in self.batches:
            train(x, y)

    def parameters(self) -> Weights:
        weights: Weights = self.model.get_weights()
        return weights


class Call:
    name = "Keras model(x)"

    def __init__(self, problem: Problem) -> None:
        self.model, self.x = _model(problem), problem.asked
        self.last: Any = None

    def repeat(self, count: int) -> None:
        model, x = self.model, self.x
        for _ in range(count):
            self.last = model(x, training=False)

    def output(self) -> Array:
        return np.asarray(keras.ops.convert_to_numpy(self.last))


class OnBatch(Call):
    name = "Keras predict_on_batch"

    def repeat(self, count: int) -> None:
        predict, x = self.model.predict_on_batch, self.x
        for _ in range(count):
            self.last = predict(x)


trainings = [Batch]
predictions = [Call, OnBatch]
