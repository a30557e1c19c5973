# Epochs and batches by hand: train_on_batch, test_on_batch, and a learning rate that is set.
import numpy as np
from sklearn.datasets import load_iris

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(21)
x, y = load_iris(return_X_y=True)
x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")
order = np.random.default_rng(21).permutation(150)
x, y = x[order], y[order].astype("int32")
model = keras.Sequential([layers.Input(shape=(4,)), layers.Dense(16, "relu"), layers.Dense(3)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.02), loss, metrics=["sparse_categorical_accuracy"])
for epoch in range(40):
    if epoch == 30:
        model.optimizer.learning_rate = 0.002
    for begin in range(0, 100, 20):
        values = model.train_on_batch(x[begin : begin + 20], y[begin : begin + 20])
    assert len(values) == 2
held_out = model.test_on_batch(x[100:], y[100:], return_dict=True)
classes = np.argmax(model.predict_on_batch(x[100:]), axis=-1)
print("steps:", int(model.optimizer.iterations), held_out, sorted(held_out))
assert int(model.optimizer.iterations) == 200
assert np.mean(classes == y[100:]) > 0.9
assert sorted(held_out) == ["loss", "sparse_categorical_accuracy"]
