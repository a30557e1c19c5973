# Counts: an exponential output and Poisson's loss, with a table as a frame of columns.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(19)
rng = np.random.default_rng(19)
age, power, region = rng.uniform(18, 80, 2000), rng.uniform(3, 12, 2000), rng.integers(0, 4, 2000)
rate = np.exp(-1 + 0.03 * (60 - age) * (age < 60) + 0.05 * power + 0.2 * region)
events = rng.poisson(rate)
x = np.column_stack([age, power, keras.utils.to_categorical(region, 4)])

normalize = layers.Normalization()
normalize.adapt(x)
model = keras.Sequential(
    [layers.Input(shape=(6,)), normalize, layers.Dense(16, activation="tanh"),
     layers.Dense(1, activation="exponential")]
)  # fmt: skip
model.compile(keras.optimizers.Nadam(0.005), loss="poisson", metrics=["mse"])
history = model.fit(x, events, epochs=40, batch_size=100, validation_split=0.2, verbose=0)
found = model.predict(x, verbose=0)[:, 0]
correlation = np.corrcoef(np.log(found), np.log(rate))[0, 1]
print("correlation of the logarithms:", correlation, "means:", found.mean(), events.mean())
assert correlation > 0.9
assert abs(found.mean() - events.mean()) < 0.2
