# Layers of preprocessing are a part of the model: it takes the table's columns as they are.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(5)
rng = np.random.default_rng(5)
n = 900
data = {
    "weekday": rng.integers(0, 7, (n, 1)),
    "hour": rng.uniform(0, 24, (n, 1)).astype("float32"),
    "weather": rng.normal([15, 60], [8, 20], (n, 2)).astype("float32"),
}
busy = (data["weekday"] < 5) * ((data["hour"] > 7) & (data["hour"] < 19)) * 2.0
target = busy + 0.05 * data["weather"][:, :1] + 0.05 * rng.normal(size=(n, 1))

weekday = keras.Input(shape=(1,), dtype="int64", name="weekday")
hour = keras.Input(shape=(1,), name="hour")
weather = keras.Input(shape=(2,), name="weather")
normalize = layers.Normalization()
normalize.adapt(data["weather"])
day_columns = layers.CategoryEncoding(num_tokens=7, output_mode="one_hot")(weekday)
hour_bin = layers.Discretization(bin_boundaries=[7.0, 12.0, 19.0])(hour)
hour_columns = layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")(hour_bin)
x = layers.concatenate([day_columns, hour_columns, normalize(weather)])
x = layers.Dense(32, activation="relu")(x)
model = keras.Model({"weekday": weekday, "hour": hour, "weather": weather}, layers.Dense(1)(x))
model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
model.fit(data, target, epochs=30, validation_split=0.2, verbose=0)
loss, mae = model.evaluate(data, target, verbose=0)
print("mean absolute error:", mae)
assert mae < 0.15
