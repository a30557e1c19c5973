# A set of three items: one encoder for all of them, and an average that knows no order.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(23)
rng = np.random.default_rng(23)
items = rng.normal(size=(3, 1500, 2)).astype("float32")
y = np.square(items).sum(axis=(0, 2))

encode = layers.Dense(32, activation="relu")
encode2 = layers.Dense(16, activation="relu")
inputs = [keras.Input(shape=(2,), name=f"item_{i}") for i in range(3)]
pooled = layers.Average()([encode2(encode(item)) for item in inputs])
model = keras.Model(inputs, layers.Dense(1)(pooled))
model.compile(keras.optimizers.Adam(0.01), "mse")
model.fit(list(items[:, :1200]), y[:1200], epochs=30, verbose=0)
mse = model.evaluate(list(items[:, 1200:]), y[1200:], verbose=0)
one = model.predict([items[0, :5], items[1, :5], items[2, :5]], verbose=0)
other = model.predict([items[2, :5], items[0, :5], items[1, :5]], verbose=0)
print("mse:", mse, "variance:", y.var(), "weights:", len(model.weights))
assert np.allclose(one, other, rtol=1e-4)
assert len(model.weights) == 6
assert mse < 0.2 * y.var()
