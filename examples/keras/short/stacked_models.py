# Stacking: three trained networks, frozen and renamed, and a small network over their answers.
import numpy as np
from sklearn.datasets import make_blobs

import densecore as keras
from densecore.layers import Dense, Input, concatenate
from densecore.models import Model, Sequential
from densecore.utils import to_categorical

keras.utils.set_random_seed(12)
x, label = make_blobs(n_samples=900, centers=3, n_features=2, cluster_std=2, random_state=2)
y = to_categorical(label)


def fit_member(number):
    model = Sequential([Input(shape=(2,)), Dense(10, activation="relu"), Dense(3, "softmax")])
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(loss="categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    model.fit(x[:300], y[:300], epochs=30, verbose=0)
    for layer in model.layers:
        layer.trainable = False
        layer.name = f"member_{number}_{layer.name}"
    return model


members = [fit_member(number) for number in range(3)]
inputs = [member.inputs[0] for member in members]
merged = concatenate([member.outputs[0] for member in members])
hidden = Dense(8, activation="relu")(merged)
stacked = Model(inputs=inputs, outputs=Dense(3, activation="softmax")(hidden))
stacked.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
before = [member.get_weights()[0].copy() for member in members]
stacked.fit([x[300:600]] * 3, y[300:600], epochs=60, verbose=0)
accuracy = stacked.evaluate([x[600:]] * 3, y[600:], verbose=0)[1]
answers = np.argmax(stacked.predict([x[600:]] * 3, verbose=0), axis=1)
print("accuracy:", accuracy, "trainable arrays:", len(stacked.trainable_weights))
assert accuracy > 0.75
assert np.isclose(accuracy, np.mean(answers == label[600:]), atol=1e-6)
assert all((a == member.get_weights()[0]).all() for a, member in zip(before, members))
assert len(stacked.trainable_weights) == 4
