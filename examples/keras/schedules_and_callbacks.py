# Changed: "import keras" became "import densecore as keras".
"""Learning rates that change, files that are written: two moons and six callbacks."""

import csv
import math
import tempfile
from pathlib import Path

from sklearn.datasets import make_moons

import densecore as keras

keras.utils.set_random_seed(5)
x, y = make_moons(1000, noise=0.15, random_state=0)
x_test, y_test = make_moons(1000, noise=0.15, random_state=1)


def make_model():
    model = keras.Sequential(
        [
            keras.layers.InputLayer(shape=(2,)),
            keras.layers.Dense(32, activation=keras.activations.tanh),
            keras.layers.Dense(32, activation=keras.activations.tanh),
            keras.layers.Dense(1, activation=keras.activations.sigmoid),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"]
    )
    return model


def warm_up_then_cosine(epoch, lr):
    if epoch < 5:
        return 0.002 * (epoch + 1)
    return 0.01 * 0.5 * (1 + math.cos(math.pi * (epoch - 5) / 25))


class Peak(keras.callbacks.Callback):
    """Remembers the best epoch."""

    def on_train_begin(self, logs=None):
        self.best, self.epoch = 0.0, -1

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] > self.best:
            self.best, self.epoch = logs["val_accuracy"], epoch


with tempfile.TemporaryDirectory() as folder:
    log, best = Path(folder) / "log.csv", Path(folder) / "best.keras"
    peak = Peak()
    model = make_model()
    history = model.fit(
        x,
        y,
        epochs=30,
        batch_size=32,
        validation_split=0.2,
        verbose=0,
        callbacks=[
            keras.callbacks.LearningRateScheduler(warm_up_then_cosine),
            keras.callbacks.CSVLogger(str(log)),
            keras.callbacks.ModelCheckpoint(str(best), monitor="val_loss", save_best_only=True),
            keras.callbacks.TerminateOnNaN(),
            peak,
        ],
    )
    with open(log) as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(30))
    best_model = keras.models.load_model(str(best))
print(f"best epoch: {peak.epoch}, with a validation accuracy of {peak.best:.3f}")

# The learning rate by what the validation says.
second = make_model()
plateau = keras.callbacks.ReduceLROnPlateau(
    monitor="val_loss", factor=0.5, patience=3, min_lr=1e-5, min_delta=0.01
)
second.fit(x, y, epochs=40, validation_split=0.2, callbacks=[plateau], verbose=0)
rate = float(second.optimizer.learning_rate)
print(f"learning rate at the end: {rate:.2g}")
assert rate < 0.01

for name, candidate in (("scheduled", best_model), ("plateau", second)):
    loss, accuracy = candidate.evaluate(x_test, y_test, verbose=0)
    print(f"{name}: test accuracy: {accuracy:.3f}")
    assert accuracy > 0.96
