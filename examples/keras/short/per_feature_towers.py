# An additive model: a small network for each column, and a sum that can be read.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(29)
rng = np.random.default_rng(29)
x = rng.uniform(-2, 2, (1500, 3)).astype("float32")
y = np.sin(2 * x[:, 0]) + x[:, 1] ** 2 - x[:, 2]

inputs, effects = [], []
for name in ("a", "b", "c"):
    column = keras.Input(shape=(1,), name=name)
    hidden = layers.Dense(24, activation="tanh")(column)
    effects.append(layers.Dense(1, name=f"effect_of_{name}")(hidden))
    inputs.append(column)
total = layers.Add()(effects)
model = keras.Model(inputs, total)
columns = [x[:, i] for i in range(3)]
model.compile(keras.optimizers.Adam(0.02), "mse")
model.fit(columns, y, epochs=30, verbose=0)
readable = keras.Model(inputs, effects)
a, b, c = readable.predict(columns, verbose=0)
print(
    "mse:",
    model.evaluate(columns, y, verbose=0),
    "correlation:",
    np.corrcoef(b[:, 0], x[:, 1] ** 2)[0, 1],
)
assert np.corrcoef(b[:, 0], x[:, 1] ** 2)[0, 1] > 0.98
assert np.allclose(a + b + c, model.predict(columns, verbose=0), atol=1e-4)
