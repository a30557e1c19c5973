# Changed: "import keras" became "import densecore as keras".
"""Batches that are made while training: a keras.utils.Sequence, and a plain generator."""

import math

import numpy as np

import densecore as keras

keras.utils.set_random_seed(9)


def signals(rng, rows):
    """Noisy waves of 32 samples; the class is their shape: sine, square or saw."""
    kind = rng.integers(0, 3, rows)
    phase = np.linspace(0, 4 * np.pi, 32) + rng.uniform(0, 2 * np.pi, (rows, 1))
    shapes = np.stack([np.sin(phase), np.sign(np.sin(phase)), (phase / np.pi) % 2 - 1])
    x = shapes[kind, np.arange(rows)] + 0.2 * rng.normal(size=(rows, 32))
    return x.astype("float32"), kind


class Signals(keras.utils.Sequence):
    def __init__(self, rows, batch_size, seed, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y = signals(np.random.default_rng(seed), rows)
        self.batch_size = batch_size
        self.epochs_seen = 0

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index):
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        self.epochs_seen += 1


def augmented(sequence, rng):
    """Endless: rows of the sequence, shifted and scaled."""
    while True:
        for x, y in (sequence[i] for i in rng.permutation(len(sequence))):
            scaled = x * rng.uniform(0.8, 1.2, (len(x), 1))
            yield np.roll(scaled, rng.integers(32), axis=1).astype("float32"), y


def build():
    model = keras.Sequential(
        [
            keras.Input((32,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(3),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=1e-3, weight_decay=1e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


train, test = Signals(3000, 64, seed=1), Signals(600, 64, seed=2)

model = build()
model.fit(train, epochs=15, validation_data=test, verbose=0)
assert train.epochs_seen >= 14
_, accuracy = model.evaluate(test, verbose=0)
print(f"sequence: test accuracy: {accuracy:.3f}")

other = build()
stream = augmented(train, np.random.default_rng(3))
other.fit(
    stream, steps_per_epoch=len(train), epochs=15, validation_data=(test.x, test.y), verbose=0
)
_, augmented_accuracy = other.evaluate(test.x, test.y, verbose=0)
print(f"generator: test accuracy: {augmented_accuracy:.3f}")

predictions = model.predict(test, verbose=0)
assert predictions.shape == (600, 3)
assert accuracy > 0.93
assert augmented_accuracy > 0.93
