"""A `call` with a condition on `training`, whose branches differ: one graph that knows both."""

from typing import Any

import numpy as np

import densecore as dc
from densecore import layers, ops


class Doubled(layers.Layer):
    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight(shape=(input_shape[-1], 3))

    def call(self, x: Any, training: Any = None) -> Any:
        w = self.w
        if training:
            w = w * 2.0
            self.add_loss(ops.sum(ops.square(self.w)))
        return ops.matmul(x, w)


def test_each_pass_has_its_own_branch() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    model = dc.Sequential([dc.Input(4), Doubled()], dtype="float64")
    model.compile(dc.optimizers.SGD(0.1), "mse")
    w = model.get_weights()[0].copy()
    np.testing.assert_allclose(model.predict(x), x @ w)
    np.testing.assert_allclose(np.array(model(x, training=True)), 2 * x @ w)
    loss = model.train_on_batch(x, y)
    np.testing.assert_allclose(loss, np.mean((2 * x @ w - y) ** 2) + np.sum(w**2))
    gradient = 2 / 15 * 2 * x.T @ (2 * x @ w - y) + 2 * w
    np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * gradient)
    np.testing.assert_allclose(model.evaluate(x, y), np.mean((model.predict(x) - y) ** 2))
