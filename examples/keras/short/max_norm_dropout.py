# Dropout on the inputs and hidden layers, with a bound on the weights (Srivastava et al.).
import numpy as np

import densecore as keras
from densecore.constraints import MaxNorm
from densecore.layers import Dense, Dropout
from densecore.models import Sequential
from densecore.optimizers import SGD

keras.utils.set_random_seed(17)
rng = np.random.default_rng(17)
x = rng.normal(size=(400, 20))
y = (x[:, :5].sum(axis=1) > 0).astype(int)

model = Sequential()
model.add(Dropout(0.2, input_shape=(20,)))
model.add(Dense(60, activation="relu", kernel_constraint=MaxNorm(3)))
model.add(Dense(30, activation="relu", kernel_constraint=MaxNorm(1.0)))
model.add(Dropout(0.2))
model.add(Dense(1, activation="sigmoid"))
model.compile(
    loss="binary_crossentropy", optimizer=SGD(learning_rate=0.1, momentum=0.9), metrics=["accuracy"]
)
model.fit(x[:300], y[:300], epochs=30, batch_size=16, verbose=0)
accuracy = model.evaluate(x[300:], y[300:], verbose=0)[1]
lengths = np.linalg.norm(model.layers[2].get_weights()[0], axis=0)
print("accuracy:", accuracy, "longest:", lengths.max())
assert accuracy > 0.75
assert lengths.max() < 1.001
