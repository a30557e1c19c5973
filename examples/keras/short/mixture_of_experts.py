# Experts and a gate: the gate's weights multiply what the experts say.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(22)
rng = np.random.default_rng(22)
x = rng.uniform(-1, 1, (1500, 2)).astype("float32")
y = np.where(x[:, 0] > 0, 2 * x[:, 1], -2 * x[:, 1])

inputs = keras.Input(shape=(2,))
gate = layers.Dense(4, activation="softmax", name="gate")(layers.Dense(16, "relu")(inputs))
experts = layers.Concatenate()([layers.Dense(1, name=f"expert_{i}")(inputs) for i in range(4)])
outputs = layers.Dot(axes=1)([gate, experts])
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(0.01), loss="mse")
model.fit(x[:1200], y[:1200], epochs=30, batch_size=32, verbose=0)
mse = model.evaluate(x[1200:], y[1200:], verbose=0)
weights = keras.Model(inputs, gate).predict(x[1200:], verbose=0)
print("mse:", mse, "variance:", y.var(), "weights sum to", weights.sum(axis=1)[:3])
assert mse < 0.15 * y.var()
