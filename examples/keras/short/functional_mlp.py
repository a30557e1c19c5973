# The first functional model of every course: three classes of points in the plane.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
y = rng.integers(0, 3, 600)
x = (np.array([[0, 2], [2, -1], [-2, -1]])[y] + rng.normal(size=(600, 2))).astype("float32")

inputs = keras.Input(shape=(2,), name="points")
hidden = layers.Dense(32, activation="relu", name="dense_1")(inputs)
hidden = layers.Dense(32, activation="relu", name="dense_2")(hidden)
outputs = layers.Dense(3, activation="softmax", name="predictions")(hidden)
model = keras.Model(inputs=inputs, outputs=outputs, name="points_model")
model.summary()

model.compile(
    optimizer=keras.optimizers.RMSprop(1e-2),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
history = model.fit(x[:500], y[:500], batch_size=64, epochs=10, validation_split=0.2, verbose=0)
loss, accuracy = model.evaluate(x[500:], y[500:], verbose=0)
print("test accuracy:", accuracy, "shape:", model.predict(x[:4], verbose=0).shape)
assert accuracy > 0.8
assert sorted(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
