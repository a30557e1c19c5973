# A model of two inputs of different kinds: measurements, and one-hot categories.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
numbers = rng.normal(size=(800, 5)).astype("float32")
kinds = rng.integers(0, 4, 800)
y = numbers[:, 0] * np.array([1.0, -1.0, 2.0, 0.0])[kinds] + 0.1 * rng.normal(size=800)
onehot = keras.utils.to_categorical(kinds, 4)

a = keras.Input(shape=(5,), name="numbers")
b = keras.Input(shape=(4,), name="kind")
x = layers.Dense(16, activation="relu")(a)
x = keras.Model(inputs=a, outputs=x)
z = layers.Dense(8, activation="relu")(b)
z = keras.Model(inputs=b, outputs=z)
combined = layers.concatenate([x.output, z.output])
out = layers.Dense(32, activation="relu")(combined)
out = layers.Dense(1, activation="linear")(out)
model = keras.Model(inputs=[x.input, z.input], outputs=out)

model.compile(loss="mean_squared_error", optimizer=keras.optimizers.Adam(learning_rate=0.01))
model.fit([numbers[:600], onehot[:600]], y[:600], epochs=30, batch_size=32, verbose=0)
mse = model.evaluate({"numbers": numbers[600:], "kind": onehot[600:]}, y[600:], verbose=0)
print("test mse:", mse, "baseline:", y[600:].var())
assert mse < 0.4 * y[600:].var()
