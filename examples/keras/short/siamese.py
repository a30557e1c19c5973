# Two rows of data through one tower: are they of the same class?
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(4)
rng = np.random.default_rng(4)
centres = rng.normal(size=(5, 8)) * 2
label = rng.integers(0, 5, (2, 1500))
left, right = (centres[label] + rng.normal(size=(2, 1500, 8)) * 0.5).astype("float32")
same = (label[0] == label[1]).astype("float32")

tower = keras.Sequential(
    [keras.Input(shape=(8,)), layers.Dense(32, activation="relu"), layers.Dense(8)], name="tower"
)
input_a, input_b = keras.Input(shape=(8,)), keras.Input(shape=(8,))
difference = layers.Subtract()([tower(input_a), tower(input_b)])
distance = layers.Multiply()([difference, difference])
outputs = layers.Dense(1, activation="sigmoid")(distance)
siamese = keras.Model([input_a, input_b], outputs)
siamese.compile("adam", "binary_crossentropy", metrics=["accuracy"])
weights = {0: 1.0, 1: 4.0}
siamese.fit([left[:1200], right[:1200]], same[:1200], epochs=20, class_weight=weights, verbose=0)
accuracy = siamese.evaluate([left[1200:], right[1200:]], same[1200:], verbose=0)[1]
print("accuracy of pairs:", accuracy, "embedding:", tower.predict(left[:3], verbose=0).shape)
assert accuracy > 0.9
assert siamese.count_params() == tower.count_params() + 9
