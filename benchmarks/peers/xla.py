"""JAX: a jitted call for every step, and a whole epoch as one jitted scan."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from contestant import Array, Problem, Weights
from densecore.cli.workloads import ADAM_EPSILON

library = "jax"

ACTIVATIONS: dict[str, Any] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softmax": jax.nn.softmax,
    "linear": lambda z: z,
}


def _pairs(problem: Problem) -> Any:
    weights = [jnp.array(w) for w in problem.weights]
    return list(zip(weights[::2], weights[1::2], strict=True))


class _Steps:
    def __init__(self, problem: Problem) -> None:
        # Before the first array: without it JAX makes float32 of everything.
        jax.config.update("jax_enable_x64", problem.workload.dtype == "float64")
        workload = problem.workload
        self.problem = problem
        values = _pairs(problem)
        zeros = jax.tree.map(jnp.zeros_like, (values, values))
        adam = workload.optimizer == "adam"
        self.state: Any = (values, *zeros, jnp.zeros((), jnp.int32)) if adam else (values,)
        names = [activation for _, _, activation in workload.layers]
        rate = workload.learning_rate

        def cost(values: Any, x: Any, y: Any) -> Any:
            for name, (kernel, bias) in zip(names[:-1], values[:-1], strict=True):
                x = ACTIVATIONS[name](x @ kernel + bias)
            z = x @ values[-1][0] + values[-1][1]
            if workload.sparse:
                picked = jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1)
                return -picked.mean()
            return ((ACTIVATIONS[names[-1]](z) - y) ** 2).mean()

        def sgd(state: Any, x: Any, y: Any) -> Any:
            gradients = jax.grad(cost)(state[0], x, y)
            return (jax.tree.map(lambda p, g: p - rate * g, state[0], gradients),)

        def adam_step(state: Any, x: Any, y: Any) -> Any:
            values, m, v, count = state
            gradients = jax.grad(cost)(values, x, y)
            count = count + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
            # 1 - b^t by expm1: in float32 the plain form loses half of its digits at t = 1.
            t = count.astype(x.dtype)
            first, second = (-jnp.expm1(t * np.log(b)) for b in (0.9, 0.999))
            root = jnp.sqrt(second).astype(x.dtype)
            step = (rate * root / first).astype(x.dtype)

            def update(p: Any, m: Any, v: Any) -> Any:
                return p - step * m / (jnp.sqrt(v) + ADAM_EPSILON * root)

            return jax.tree.map(update, values, m, v), m, v, count

        self.step: Any = adam_step if adam else sgd

    def parameters(self) -> Weights:
        return [np.asarray(p) for pair in self.state[0] for p in pair]


class Step(_Steps):
    name = "JAX, jitted step"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.jitted = jax.jit(self.step, donate_argnums=0)
        self.batches = [
            (jnp.array(x), jnp.array(y))
            for x, y in (problem.batch(index) for index in range(problem.batches))
        ]

    def epoch(self) -> None:
        state, step = self.state, self.jitted
        for x, y in self.batches:
            state = step(state, x, y)
        self.state = jax.block_until_ready(state)


class Scan(_Steps):
    name = "JAX, scanned epoch"
    loop = True

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        shape = (problem.batches, problem.workload.batch)
        self.x = jnp.array(problem.x.reshape(*shape, *problem.x.shape[1:]))
        self.y = jnp.array(problem.y.reshape(*shape, *problem.y.shape[1:]))
        step = self.step

        def epoch(state: Any, x: Any, y: Any) -> Any:
            return jax.lax.scan(lambda state, xy: (step(state, *xy), None), state, (x, y))[0]

        self.jitted = jax.jit(epoch, donate_argnums=0)

    def epoch(self) -> None:
        self.state = jax.block_until_ready(self.jitted(self.state, self.x, self.y))


class Predict:
    name = "JAX, jitted"

    def __init__(self, problem: Problem) -> None:
        jax.config.update("jax_enable_x64", problem.workload.dtype == "float64")
        names = [activation for _, _, activation in problem.workload.layers]
        self.values = _pairs(problem)
        self.x = jnp.array(problem.asked)
        self.last: Any = None

        @jax.jit
        def forward(values: Any, x: Any) -> Any:
            for name, (kernel, bias) in zip(names, values, strict=True):
                x = ACTIVATIONS[name](x @ kernel + bias)
            return x

        self.forward = forward

    def repeat(self, count: int) -> None:
        forward, values, x = self.forward, self.values, self.x
        for _ in range(count):
            self.last = forward(values, x).block_until_ready()

    def output(self) -> Array:
        return np.asarray(self.last)


trainings = [Step, Scan]
predictions = [Predict]
