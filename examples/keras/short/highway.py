# Highway layers: a gate chooses between a layer's output and its input.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(27)
rng = np.random.default_rng(27)
x = rng.uniform(-1, 1, (1200, 5)).astype("float32")
y = (np.sin(4 * x[:, 0]) > x[:, 1]).astype("float32")


def highway(value, units):
    gate = layers.Dense(
        units, activation="sigmoid", bias_initializer=keras.initializers.Constant(-1.0)
    )(value)
    carry = layers.Dense(units, activation="relu")(value)
    keep = layers.Activation("linear")(value)
    changed = layers.Multiply()([gate, layers.Subtract()([carry, keep])])
    return layers.Add()([keep, changed])


inputs = keras.Input(shape=(5,))
value = layers.Dense(24)(inputs)
for _ in range(3):
    value = highway(value, 24)
model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(value))
model.compile("adam", "binary_crossentropy", metrics=["acc"])
history = model.fit(x, y, epochs=30, batch_size=32, validation_split=0.25, verbose=0)
print("val_acc:", history.history["val_acc"][-1])
assert history.history["val_acc"][-1] > 0.85
