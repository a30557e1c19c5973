# Deep and cross network: products of features beside a tower of dense layers.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(7)
rng = np.random.default_rng(7)
x = rng.uniform(-1, 1, (1500, 5)).astype("float32")
y = x[:, 0] * x[:, 1] * x[:, 2] + 0.5 * x[:, 3]

inputs = layers.Input(shape=(5,))
cross = inputs
for _ in range(2):
    cross = layers.Add()([layers.Multiply()([inputs, layers.Dense(5)(cross)]), cross])
deep = layers.Dense(16)(inputs)
deep = layers.LeakyReLU(negative_slope=0.1)(deep)
deep = layers.Dense(16, activation="relu")(deep)
merged = layers.concatenate([cross, deep], axis=1)
model = keras.Model(inputs, layers.Dense(1)(merged))
optimizer = keras.optimizers.AdamW(learning_rate=0.005, weight_decay=1e-4)
model.compile(optimizer, keras.losses.MeanSquaredError(), metrics=[keras.metrics.R2Score()])
model.fit(x[:1200], y[:1200, None], batch_size=32, epochs=30, verbose=0)
loss, r2 = model.evaluate(x[1200:], y[1200:, None], verbose=0)
print("R2:", r2)
assert r2 > 0.9
