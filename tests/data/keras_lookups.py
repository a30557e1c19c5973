"""Writes keras_lookups.keras and prints what it predicts; Keras's look-ups need TensorFlow."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(0)
size = keras.Input((2,), name="size")
shop = keras.Input((1,), dtype="int64", name="shop")
city = keras.Input((1,), dtype="string", name="city")
scaled = layers.Normalization(axis=None)
scaled.adapt(np.arange(12.0).reshape(6, 2))
shops = layers.IntegerLookup(vocabulary=[10, 20, 30], output_mode="one_hot")(shop)
cities = layers.StringLookup(vocabulary=["oslo", "rome"], num_oov_indices=1)(city)
code = layers.Flatten()(layers.Embedding(4, 2)(cities))
all_of_them = layers.Concatenate()([scaled(size), shops, code])
hidden = layers.Dense(4, activation="tanh")(all_of_them)
outputs = {
    "sales": layers.Dense(1, name="sales")(hidden),
    "kind": layers.Dense(2, activation="softmax", name="kind")(all_of_them),
}
model = keras.Model({"size": size, "shop": shop, "city": city}, outputs)
model.save("keras_lookups.keras")
rows = {
    "size": np.array([[0, 1], [2, 5], [9, 9]], "f4"),
    "shop": np.array([[10], [30], [99]]),
    "city": tf.constant([["rome"], ["bonn"], ["oslo"]]),
}
print({name: values.tolist() for name, values in model.predict(rows, verbose=0).items()})
