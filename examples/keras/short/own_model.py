"""A subclass of Model with blocks of its own, dropout under a condition, saved and loaded."""

import os
import tempfile

import numpy as np

import densecore as keras
from densecore import layers


class ResidualBlock(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.first = layers.Dense(units, activation="relu")
        self.second = layers.Dense(units)

    def call(self, x):
        return x + self.second(self.first(x))


class ResidualNetwork(keras.Model):
    def __init__(self, units=32, blocks=2, rate=0.1):
        super().__init__()
        self.stem = layers.Dense(units)
        self.blocks = [ResidualBlock(units) for _ in range(blocks)]
        self.dropout = layers.Dropout(rate)
        self.head = layers.Dense(1)

    def call(self, x, training=False):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        if training:
            x = self.dropout(x, training=training)
        return self.head(x)


keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.uniform(-2, 2, size=(1000, 4)).astype("float32")
y = np.sin(x[:, :1]) * x[:, 1:2]
model = ResidualNetwork()
model.compile(keras.optimizers.Adam(3e-3), "mse", metrics=["mae"])
model.fit(x[:800], y[:800], epochs=30, validation_data=(x[800:], y[800:]), verbose=0)
model.summary()
loss, mae = model.evaluate(x[800:], y[800:], verbose=0)
print("mean squared error", loss)
path = os.path.join(tempfile.mkdtemp(), "network.keras")
model.save(path)
known = {"ResidualNetwork": ResidualNetwork, "ResidualBlock": ResidualBlock}
loaded = keras.models.load_model(path, custom_objects=known)
assert np.allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
assert loss < 0.1 * y.var()
