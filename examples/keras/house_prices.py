# Changed: "import keras" became "import densecore as keras".
"""House prices, made up in the manner of the Californian ones: an adapted Normalization layer."""

import numpy as np

import densecore as keras
from densecore.layers import Dense, Normalization

keras.utils.set_random_seed(3)

# Income, age of the house, rooms, latitude, longitude → price in 100 000.
rng = np.random.default_rng(0)
n = 4000
income = rng.gamma(4.0, 1.0, n)
age = rng.uniform(1, 52, n)
rooms = rng.normal(5.4, 1.2, n).clip(1)
latitude = rng.uniform(32.5, 42, n)
longitude = rng.uniform(-124, -114, n)
coast = np.exp(-0.3 * np.abs(longitude + 114 + 1.05 * (latitude - 32.5)))
price = 0.3 + 0.42 * income + 1.5 * coast + 0.15 * rooms + 0.004 * age + rng.normal(0, 0.15, n)
features = np.stack([income, age, rooms, latitude, longitude], axis=1).astype("float32")
train_x, test_x = features[:3200], features[3200:]
train_y, test_y = price[:3200], price[3200:]

normalizer = Normalization(axis=-1)
normalizer.adapt(train_x)

model = keras.Sequential([normalizer, Dense(64, "relu"), Dense(32, "relu"), Dense(1)])
schedule = keras.optimizers.schedules.ExponentialDecay(
    initial_learning_rate=5e-3, decay_steps=100, decay_rate=0.9
)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=schedule),
    loss="mean_squared_error",
    metrics=["mae"],
)
model.fit(train_x, train_y, epochs=40, batch_size=64, validation_split=0.2, verbose=0)

baseline = np.abs(test_y - train_y.mean()).mean()
mse, mae = model.evaluate(test_x, test_y, verbose=0)
print(f"mean absolute error: {mae:.3f}, of the mean as a guess: {baseline:.3f}")
assert mae < 0.25 * baseline
