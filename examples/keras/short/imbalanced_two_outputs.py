# Weights for the rows of one output only.
import numpy as np

import densecore as keras
from densecore import layers

rng = np.random.default_rng(30)
x = rng.normal(size=(600, 4)).astype("float32")
rare = (x[:, 0] > 1.2).astype("float32")
value = x[:, 1] * 2


def train(weight):
    keras.utils.set_random_seed(30)
    inputs = keras.Input(shape=(4,))
    hidden = layers.Dense(16, activation="relu")(inputs)
    out = [
        layers.Dense(1, activation="sigmoid", name="rare")(hidden),
        layers.Dense(1, name="value")(hidden),
    ]
    model = keras.Model(inputs, out)
    model.compile("adam", loss=["binary_crossentropy", "mse"])
    weights = np.where(rare == 1, weight, 1.0)
    model.fit(x, [rare, value], sample_weight=[weights, np.ones(600)], epochs=15, verbose=0)
    return model.predict(x, verbose=0)[0].mean()


plain, weighted = train(1.0), train(5.0)
print("mean probability:", plain, weighted)
assert weighted > plain
