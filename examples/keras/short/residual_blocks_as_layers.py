# A block of layers as a layer: it hands `training` on to batch normalisation and dropout.
import numpy as np

import densecore as keras
from densecore import layers


class ResidualBlock(layers.Layer):
    def __init__(self, units, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.normal = layers.BatchNormalization()
        self.hidden = layers.Dense(units, activation="relu")
        self.drop = layers.Dropout(rate)
        self.out = layers.Dense(units)

    def call(self, inputs, training=None):
        x = self.normal(inputs, training=training)
        x = self.drop(self.hidden(x), training=training)
        return inputs + self.out(x)


keras.utils.set_random_seed(2)
rng = np.random.default_rng(2)
x = rng.normal(size=(1000, 6)).astype("float32")
y = x[:, :1] * x[:, 1:2] + np.abs(x[:, 2:3])

inputs = keras.Input(shape=(6,))
h = layers.Dense(16)(inputs)
for _ in range(2):
    h = ResidualBlock(16)(h)
model = keras.Model(inputs, layers.Dense(1)(h))
model.compile(keras.optimizers.Adam(0.01), "mse")
history = model.fit(x, y, epochs=40, validation_split=0.2, verbose=0)
print("first:", history.history["loss"][0], "last:", history.history["val_loss"][-1])
print([layer.name for layer in model.layers], len(model.non_trainable_weights))
assert history.history["val_loss"][-1] < 0.25 * history.history["val_loss"][0]
assert len(model.layers) == 5
assert len(model.trainable_weights) == 2 + 2 * 6 + 2
assert len(model.non_trainable_weights) == 4
