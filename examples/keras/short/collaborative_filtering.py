# Ratings as the product of what is learnt of users and of films, with a bias for each.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(5)
rng = np.random.default_rng(5)
n_users, n_items = 60, 40
taste, style = rng.normal(size=(n_users, 2)), rng.normal(size=(n_items, 2))
users, items = rng.integers(0, n_users, 6000), rng.integers(0, n_items, 6000)
rating = (taste[users] * style[items]).sum(axis=1) + 3 + 0.1 * rng.normal(size=6000)

user_in = layers.Input(shape=(1,), name="user")
item_in = layers.Input(shape=(1,), name="item")
u = layers.Flatten()(layers.Embedding(n_users, 8, name="user_vectors")(user_in))
v = layers.Flatten()(layers.Embedding(n_items, 8, name="item_vectors")(item_in))
user_bias = layers.Flatten()(layers.Embedding(n_users, 1)(user_in))
item_bias = layers.Flatten()(layers.Embedding(n_items, 1)(item_in))
dot = layers.Dot(axes=1)([u, v])
out = layers.Dense(1)(layers.Add()([dot, user_bias, item_bias]))
model = keras.Model([user_in, item_in], out)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
model.fit([users[:5000], items[:5000]], rating[:5000], batch_size=64, epochs=15, verbose=0)
mse = model.evaluate([users[5000:], items[5000:]], rating[5000:], verbose=0)
print(
    "mse:", mse, "variance:", rating.var(), model.get_layer("user_vectors").get_weights()[0].shape
)
assert mse < 0.5 * rating.var()
