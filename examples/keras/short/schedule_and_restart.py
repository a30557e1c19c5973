# A schedule of learning rates by a function, and a fit that goes on where it stopped.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(31)
rng = np.random.default_rng(31)
x = rng.normal(size=(500, 3))
y = x[:, 0] - 2 * x[:, 1]


def scheduler(epoch, lr):
    return lr if epoch < 5 else lr * 0.9


model = keras.Sequential([layers.Dense(8, "relu"), layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.02), loss="mse")
rates = []
watch = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda epoch, logs: rates.append(float(np.array(model.optimizer.learning_rate)))
)
schedule = keras.callbacks.LearningRateScheduler(scheduler)
first = model.fit(x, y, epochs=8, callbacks=[schedule, watch], verbose=0)
more = model.fit(x, y, epochs=12, initial_epoch=8, callbacks=[schedule, watch], verbose=0)
print(np.round(rates, 4), more.epoch)
assert more.epoch == [8, 9, 10, 11]
assert rates[0] > rates[-1]
assert more.history["loss"][-1] < first.history["loss"][0]
