# Changed: "import keras" became "import densecore as keras".
"""Handwritten digits: images through Flatten and Rescaling, with a validation split."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(1)

digits = load_digits()
x_train, x_test, y_train, y_test = train_test_split(
    digits.images, digits.target, test_size=0.2, random_state=0, stratify=digits.target
)
print("images:", x_train.shape, "labels:", y_train.shape)

model = keras.Sequential(
    [
        layers.Input(shape=(8, 8)),
        layers.Flatten(),
        layers.Rescaling(1.0 / 16),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]
)
model.summary()
model.compile(
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size=32, epochs=40, validation_split=0.1, verbose=0)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"test accuracy: {accuracy:.3f}")
assert accuracy > 0.94
