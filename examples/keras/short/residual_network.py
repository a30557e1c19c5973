# Blocks with skips in a loop, as people write ResNets for tables.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(10)
rng = np.random.default_rng(10)
x = rng.uniform(-2, 2, (1500, 4)).astype("float32")
y = np.sin(x[:, 0] * x[:, 1]) + np.abs(x[:, 2])


def block(x, units, rate=0.1):
    skip = x
    x = layers.LayerNormalization()(x)
    x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    x = layers.Dropout(rate)(x)
    x = layers.Dense(units)(x)
    return layers.Add()([skip, x])


inputs = layers.Input(shape=(4,))
x1 = layers.Dense(32)(inputs)
for _ in range(3):
    x1 = block(x1, 32)
outputs = layers.Dense(1)(layers.Activation("relu")(x1))
model = keras.models.Model(inputs=inputs, outputs=outputs)
model.compile(
    optimizer=keras.optimizers.AdamW(3e-3, weight_decay=1e-4), loss="mse", metrics=["mae"]
)
model.fit(x[:1200], y[:1200], batch_size=64, epochs=30, verbose=0)
mse, mae = model.evaluate(x[1200:], y[1200:], verbose=0)
print("mse:", mse, "of", y.var())
assert mse < 0.5 * y.var()
