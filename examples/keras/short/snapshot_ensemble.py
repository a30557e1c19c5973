# Snapshots: the rate falls as a cosine and starts again; a model is saved at the end of each fall.
import math

import numpy as np
from sklearn.datasets import make_moons

import densecore as keras
from densecore.layers import Dense
from densecore.models import Sequential, load_model


class SnapshotEnsemble(keras.callbacks.Callback):
    def __init__(self, epochs, cycles, largest):
        super().__init__()
        self.length, self.largest = epochs // cycles, largest

    def on_epoch_begin(self, epoch, logs=None):
        share = (epoch % self.length) / self.length
        self.model.optimizer.learning_rate.assign(
            self.largest / 2 * (math.cos(math.pi * share) + 1)
        )

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.length == 0:
            self.model.save(f"snapshot_{(epoch + 1) // self.length}.keras")


keras.utils.set_random_seed(11)
x, y = make_moons(600, noise=0.2, random_state=11)
model = Sequential()
model.add(Dense(32, input_shape=(2,), activation="relu"))
model.add(Dense(1, activation="sigmoid"))
model.compile(keras.optimizers.SGD(momentum=0.9), "binary_crossentropy", metrics=["accuracy"])
snapshots = SnapshotEnsemble(epochs=60, cycles=3, largest=0.1)
model.fit(x[:400], y[:400], epochs=60, verbose=0, callbacks=[snapshots])
members = [load_model(f"snapshot_{number}.keras") for number in (1, 2, 3)]
mean = np.mean([member.predict(x[400:], verbose=0) for member in members], axis=0)
accuracy = np.mean((mean[:, 0] > 0.5) == y[400:])
print("accuracy of the mean:", accuracy)
assert accuracy > 0.9
assert np.allclose(members[-1].predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
