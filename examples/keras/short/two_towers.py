"""A recommender of two towers: a custom model with a dictionary of inputs."""

import numpy as np

import densecore as keras
from densecore import layers, ops


class Tower(keras.Model):
    def __init__(self, count, units):
        super().__init__()
        self.embedding = layers.Embedding(count, units)
        self.hidden = layers.Dense(16, activation="relu")
        self.end = layers.Dense(units)

    def call(self, ids):
        return self.end(self.hidden(self.embedding(ids)))


class TwoTowers(keras.Model):
    def __init__(self, users, items, units=8):
        super().__init__()
        self.users, self.items = Tower(users, units), Tower(items, units)
        self.shift = layers.Dense(1)

    def call(self, inputs):
        product = self.users(inputs["user"]) * self.items(inputs["item"])
        return self.shift(ops.sum(product, axis=-1, keepdims=True))


keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
taste, kind = rng.normal(size=(40, 3)), rng.normal(size=(60, 3))
user, item = rng.integers(0, 40, 6000), rng.integers(0, 60, 6000)
rating = 3 + (taste[user] * kind[item]).sum(axis=1, keepdims=True)
x = {"user": user, "item": item}
model = TwoTowers(40, 60)
model.compile(keras.optimizers.Adam(0.01), "mse")
history = model.fit(x, rating, epochs=15, batch_size=64, validation_split=0.2, verbose=0)
print("validation", history.history["val_loss"][-1], "of", rating.var())
assert history.history["val_loss"][-1] < 0.3 * rating.var()
