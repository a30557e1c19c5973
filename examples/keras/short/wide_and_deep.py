# Wide and deep: the input goes straight to the output, and through two layers.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(2)
rng = np.random.default_rng(2)
x = rng.uniform(-1, 1, (1200, 8))
y = x[:, :1] + np.sin(3 * x[:, 1:2]) * x[:, 2:3]

normalization = layers.Normalization()
hidden_1 = layers.Dense(30, activation="relu")
hidden_2 = layers.Dense(30, activation="relu")
input_ = layers.Input(shape=x.shape[1:])
normalized = normalization(input_)
concat = layers.Concatenate()([normalized, hidden_2(hidden_1(normalized))])
model = keras.Model(inputs=[input_], outputs=[layers.Dense(1)(concat)])

normalization.adapt(x[:1000])
model.compile(loss="mse", optimizer=keras.optimizers.Adam(1e-2), metrics=["RootMeanSquaredError"])
model.fit(x[:800], y[:800], epochs=20, validation_data=(x[800:1000], y[800:1000]), verbose=0)
mse, rmse = model.evaluate(x[1000:], y[1000:], verbose=0)
print("rmse:", rmse)
assert rmse < 0.25
assert abs(rmse**2 - mse) < 1e-4
