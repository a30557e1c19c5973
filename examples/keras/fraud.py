# Changed: "import keras" became "import densecore as keras".
"""Imbalanced data: one payment in fifty is a fraud. Class weights, and the metrics that matter."""

import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import densecore as keras

keras.utils.set_random_seed(21)

X, y = make_classification(
    n_samples=12000, n_features=20, n_informative=8, n_clusters_per_class=2, weights=[0.98],
    class_sep=1.5, flip_y=0.001, random_state=4,
)  # fmt: skip
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = (np.clip(scaler.transform(part), -5, 5) for part in (X_train, X_test))

neg, pos = np.bincount(y_train)
print(f"{neg + pos} payments, {pos} of them frauds ({100 * pos / (neg + pos):.1f} %)")

METRICS = [
    keras.metrics.TruePositives(name="tp"),
    keras.metrics.FalsePositives(name="fp"),
    keras.metrics.FalseNegatives(name="fn"),
    keras.metrics.Precision(name="precision"),
    keras.metrics.Recall(name="recall"),
    keras.metrics.AUC(name="auc"),
    keras.metrics.AUC(name="prc", curve="PR", num_thresholds=1000),
]

model = keras.Sequential(
    [
        keras.Input(shape=(X_train.shape[-1],)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(
            1,
            activation="sigmoid",
            # The loss begins where it would be if only the shares were known.
            bias_initializer=keras.initializers.Constant(np.log(pos / neg)),
        ),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="binary_crossentropy", metrics=METRICS)
first = model.evaluate(X_train, y_train, batch_size=2048, verbose=0)[0]
print(f"loss at first: {first:.3f}")

total = neg + pos
model.fit(
    X_train,
    y_train,
    batch_size=512,
    epochs=60,
    validation_split=0.2,
    class_weight={0: total / (2.0 * neg), 1: total / (2.0 * pos)},
    callbacks=[
        keras.callbacks.EarlyStopping("val_prc", patience=10, mode="max", restore_best_weights=True)
    ],
    verbose=0,
)

results = model.evaluate(X_test, y_test, verbose=0, return_dict=True)
probability = model.predict(X_test, batch_size=2048, verbose=0).ravel()
print(confusion_matrix(y_test, probability > 0.5))
print(f"recall: {results['recall']:.3f}, precision: {results['precision']:.3f}")
print(f"ROC AUC: {results['auc']:.3f}, PR AUC: {results['prc']:.3f}")
assert abs(results["prc"] - average_precision_score(y_test, probability)) < 0.02
assert results["auc"] > 0.95
assert results["recall"] > 0.85
