# Find a learning rate: it grows from batch to batch, and the weights are put back afterwards.
import numpy as np

import densecore as keras
from densecore import layers


class GrowingRate(keras.callbacks.Callback):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.rates, self.losses = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.sum_of_losses = 0.0

    def on_batch_end(self, batch, logs=None):
        total = logs["loss"] * (batch + 1)  # logs hold the mean of the epoch so far
        rate = float(self.model.optimizer.learning_rate)
        self.rates.append(rate)
        self.losses.append(total - self.sum_of_losses)
        self.sum_of_losses = total
        self.model.optimizer.learning_rate = rate * self.factor


def find_learning_rate(model, x, y, batch_size=32, min_rate=1e-4, max_rate=1.0):
    weights = model.get_weights()
    rate = float(model.optimizer.learning_rate)
    factor = np.exp(np.log(max_rate / min_rate) / (len(x) // batch_size))
    model.optimizer.learning_rate = min_rate
    growing = GrowingRate(factor)
    model.fit(x, y, epochs=1, batch_size=batch_size, callbacks=[growing], verbose=0)
    model.optimizer.learning_rate = rate
    model.set_weights(weights)
    return np.array(growing.rates), np.array(growing.losses)


keras.utils.set_random_seed(10)
rng = np.random.default_rng(10)
x = rng.normal(size=(2048, 6)).astype("float32")
y = x[:, :1] - x[:, 1:2]
model = keras.Sequential([layers.Input(shape=(6,)), layers.Dense(16, "relu"), layers.Dense(1)])
model.compile(keras.optimizers.SGD(learning_rate=0.01), "mse")
before = model.evaluate(x, y, verbose=0)
rates, losses = find_learning_rate(model, x, y)
best = rates[np.nanargmin(losses)]
print("rates:", rates[0], "to", rates[-1], "least loss at:", best)
assert 1e-2 < best <= 1
assert np.isclose(model.evaluate(x, y, verbose=0), before)
model.optimizer.learning_rate = best / 4
model.fit(x, y, epochs=10, verbose=0)
assert model.evaluate(x, y, verbose=0) < 0.2 * before
