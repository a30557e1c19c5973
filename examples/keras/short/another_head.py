# Transfer: the last layer of a trained, compiled model is taken off, and another one put on.
import numpy as np
from sklearn.datasets import load_digits

import densecore as keras
from densecore.layers import Dense, Input
from densecore.models import Sequential

keras.utils.set_random_seed(16)
x, label = load_digits(return_X_y=True)
x = (x / 16).astype("float32")
model = Sequential([Input(shape=(64,)), Dense(32, activation="relu"), Dense(10, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x[:1200], label[:1200], epochs=15, verbose=0)

model.pop()
for layer in model.layers:
    layer.trainable = False
model.add(Dense(1, activation="sigmoid", name="is_round"))
model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
is_round = np.isin(label, (0, 6, 8, 9)).astype("float32")
kept = model.layers[0].get_weights()[0].copy()
model.fit(x[:300], is_round[:300], epochs=30, verbose=0)
accuracy = model.evaluate(x[1200:], is_round[1200:], verbose=0)[1]
print("accuracy:", accuracy, "output:", model.output_shape, "layers:", len(model.layers))
assert accuracy > 0.85
assert (kept == model.layers[0].get_weights()[0]).all()
assert model.output_shape == (None, 1)
