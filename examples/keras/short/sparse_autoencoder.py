# An autoencoder whose codes are kept small by a penalty on what a layer puts out.
import numpy as np

import densecore as keras
from densecore import layers, regularizers

rng = np.random.default_rng(18)
x = np.maximum(rng.normal(size=(500, 10)) @ rng.normal(size=(10, 20)), 0).astype("float32")


def build(strength):
    keras.utils.set_random_seed(18)
    inputs = keras.Input(shape=(20,))
    penalty = regularizers.l1(strength) if strength else None
    code = layers.Dense(30, activation="relu", activity_regularizer=penalty)(inputs)
    model = keras.Model(inputs, layers.Dense(20)(code))
    model.compile("adam", "mse")
    model.fit(x, x, epochs=20, verbose=0)
    return keras.Model(inputs, code).predict(x, verbose=0), model.evaluate(x, x, verbose=0)


plain, _ = build(0)
small, loss = build(0.05)
print("mean code:", plain.mean(), small.mean(), "loss:", loss)
assert small.mean() < 0.7 * plain.mean()
