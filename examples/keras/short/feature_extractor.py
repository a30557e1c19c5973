# What every layer puts out, by models that share a stack's layers.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(9)
x = np.random.default_rng(9).normal(size=(100, 4)).astype("float32")
model = keras.Sequential()
model.add(keras.Input(shape=(4,)))
model.add(layers.Dense(6, activation="relu", name="first"))
model.add(layers.Dense(5, activation="relu", name="second"))
model.add(layers.Dense(2))

extractor = keras.Model(inputs=model.inputs, outputs=[layer.output for layer in model.layers])
features = extractor.predict(x, verbose=0)
print([f.shape for f in features])
single = keras.Model(inputs=model.inputs, outputs=model.get_layer(name="second").output)
assert np.allclose(single(x), features[1], atol=1e-5)
assert np.allclose(features[2], model.predict(x, verbose=0), atol=1e-5)
kernel, bias = model.get_layer("first").get_weights()
assert np.allclose(features[0], np.maximum(x @ kernel + bias, 0), atol=1e-5)
