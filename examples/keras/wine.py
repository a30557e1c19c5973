# Changed: "from keras..." became "from densecore...", in three lines.
"""Three kinds of wine, one-hot targets, cross-entropy: the first example of many a course."""

import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from densecore.layers import Dense
from densecore.models import Sequential
from densecore.utils import set_random_seed, to_categorical

set_random_seed(7)

X, y = load_wine(return_X_y=True)
Y = to_categorical(y)
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, test_size=0.3, random_state=1)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

model = Sequential()
model.add(Dense(16, input_shape=(13,), activation="tanh", kernel_initializer="he_normal"))
model.add(Dense(16, activation="tanh"))
model.add(Dense(3, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])

history = model.fit(
    X_train, Y_train, epochs=80, batch_size=16, verbose=0, validation_data=(X_test, Y_test)
)
print("best validation accuracy:", round(max(history.history["val_accuracy"]), 3))

predicted = np.argmax(model.predict(X_test, verbose=0), axis=1)
accuracy = float(np.mean(predicted == np.argmax(Y_test, axis=1)))
print(f"test accuracy: {accuracy:.3f}")
assert accuracy > 0.93
