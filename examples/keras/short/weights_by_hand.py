# Weights by hand: the exclusive or, solved on paper, and networks that are copied and averaged.
import numpy as np

from densecore.layers import Activation, Dense
from densecore.models import Sequential, clone_model

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([[0], [1], [1], [0]])
model = Sequential()
model.add(Dense(2, input_dim=2, activation="relu", name="hidden"))
model.add(Dense(1, name="out"))
model.add(Activation("linear"))
model.set_weights([np.ones((2, 2)), np.array([0.0, -1.0]), np.array([[1.0], [-2.0]]), np.zeros(1)])
print(model.predict(x, verbose=0).ravel())
assert (model.predict(x, verbose=0) == y).all()
kernel, bias = model.get_layer("hidden").get_weights()
assert kernel.shape == (2, 2)
assert bias.tolist() == [0.0, -1.0]

copy = clone_model(model)
copy.set_weights([2 * array for array in model.get_weights()])
mean = [np.mean(pair, axis=0) for pair in zip(model.get_weights(), copy.get_weights())]
model.set_weights(mean)
assert np.allclose(model.get_weights()[2], [[1.5], [-3.0]])
model.layers[0].set_weights([np.zeros((2, 2)), np.ones(2)])
assert np.allclose(model.predict(x, verbose=0), 1.5 - 3.0)
lines = []
model.summary(print_fn=lambda text: lines.append(text))
assert "Total params: 9" in "\n".join(lines)
