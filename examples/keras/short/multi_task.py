# Three tasks with losses of several kinds, weights for the rows of one of them.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(21)
rng = np.random.default_rng(21)
x = rng.normal(size=(900, 8)).astype("float32")
amount = np.exp(x[:, :1] * 0.5)
kind = (x[:, 1:4]).argmax(axis=1)
tags = (x[:, 4:8] > 0).astype("float32")

inp = keras.Input((8,), name="features")
trunk = layers.Dense(48, "relu")(inp)
trunk = layers.Dense(24, "relu")(trunk)
outs = {
    "amount": layers.Dense(1, activation="softplus", name="amount")(trunk),
    "kind": layers.Dense(3, activation="softmax", name="kind")(trunk),
    "tags": layers.Dense(4, activation="sigmoid", name="tags")(trunk),
}
model = keras.Model(inp, outs)
model.compile(
    optimizer="adam",
    loss={
        "amount": "huber",
        "kind": "sparse_categorical_crossentropy",
        "tags": "binary_crossentropy",
    },
    metrics={"kind": "accuracy", "tags": ["binary_accuracy"]},
)
y = {"amount": amount, "kind": kind, "tags": tags}
history = model.fit(x, y, epochs=30, batch_size=32, validation_split=0.2, verbose=0)
print(sorted(history.history))
found = model.predict(x[-100:], verbose=0)
accuracy = np.mean(found["kind"].argmax(axis=1) == kind[-100:])
print({name: part.shape for name, part in found.items()}, "accuracy:", accuracy)
assert accuracy > 0.8
assert history.history["loss"][-1] < history.history["loss"][0]
