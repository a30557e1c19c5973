# A series as windows: each row holds the last numbers, the target is the next one.
import numpy as np

import densecore as keras
from densecore.layers import Dense, Flatten, Input

keras.utils.set_random_seed(17)
t = np.arange(900)
series = (
    np.sin(0.1 * t) + 0.5 * np.sin(0.031 * t) + 0.05 * np.random.default_rng(17).normal(size=900)
)


def split_sequence(sequence, steps):
    x, y = [], []
    for begin in range(len(sequence) - steps):
        x.append(sequence[begin : begin + steps])
        y.append(sequence[begin + steps])
    return np.array(x), np.array(y)


x, y = split_sequence(series, 12)
x = x.reshape(len(x), 12, 1)  # (rows, steps, features)
model = keras.Sequential([Input(shape=(12, 1)), Flatten(), Dense(24, activation="relu"), Dense(1)])
model.compile(keras.optimizers.Adam(0.003), "mse", metrics=["mae"])
model.fit(x[:700], y[:700], epochs=40, batch_size=16, verbose=0)
mae = model.evaluate(x[700:], y[700:], verbose=0)[1]
naive = np.abs(y[700:] - x[700:, -1, 0]).mean()
window, forecast = list(series[-12:]), []
for _ in range(20):
    following = model.predict(np.array(window[-12:]).reshape(1, 12, 1), verbose=0)[0, 0]
    forecast.append(following)
    window.append(following)
print("error:", mae, "of the last number:", naive, "forecast:", len(forecast))
assert mae < naive
