"""A variational autoencoder: a sampling layer, and the divergence as an added loss."""

import numpy as np

import densecore as keras
from densecore import layers, ops


class Sampling(layers.Layer):
    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(shape=ops.shape(mean))
        return mean + ops.exp(0.5 * log_variance) * noise


class VariationalAutoencoder(keras.Model):
    def __init__(self, features, hidden=32, code=2, beta=0.02):
        super().__init__()
        self.beta = beta
        self.hidden = layers.Dense(hidden, activation="relu")
        self.mean, self.log_variance = layers.Dense(code), layers.Dense(code)
        self.sampling = Sampling()
        self.decoder = keras.Sequential(
            [layers.Dense(hidden, activation="relu"), layers.Dense(features)]
        )

    def call(self, x):
        h = self.hidden(x)
        mean, log_variance = self.mean(h), self.log_variance(h)
        each = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
        self.add_loss(-0.5 * self.beta * ops.mean(ops.sum(each, axis=-1)))
        return self.decoder(self.sampling([mean, log_variance]))


keras.utils.set_random_seed(1)
rng = np.random.default_rng(0)
hidden = rng.normal(size=(1500, 2))
x = np.tanh(hidden @ rng.normal(size=(2, 12))).astype("float32")
model = VariationalAutoencoder(12)
model.compile(keras.optimizers.Adam(3e-3), "mse")
model.fit(x, x, epochs=30, batch_size=64, verbose=0)
error = np.mean((model.predict(x, verbose=0) - x) ** 2)
drawn = model.decoder.predict(rng.normal(size=(500, 2)), verbose=0)
print("reconstruction", error, "of", x.var(), "; deviation of new rows", drawn.std(), "of", x.std())
assert error < 0.3 * x.var()
assert 0.6 < drawn.std() / x.std() < 1.2
