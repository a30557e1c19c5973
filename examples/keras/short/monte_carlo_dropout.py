# Monte Carlo dropout: units drop out in predictions, too, and the spread says how sure they are.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(20)
rng = np.random.default_rng(20)
x = np.concatenate([rng.uniform(-3, -1, 300), rng.uniform(1, 3, 300)])[:, None]
y = np.sin(2 * x) + 0.05 * rng.normal(size=x.shape)
model = keras.Sequential(
    [layers.Input(shape=(1,)), layers.Dense(64, activation="relu"), layers.Dropout(0.1),
     layers.Dense(64, activation="relu"), layers.Dropout(0.1), layers.Dense(1)]
)  # fmt: skip
model.compile(keras.optimizers.Adam(0.005), "mse")
model.fit(x, y, epochs=60, batch_size=50, verbose=0)


def spread(rows):
    drawn = np.stack([np.asarray(model(rows, training=True)) for _ in range(50)])
    return drawn.mean(axis=0), drawn.std(axis=0)


mean, near = spread(np.array([[-2.0], [2.0]], "float32"))
_, far = spread(np.array([[-9.0], [9.0]], "float32"))
print("near:", near.ravel(), "far:", far.ravel())
assert np.abs(mean.ravel() - np.sin([-4.0, 4.0])).max() < 0.3
assert far.min() > near.max()
assert (np.asarray(model(x[:3])) == np.asarray(model(x[:3]))).all()
