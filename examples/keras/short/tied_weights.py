"""An autoencoder whose decoder has the encoder's weights, transposed."""

import numpy as np

import densecore as keras
from densecore import layers, ops


class DenseTranspose(layers.Layer):
    def __init__(self, dense, activation=None, **options):
        super().__init__(**options)
        self.dense = dense
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        size = self.dense.kernel.shape[0]
        self.bias = self.add_weight(name="bias", shape=(size,), initializer="zeros")

    def call(self, x):
        return self.activation(ops.matmul(x, ops.transpose(self.dense.kernel)) + self.bias)


keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = np.tanh(rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 16))).astype("float32")
first, second = layers.Dense(10, activation="tanh"), layers.Dense(3)
inputs = keras.Input((16,))
code = second(first(inputs))
outputs = DenseTranspose(first, "tanh")(DenseTranspose(second, "tanh")(code))
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(0.01), "mse")
before = model.evaluate(x, x, verbose=0)
model.fit(x, x, epochs=40, batch_size=50, verbose=0)
after = model.evaluate(x, x, verbose=0)
print("mean squared error", before, "→", after, "with", model.count_params(), "parameters")
encoder = keras.Model(inputs, code)
assert encoder.predict(x, verbose=0).shape == (1000, 3)
assert model.count_params() == 16 * 10 + 10 + 10 * 3 + 3 + 10 + 16
assert after < 0.2 * before
