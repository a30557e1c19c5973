# Anomalies: what an autoencoder of ordinary rows cannot rebuild.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(18)
rng = np.random.default_rng(18)
mix = rng.normal(size=(3, 10))
ordinary = 1 / (1 + np.exp(-rng.normal(size=(1500, 3)) @ mix))
strange = rng.uniform(size=(200, 10))
encoder = keras.Sequential(
    [layers.Dense(8, activation="relu"), layers.Dense(3, activation="tanh")], name="encoder"
)
decoder = keras.Sequential(
    [layers.Dense(8, activation="relu"), layers.Dense(10, activation="sigmoid")], name="decoder"
)
autoencoder = keras.Sequential([layers.Input(shape=(10,)), encoder, decoder])
autoencoder.compile(optimizer=keras.optimizers.Adam(0.005), loss="mae")
stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)
history = autoencoder.fit(
    ordinary[:1200], ordinary[:1200], epochs=60, batch_size=64, callbacks=[stop], verbose=0,
    validation_data=(ordinary[1200:1350], ordinary[1200:1350]),
)  # fmt: skip


def errors(rows):
    return np.mean(np.abs(autoencoder.predict(rows, verbose=0) - rows), axis=1)


threshold = np.percentile(errors(ordinary[:1200]), 95)
missed = np.mean(errors(strange) < threshold)
alarms = np.mean(errors(ordinary[1350:]) >= threshold)
print("threshold:", threshold, "missed:", missed, "false alarms:", alarms)
assert missed < 0.1
assert alarms < 0.15
