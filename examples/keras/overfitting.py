# Changed: "from keras import ..." became "from densecore import ...".
"""Overfit and underfit: the same network plain, with L2 and with dropout, and their curves."""

import os
import tempfile

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from densecore import layers, models, regularizers, utils

utils.set_random_seed(11)

rng = np.random.default_rng(5)
x = rng.normal(size=(1200, 20)).astype("float32")
clean = x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * x[:, 3] > 0
y = np.where(rng.random(1200) < 0.15, ~clean, clean).astype("float32")  # 15 % of wrong labels
y = y.reshape(-1, 1)
x_train, y_train, x_val, y_val = x[:300], y[:300], x[300:], y[300:]


def network(regularizer=None, dropout=0.0):
    model = models.Sequential()
    model.add(layers.Input(shape=(20,)))
    for _ in range(2):
        model.add(layers.Dense(128, activation="relu", kernel_regularizer=regularizer))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(
        optimizer="adam",
        loss="binary_crossentropy",
        metrics=["accuracy", "binary_crossentropy"],
    )
    return model


candidates = {
    "plain": network(),
    "l2": network(regularizers.l2(0.01)),
    "dropout": network(dropout=0.5),
    "both": network(regularizers.L2(0.003), dropout=0.5),
}
histories = {}
for name, model in candidates.items():
    histories[name] = model.fit(
        x_train, y_train, epochs=60, batch_size=50, validation_data=(x_val, y_val), verbose=0
    ).history
    final = histories[name]["val_binary_crossentropy"][-1]
    print(f"{name:8} validation cross-entropy: {final:.3f}")

for name, history in histories.items():
    curve = plt.plot(history["val_binary_crossentropy"], "--", label=f"{name}, validation")
    plt.plot(history["binary_crossentropy"], color=curve[0].get_color(), label=f"{name}, training")
plt.xlabel("epoch")
plt.ylabel("binary cross-entropy")
plt.legend()
with tempfile.TemporaryDirectory() as folder:
    picture = os.path.join(folder, "overfitting.png")
    plt.savefig(picture)
    assert os.path.getsize(picture) > 5000

final = {name: history["val_binary_crossentropy"][-1] for name, history in histories.items()}
print(f"plain / l2: {final['plain'] / final['l2']:.2f}")
assert final["plain"] > 1.5 * max(final["l2"], final["both"])
assert histories["plain"]["accuracy"][-1] > 0.99
