# Three quantiles, each with a loss that a closure makes.
import numpy as np

import densecore as keras
from densecore import layers, ops

keras.utils.set_random_seed(11)
rng = np.random.default_rng(11)
x = rng.uniform(0, 1, (2000, 1)).astype("float32")
y = x[:, 0] + (0.2 + x[:, 0]) * rng.normal(size=2000)


def quantile_loss(q):
    def loss(y_true, y_pred):
        e = y_true - y_pred
        return ops.mean(ops.maximum(q * e, (q - 1) * e), axis=-1)

    return loss


shares = []
for q in (0.1, 0.5, 0.9):
    model = keras.Sequential([layers.Dense(16, "relu", input_shape=(1,)), layers.Dense(1)])
    model.compile(loss=quantile_loss(q), optimizer=keras.optimizers.Adam(0.01))
    model.fit(x, y, epochs=15, batch_size=100, verbose=0)
    shares.append(np.mean(y < model.predict(x, verbose=0)[:, 0]))
print("shares below:", np.round(shares, 2))
assert np.allclose(shares, [0.1, 0.5, 0.9], atol=0.06)
