# A custom dense layer, with add_weight, build and call; saved, and loaded with custom_objects.
import numpy as np

import densecore as keras
from densecore import layers, ops


class Linear(layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.w = self.add_weight(shape=shape, initializer="glorot_uniform", name="w")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", name="b")

    def call(self, inputs):
        return self.activation(ops.matmul(inputs, self.w) + self.b)

    def get_config(self):
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation}


keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
x = rng.uniform(-2, 2, (800, 2)).astype("float32")
y = np.sin(x[:, :1]) * x[:, 1:]

model = keras.Sequential([keras.Input(shape=(2,)), Linear(32, "tanh"), Linear(1, name="out")])
model.compile(keras.optimizers.Adam(0.01), "mse")
model.fit(x, y, epochs=40, verbose=0)
loss = model.evaluate(x, y, verbose=0)
print("loss:", loss, "weights:", [tuple(w.shape) for w in model.get_weights()])
assert loss < 0.02
assert model.count_params() == 2 * 32 + 32 + 32 + 1

model.save("linear.keras")
loaded = keras.models.load_model("linear.keras", custom_objects={"Linear": Linear})
assert np.allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
