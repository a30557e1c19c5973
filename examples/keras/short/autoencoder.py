# Encoder and decoder as models of their own, trained together through a third one.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(6)
rng = np.random.default_rng(6)
x = (rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 12))).astype("float32")

input_row = keras.Input(shape=(12,))
encoded = layers.Dense(8, activation="tanh")(input_row)
encoded = layers.Dense(3, name="code")(encoded)
decoded = layers.Dense(8, activation="tanh")(encoded)
decoded = layers.Dense(12)(decoded)
autoencoder = keras.Model(input_row, decoded)
encoder = keras.Model(input_row, encoded)
encoded_input = keras.Input(shape=(3,))
decoder_layer = autoencoder.layers[-2](encoded_input)
decoder_layer = autoencoder.layers[-1](decoder_layer)
decoder = keras.Model(encoded_input, decoder_layer)

autoencoder.compile(optimizer=keras.optimizers.Adam(0.01), loss="mean_squared_error")
autoencoder.fit(x, x, epochs=40, batch_size=50, shuffle=True, verbose=0, validation_split=0.1)
codes = encoder.predict(x, verbose=0)
again = decoder.predict(codes, verbose=0)
error = np.mean((again - x) ** 2)
print("codes:", codes.shape, "error:", error, "variance:", x.var())
assert np.allclose(again, autoencoder.predict(x, verbose=0), atol=1e-4)
assert error < 0.2 * x.var()
