# Custom initializers, penalties, constraints and activations, as functions.
import numpy as np

import densecore as keras
from densecore import layers, ops


def scaled_tanh(x):
    return 1.7159 * ops.tanh(2 / 3 * x)


def narrow(shape, dtype="float32"):
    return np.random.default_rng(1).normal(0, 0.1, shape).astype(dtype)


def ridge(weights):
    return 0.001 * ops.sum(ops.square(weights))


keras.utils.set_random_seed(15)
rng = np.random.default_rng(15)
x = rng.normal(size=(500, 5))
y = np.tanh(x[:, 0]) + 0.3 * x[:, 1]
hidden = layers.Dense(
    12, activation=scaled_tanh, kernel_initializer=narrow, kernel_regularizer=ridge
)
model = keras.Sequential([layers.Input(shape=(5,)), hidden])
model.add(layers.Dense(1, kernel_constraint=keras.constraints.MaxNorm(1.0)))
assert np.allclose(hidden.get_weights()[0], narrow((5, 12)))
model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
model.fit(x, y, epochs=40, verbose=0)
penalty = 0.001 * np.sum(np.square(hidden.get_weights()[0]))
length = np.linalg.norm(model.layers[-1].get_weights()[0])
loss, mae = model.evaluate(x, y, verbose=0)
print("mean absolute error:", mae, "penalty:", float(model.losses[0]), "length:", length)
assert np.isclose(float(model.losses[0]), penalty, rtol=1e-4)
assert length < 1.0001
assert mae < 0.1
