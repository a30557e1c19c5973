"""NumPy by hand, written with care: every array is allocated once, all in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from contestant import Array, Problem, Weights
from densecore.cli.workloads import ADAM_EPSILON

library = "numpy"


def _activate(name: str, z: Array) -> None:
    """In place."""
    if name == "relu":
        np.maximum(z, 0, out=z)
    elif name == "tanh":
        np.tanh(z, out=z)
    elif name == "sigmoid":
        np.negative(z, out=z)
        np.exp(z, out=z)
        z += 1
        np.reciprocal(z, out=z)
    elif name == "softmax":
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)


def _backward(name: str, a: Array, g: Array, spare: Array) -> None:
    """g *= f'(z), by the output a."""
    if name == "relu":
        np.greater(a, 0, out=spare)
        g *= spare
    elif name == "tanh":
        np.multiply(a, a, out=spare)
        np.subtract(1, spare, out=spare)
        g *= spare
    elif name == "sigmoid":
        np.subtract(1, a, out=spare)
        spare *= a
        g *= spare


class _Network:
    def __init__(self, problem: Problem, rows: int) -> None:
        self.problem, self.workload = problem, problem.workload
        self.kernels = [w.copy() for w in problem.weights[::2]]
        self.biases = [w.copy() for w in problem.weights[1::2]]
        self.names = [activation for _, _, activation in self.workload.layers]
        self.outputs = [
            np.empty((rows, units), self.workload.dtype) for _, units, _ in self.workload.layers
        ]

    def forward(self, x: Array) -> Array:
        for name, kernel, bias, out in zip(
            self.names, self.kernels, self.biases, self.outputs, strict=True
        ):
            np.matmul(x, kernel, out=out)
            out += bias
            _activate(name, out)
            x = out
        return x


class Steps(_Network):
    name = "NumPy"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, problem.workload.batch)
        self.batches = [problem.batch(index) for index in range(problem.batches)]
        self.deltas = [np.empty_like(out) for out in self.outputs]
        self.spare = [np.empty_like(out) for out in self.outputs]
        self.rows = np.arange(self.workload.batch)
        self.parameters_list = self.parameters()
        self.gradients = [np.empty_like(p) for p in self.parameters_list]
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self.parameters_list]
        self.scratch = [np.empty_like(p) for p in self.parameters_list]
        self.count = 0

    def parameters(self) -> Weights:
        return [p for pair in zip(self.kernels, self.biases, strict=True) for p in pair]

    def epoch(self) -> None:
        update: Any = self._adam if self.workload.optimizer == "adam" else self._sgd
        for x, y in self.batches:
            self._gradients(x, y)
            update()

    def _gradients(self, x: Array, y: Array) -> None:
        a, delta = self.forward(x), self.deltas[-1]
        if self.workload.sparse:  # softmax and cross-entropy together
            delta[...] = a
            delta[self.rows, y] -= 1
            delta *= 1 / self.workload.batch
        else:
            np.subtract(a, y, out=delta)
            delta *= 2 / delta.size
            _backward(self.names[-1], a, delta, self.spare[-1])
        for index in reversed(range(len(self.kernels))):
            below = x if index == 0 else self.outputs[index - 1]
            delta = self.deltas[index]
            np.matmul(below.T, delta, out=self.gradients[2 * index])
            np.sum(delta, axis=0, out=self.gradients[2 * index + 1])
            if index > 0:
                before = self.deltas[index - 1]
                np.matmul(delta, self.kernels[index].T, out=before)
                _backward(self.names[index - 1], below, before, self.spare[index - 1])

    def _sgd(self) -> None:
        for parameter, gradient in zip(self.parameters_list, self.gradients, strict=True):
            gradient *= self.workload.learning_rate
            parameter -= gradient

    def _adam(self) -> None:
        self.count += 1
        root = (1 - 0.999**self.count) ** 0.5
        rate = self.workload.learning_rate * root / (1 - 0.9**self.count)
        for parameter, gradient, (m, v), scratch in zip(
            self.parameters_list, self.gradients, self.moments, self.scratch, strict=True
        ):
            m *= 0.9
            np.multiply(gradient, 0.1, out=scratch)
            m += scratch
            v *= 0.999
            np.multiply(gradient, gradient, out=gradient)
            gradient *= 0.001
            v += gradient
            np.sqrt(v, out=scratch)
            scratch += ADAM_EPSILON * root
            np.divide(m, scratch, out=scratch)
            scratch *= rate
            parameter -= scratch


class Predict(_Network):
    name = "NumPy"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, problem.rows)
        self.x = problem.asked

    def repeat(self, count: int) -> None:
        forward, x = self.forward, self.x
        for _ in range(count):
            forward(x)

    def output(self) -> Array:
        return self.outputs[-1]


trainings = [Steps]
predictions = [Predict]
