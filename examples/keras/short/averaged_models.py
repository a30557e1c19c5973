# Three networks, trained apart, averaged by a model that contains them.
import numpy as np

import densecore as keras
from densecore import layers

rng = np.random.default_rng(19)
x = rng.uniform(-3, 3, (300, 1)).astype("float32")
y = np.sin(x) + 0.3 * rng.normal(size=x.shape)
grid = np.linspace(-3, 3, 200).reshape(-1, 1).astype("float32")


def member(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input(shape=(1,)), layers.Dense(32, "tanh"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    model.fit(x, y, epochs=60, verbose=0)
    return model


models = [member(seed) for seed in range(3)]
inputs = keras.Input(shape=(1,))
average = keras.Model(inputs, layers.Average()([model(inputs) for model in models]))
errors = [np.mean((model.predict(grid, verbose=0) - np.sin(grid)) ** 2) for model in models]
error = np.mean((average.predict(grid, verbose=0) - np.sin(grid)) ** 2)
by_hand = np.mean([model.predict(grid, verbose=0) for model in models], axis=0)
print("alone:", np.round(errors, 4), "together:", round(float(error), 4))
assert np.allclose(average.predict(grid, verbose=0), by_hand, atol=1e-5)
assert error < np.mean(errors) + 1e-6
