# Changed: "from keras..." became "from densecore...", in three lines.
"""The style of Keras 2: input_dim, one add after the other, round(predict)."""

import numpy

from densecore.layers import Dense, Dropout
from densecore.models import Sequential, load_model
from densecore.utils import set_random_seed

seed = 7
set_random_seed(seed)

# eight measurements, one answer
random = numpy.random.RandomState(seed)
X = random.normal(size=(768, 8))
risk = 1.5 * X[:, 1] + X[:, 5] - 0.8 * X[:, 7] + 1.2 * X[:, 1] * X[:, 5]
Y = (risk + 0.3 * random.normal(size=768) > 0).astype(int)

# create model
model = Sequential()
model.add(Dense(24, input_dim=8, kernel_initializer="uniform", activation="relu"))
model.add(Dropout(0.1))
model.add(Dense(12, kernel_initializer="uniform", activation="relu"))
model.add(Dense(1, kernel_initializer="uniform", activation="sigmoid"))
# Compile model
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
# Fit the model
model.fit(X[:600], Y[:600], epochs=120, batch_size=10, verbose=0)
# evaluate the model
scores = model.evaluate(X[600:], Y[600:], verbose=0)
print(f"{model.metrics_names[1]}: {scores[1] * 100:.2f}%")
# calculate predictions
rounded = [round(x[0]) for x in model.predict(X[600:], verbose=0)]
print("test accuracy:", round(numpy.mean(rounded == Y[600:]), 3))
# serialize model to one file, and load it
model.save("old_style_model.keras")
loaded_model = load_model("old_style_model.keras")
assert loaded_model.evaluate(X[600:], Y[600:], verbose=0)[1] == scores[1]
assert scores[1] > 0.85
