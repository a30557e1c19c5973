# Changed: "import keras" became "import densecore as keras".
"""Several labels for one row: a sigmoid for each, binary cross-entropy."""

import numpy as np
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

import densecore as keras
from densecore import layers, regularizers

keras.utils.set_random_seed(0)

# 30 answers of a questionnaire; each of six traits shows in some of them, and some exclude others.
rng = np.random.default_rng(0)
X = rng.integers(1, 8, (4000, 30)).astype("float32")
traits = (X - 4) @ rng.normal(size=(30, 6)) * (rng.random((1, 6)) + 0.5)
traits[:, 1] -= np.maximum(traits[:, 0], 0)
Y = (traits + rng.normal(size=traits.shape) > 2).astype("float32")
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, test_size=0.25, random_state=0)

model = keras.models.Sequential(
    [
        layers.Input((30,)),
        layers.BatchNormalization(),
        layers.Dense(64, kernel_initializer=keras.initializers.HeNormal(seed=1)),
        layers.LeakyReLU(negative_slope=0.1),
        layers.Dense(32, activation="elu", kernel_regularizer=regularizers.l2(1e-4)),
        layers.Dense(6, activation="sigmoid", name="labels"),
    ]
)
model.compile("rmsprop", "binary_crossentropy", metrics=["binary_accuracy"])
model.fit(X_train, Y_train, epochs=40, batch_size=64, verbose=0)

assert model.get_layer("labels").get_weights()[0].shape == (32, 6)
probabilities = model.predict(X_test, verbose=0)
score = f1_score(Y_test, probabilities > 0.5, average="micro")
_, accuracy = model.evaluate(X_test, Y_test, verbose=0)
print(f"binary accuracy: {accuracy:.3f}, micro F1: {score:.3f}")
assert score > 0.9
