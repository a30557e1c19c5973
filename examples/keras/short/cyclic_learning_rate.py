# A learning rate that goes up and down with the batches, by a callback.
import numpy as np

import densecore as keras
from densecore import layers
from densecore.callbacks import Callback


class CyclicLR(Callback):
    def __init__(self, base_lr=0.001, max_lr=0.006, step_size=10.0):
        super().__init__()
        self.base_lr, self.max_lr, self.step_size = base_lr, max_lr, step_size
        self.iterations = 0
        self.history = {"lr": [], "loss": []}

    def clr(self):
        cycle = np.floor(1 + self.iterations / (2 * self.step_size))
        x = np.abs(self.iterations / self.step_size - 2 * cycle + 1)
        return self.base_lr + (self.max_lr - self.base_lr) * np.maximum(0, 1 - x)

    def on_train_begin(self, logs=None):
        self.model.optimizer.learning_rate = self.base_lr

    def on_train_batch_end(self, batch, logs=None):
        self.iterations += 1
        self.history["lr"].append(float(self.model.optimizer.learning_rate))
        self.history["loss"].append(logs["loss"])
        self.model.optimizer.learning_rate = self.clr()


keras.utils.set_random_seed(9)
rng = np.random.default_rng(9)
x = rng.normal(size=(640, 4))
y = x @ rng.normal(size=(4, 1))
model = keras.Sequential([layers.Dense(8, activation="tanh"), layers.Dense(1)])
model.compile(keras.optimizers.SGD(), "mse")
cyclic = CyclicLR(0.01, 0.1, step_size=20.0)
model.fit(x, y, batch_size=32, epochs=20, callbacks=[cyclic], verbose=0)
rates = cyclic.history["lr"]
print("rates:", np.round(rates[:5], 4), "largest:", max(rates), "iterations:", cyclic.iterations)
assert int(model.optimizer.iterations) == cyclic.iterations == 400
assert np.isclose(max(rates), 0.1, rtol=1e-5)
assert np.isclose(rates[0], 0.01, rtol=1e-5)
assert model.evaluate(x, y, verbose=0) < 0.2
