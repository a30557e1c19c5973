# Models in files, their weights alone, and their description as text.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(25)
x = np.random.default_rng(25).normal(size=(200, 3)).astype("float32")
y = x.sum(axis=1)
inputs = keras.Input(shape=(3,), name="in")
hidden = layers.Dense(8, activation="relu", name="h")(inputs)
out = layers.Dense(1, name="out")(layers.Concatenate()([inputs, hidden]))
model = keras.Model(inputs, out, name="small")
model.compile(optimizer="adam", loss="mse", metrics=["mae"])
model.fit(x, y, epochs=3, verbose=0)

model.save("model.keras")
loaded = keras.models.load_model("model.keras")
assert np.allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
loaded.fit(x, y, epochs=1, verbose=0)
model.save_weights("model.weights.h5")
other = keras.models.model_from_json(model.to_json())
other.load_weights("model.weights.h5")
assert np.allclose(other.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
clone = keras.models.clone_model(model)
clone.set_weights(model.get_weights())
assert np.allclose(clone.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
print([layer.name for layer in clone.layers], clone.name)
