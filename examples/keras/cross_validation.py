# Changed: "from keras..." became "from densecore...", in two lines.
"""Five folds by hand: a model for each, cloned from one that is never trained."""

import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import LabelEncoder

from densecore import layers, models, optimizers
from densecore.utils import set_random_seed

set_random_seed(123)

iris = load_iris()
X = iris.data.astype("float32")
labels = np.array(iris.target_names)[iris.target]
Y = LabelEncoder().fit_transform(labels)

template = models.Sequential(
    [
        layers.Dense(16, activation="relu", input_shape=(4,)),
        layers.Dense(16, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ]
)

scores = []
folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
for fold, (train, test) in enumerate(folds.split(X, Y)):
    model = models.clone_model(template)
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.SGD(learning_rate=0.02, momentum=0.9, nesterov=True),
        metrics=["accuracy"],
    )
    model.fit(X[train], Y[train], epochs=60, batch_size=16, verbose=0)
    _, accuracy = model.evaluate(X[test], Y[test], verbose=0)
    print(f"fold {fold}: {accuracy:.3f}")
    scores.append(accuracy)

print(f"test accuracy: {np.mean(scores):.3f} +- {np.std(scores):.3f}")
assert np.mean(scores) > 0.93
