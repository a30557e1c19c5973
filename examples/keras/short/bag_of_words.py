# Reviews as sets of words: multi-hot rows, a small dense network, the curve of overfitting.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(28)
rng = np.random.default_rng(28)
tone = rng.normal(size=200)
reviews = [rng.integers(0, 200, rng.integers(5, 30)) for _ in range(1500)]
labels = np.array([tone[words].sum() > 0 for words in reviews]).astype("float32")


def multi_hot(sequences, dimension=200):
    results = np.zeros((len(sequences), dimension))
    for i, sequence in enumerate(sequences):
        results[i, sequence] = 1.0
    return results


x = multi_hot(reviews)
model = keras.Sequential(
    [
        layers.Dense(16, activation="relu"),
        layers.Dense(16, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
history = model.fit(
    x[:1000],
    labels[:1000],
    epochs=12,
    batch_size=64,
    validation_data=(x[1000:1250], labels[1000:1250]),
    verbose=0,
)
results = model.evaluate(x[1250:], labels[1250:], verbose=0)
print(history.history.keys(), "test:", results)
assert results[1] > 0.8
