# K-fold cross-validation with a function that builds the model anew.
import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

import densecore as keras
from densecore.layers import Dense, Input
from densecore.models import Sequential

x, y = load_iris(return_X_y=True)
y_onehot = keras.utils.to_categorical(y)


def create_model():
    model = Sequential()
    model.add(Input(shape=(4,)))
    model.add(Dense(16, activation="relu"))
    model.add(Dense(3, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


keras.utils.set_random_seed(15)
scores = []
for train, test in StratifiedKFold(n_splits=5, shuffle=True, random_state=0).split(x, y):
    scaler = StandardScaler().fit(x[train])
    model = create_model()
    model.fit(scaler.transform(x[train]), y_onehot[train], epochs=40, batch_size=8, verbose=0)
    score = model.evaluate(scaler.transform(x[test]), y_onehot[test], verbose=0)
    print("%s: %.2f%%" % (model.metrics_names[0], score[1] * 100))
    scores.append(score[1] * 100)
print("%.2f%% (+/- %.2f%%)" % (np.mean(scores), np.std(scores)))
assert np.mean(scores) > 90
