# Changed: "import keras" became "import densecore as keras".
"""An autoencoder on digits: 64 pixels through 8 numbers, and noise that it removes."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import densecore as keras
from densecore.layers import Dense, Input

keras.utils.set_random_seed(2)

x = load_digits().data.astype("float32") / 16.0
x_train, x_test = x[:1500], x[1500:]
code_size = 8


def encoder_layers():
    return [Input(shape=(64,)), Dense(48, "relu"), Dense(code_size, "linear", name="code")]


autoencoder = keras.Sequential(
    [*encoder_layers(), Dense(48, activation="relu"), Dense(64, activation="sigmoid")]
)
autoencoder.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")
history = autoencoder.fit(
    x_train, x_train, epochs=60, batch_size=64, shuffle=True, verbose=0,
    validation_data=(x_test, x_test),
)  # fmt: skip

# The first half by itself.
encoder = keras.Sequential(encoder_layers())
encoder.set_weights(autoencoder.get_weights()[:4])
codes = encoder.predict(x_test, verbose=0)
print("codes:", codes.shape)

decoded = autoencoder.predict(x_test, verbose=0)
error = float(np.mean((decoded - x_test) ** 2))
pca = PCA(code_size).fit(x_train)
linear = float(np.mean((pca.inverse_transform(pca.transform(x_test)) - x_test) ** 2))
print(f"mean squared error: {error:.4f}, of {code_size} principal components: {linear:.4f}")

noisy = x + np.random.default_rng(0).normal(0, 0.3, x.shape).astype("float32")
denoiser = keras.models.clone_model(autoencoder)
denoiser.compile(optimizer="adam", loss="binary_crossentropy")
denoiser.fit(noisy[:1500], x_train, epochs=40, batch_size=64, verbose=0)
cleaned = denoiser.predict(noisy[1500:], verbose=0)
before, after = np.mean((noisy[1500:] - x_test) ** 2), np.mean((cleaned - x_test) ** 2)
print(f"noise: {before:.4f} before, {after:.4f} after")

assert abs(history.history["val_loss"][-1] - error) < 1e-4
assert error < 0.8 * linear
assert after < 0.6 * before
