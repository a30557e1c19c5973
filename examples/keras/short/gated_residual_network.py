# Layers within layers: gates that choose how much of a nonlinear part is added.
import numpy as np

import densecore as keras
from densecore import layers


class GatedLinearUnit(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.linear = layers.Dense(units)
        self.gate = layers.Dense(units, activation="sigmoid")

    def call(self, inputs):
        return self.linear(inputs) * self.gate(inputs)


class GatedResidualNetwork(layers.Layer):
    def __init__(self, units, dropout_rate):
        super().__init__()
        self.units = units
        self.elu_dense = layers.Dense(units, activation="elu")
        self.linear_dense = layers.Dense(units)
        self.dropout = layers.Dropout(dropout_rate)
        self.gated_linear_unit = GatedLinearUnit(units)
        self.project = layers.Dense(units)
        self.layer_norm = layers.LayerNormalization()

    def call(self, inputs):
        x = self.dropout(self.linear_dense(self.elu_dense(inputs)))
        if inputs.shape[-1] != self.units:
            inputs = self.project(inputs)
        return self.layer_norm(inputs + self.gated_linear_unit(x))


keras.utils.set_random_seed(3)
rng = np.random.default_rng(3)
x = rng.normal(size=(1200, 8)).astype("float32")
y = (np.where(x[:, 0] > 0, x[:, 1], -x[:, 2]) > 0).astype("float32")

inputs = keras.Input(shape=(8,))
h = GatedResidualNetwork(16, 0.05)(inputs)
h = GatedResidualNetwork(16, 0.05)(h)
model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(h))
model.compile(keras.optimizers.Adam(0.005), "binary_crossentropy", metrics=["accuracy"])
model.fit(x[:900], y[:900], epochs=40, batch_size=32, verbose=0)
loss, accuracy = model.evaluate(x[900:], y[900:], verbose=0)
print("accuracy:", accuracy)
assert accuracy > 0.88
