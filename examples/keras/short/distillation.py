# A small student learns a large teacher's probabilities.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(26)
rng = np.random.default_rng(26)
x = rng.normal(size=(1500, 6)).astype("float32")
y = (np.abs(x[:, 0]) + x[:, 1] > 1).astype(int) + (x[:, 2] > 1)


def network(units):
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(units, "relu"),
            layers.Dense(units, "relu"),
            layers.Dense(3),
        ]
    )


teacher = network(48)
teacher.compile(
    optimizer=keras.optimizers.Adam(0.005),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy()],
)
teacher.fit(x[:1200], y[:1200], epochs=25, verbose=0)
soft = keras.Sequential([teacher, layers.Softmax()]).predict(x[:1200], verbose=0)
student = network(12)
student.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
student.fit(x[:1200], soft, epochs=40, verbose=0)
agree = np.mean(
    student.predict(x[1200:], verbose=0).argmax(axis=1)
    == teacher.predict(x[1200:], verbose=0).argmax(axis=1)
)
print("teacher:", teacher.evaluate(x[1200:], y[1200:], verbose=0)[1], "agreement:", agree)
assert agree > 0.8
