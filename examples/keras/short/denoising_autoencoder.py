# Noise goes in, what it was added to comes out; the parts are stacks within a model.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(7)
rng = np.random.default_rng(7)
t = np.linspace(0, 1, 16)
clean = np.sin(2 * np.pi * (rng.uniform(0.5, 1.5, (800, 1)) * t + rng.uniform(0, 1, (800, 1))))
noisy = clean + 0.4 * rng.normal(size=clean.shape)

encoder = keras.models.Sequential(
    [keras.Input((16,)), layers.Dense(24, "relu"), layers.BatchNormalization(), layers.Dense(4)]
)
decoder = keras.models.Sequential([keras.Input((4,)), layers.Dense(24, "relu"), layers.Dense(16)])
model = keras.models.Sequential([encoder, decoder])
model.compile("adam", "mse")
stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=8, restore_best_weights=True)
model.fit(noisy, clean, epochs=60, batch_size=32, validation_split=0.2, callbacks=[stop], verbose=0)
before = np.mean((noisy - clean) ** 2)
after = np.mean((model.predict(noisy, verbose=0) - clean) ** 2)
print("before:", before, "after:", after, "codes:", encoder.predict(noisy[:2], verbose=0).shape)
assert after < 0.5 * before
