# Reviews as the mean of their words' vectors: the plainest classifier of texts.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(6)
rng = np.random.default_rng(6)
words, length = 300, 20
mood = rng.normal(size=words)
reviews = rng.integers(0, words, (1200, length))
liked = (mood[reviews].mean(axis=1) > 0).astype(int)

model = keras.Sequential(
    [
        layers.Input(shape=(length,)),
        layers.Embedding(words, 16, name="embedding"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(16, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(keras.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
history = model.fit(reviews[:1000], liked[:1000], epochs=15, validation_split=0.1, verbose=0)
loss, accuracy = model.evaluate(reviews[1000:], liked[1000:], verbose=0)
table = model.get_layer("embedding").get_weights()[0]
print("accuracy:", accuracy, "table:", table.shape, "history:", sorted(history.history))
assert accuracy > 0.8
assert table.shape == (words, 16)
assert model.count_params() == words * 16 + 17 * 16 + 17
