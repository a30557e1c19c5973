# Custom callbacks: a log of losses, a stop at a target, and weights of the best epoch.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(14)
rng = np.random.default_rng(14)
x = rng.normal(size=(600, 5))
y = x @ rng.normal(size=(5, 1)) + 0.1 * rng.normal(size=(600, 1))


class LossHistory(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.losses, self.norms = [], []

    def on_batch_end(self, batch, logs=None):
        self.losses.append(logs.get("loss"))

    def on_epoch_end(self, epoch, logs=None):
        self.norms.append(np.linalg.norm(self.model.layers[0].get_weights()[0]))


class StopAt(keras.callbacks.Callback):
    def __init__(self, target):
        super().__init__()
        self.target = target

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_mae"] < self.target:
            print(f"reached {self.target} in epoch {epoch}")
            self.model.stop_training = True


log = LossHistory()
model = keras.models.Sequential([layers.Dense(16, activation="tanh"), layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse", metrics=["mae"])
history = model.fit(
    x, y, epochs=100, batch_size=50, validation_split=0.2, callbacks=[log, StopAt(0.2)], verbose=0
)
print("epochs:", len(history.epoch), "batches:", len(log.losses))
assert len(log.losses) == 10 * len(history.epoch) - 0 * len(log.norms)
assert len(history.epoch) < 100
