# Categories of a table as learnt vectors, beside its numbers.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(16)
rng = np.random.default_rng(16)
rows = 3000
data = {
    "store": rng.integers(0, 20, rows),
    "weekday": rng.integers(0, 7, rows),
    "numbers": rng.normal(size=(rows, 3)).astype("float32"),
}
store_effect, day_effect = rng.normal(size=20), rng.normal(size=7)
sales = store_effect[data["store"]] + day_effect[data["weekday"]] + data["numbers"][:, 0]

inputs, parts = {}, []
for name, size in (("store", 20), ("weekday", 7)):
    inputs[name] = keras.Input(shape=(1,), name=name)
    vector = layers.Embedding(size, min(50, size // 2), name=f"{name}_embedding")(inputs[name])
    parts.append(layers.Reshape((min(50, size // 2),))(vector))
inputs["numbers"] = keras.Input(shape=(3,), name="numbers")
parts.append(layers.Dense(8)(inputs["numbers"]))
x = layers.Concatenate()(parts)
x = layers.Dense(32, activation="relu")(x)
model = keras.Model(list(inputs.values()), layers.Dense(1)(x))
model.compile("adam", "mse")
model.fit(data, sales, epochs=15, batch_size=64, verbose=0, validation_split=0.2)
mse = model.evaluate(data, sales, verbose=0)
print("mse:", mse, "variance:", sales.var())
assert mse < 0.15 * sales.var()
assert model.get_layer("store_embedding").get_weights()[0].shape == (20, 10)
