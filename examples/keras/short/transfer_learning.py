# A trained base, frozen, under a new head; then thawed for fine-tuning.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(8)
rng = np.random.default_rng(8)
x = rng.normal(size=(1500, 10)).astype("float32")
w = rng.normal(size=(10, 3))
y = (x @ w).argmax(axis=1)
other = ((x @ w)[:, 0] > (x @ w)[:, 1]).astype("float32")

source = keras.Sequential(
    [
        keras.Input(shape=(10,)),
        layers.Dense(32, activation="relu", name="block1"),
        layers.Dense(16, activation="relu", name="block2"),
        layers.Dense(3, activation="softmax", name="top"),
    ]
)
source.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
source.fit(x[:1000], y[:1000], epochs=15, verbose=0)

base = keras.Model(source.inputs, source.get_layer("block2").output, name="base")
base.trainable = False
inputs = keras.Input(shape=(10,))
hidden = base(inputs, training=False)
hidden = layers.Dropout(0.1)(hidden)
model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(hidden))
model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
frozen = [w.copy() for w in base.get_weights()]
model.fit(x[1000:1200], other[1000:1200], epochs=20, verbose=0)
assert all(np.array_equal(a, b) for a, b in zip(frozen, base.get_weights()))
print("trainable:", len(model.trainable_weights), "of", len(model.weights))

base.trainable = True
model.compile(keras.optimizers.Adam(1e-4), "binary_crossentropy", metrics=["accuracy"])
model.fit(x[1000:1200], other[1000:1200], epochs=3, verbose=0)
accuracy = model.evaluate(x[1200:], other[1200:], verbose=0)[1]
print("accuracy:", accuracy)
assert accuracy > 0.8
assert not all(np.array_equal(a, b) for a, b in zip(frozen, base.get_weights()))
