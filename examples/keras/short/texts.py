"""Texts as numbers of words, embedded and pooled."""

import numpy as np

import densecore as keras
from densecore import layers

rng = np.random.default_rng(0)
good, bad = ["great", "funny", "brilliant", "moving"], ["dull", "awful", "boring", "weak"]
plain = ["the", "a", "film", "plot", "cast", "and", "of", "with", "scene", "ending"]


def review(words):
    chosen = [*rng.choice(plain, 6), *rng.choice(words, 2)]
    return " ".join(rng.permutation(chosen)).capitalize() + "!"


labels = rng.integers(0, 2, 600)
texts = np.array([review(good if label else bad) for label in labels])
keras.utils.set_random_seed(0)
vectorize = layers.TextVectorization(max_tokens=50, output_sequence_length=10)
vectorize.adapt(texts[:400])
x = vectorize(texts)
model = keras.Sequential(
    [
        layers.Embedding(50, 8),
        layers.GlobalAveragePooling1D(),
        layers.Dense(8, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
model.fit(x[:400], labels[:400], epochs=10, verbose=0)
accuracy = model.evaluate(x[400:], labels[400:], verbose=0)[1]
print(vectorize.get_vocabulary()[:5], "accuracy", accuracy)
assert accuracy > 0.95
