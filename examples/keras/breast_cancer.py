# Changed: "import keras" became "import densecore as keras".
"""Benign or malignant: batch normalisation, dropout, class weights, early stopping."""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import densecore as keras

SEED = 42
keras.utils.set_random_seed(SEED)

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(
    data.data, data.target, test_size=0.2, random_state=SEED, stratify=data.target
)
X_train, X_valid, y_train, y_valid = train_test_split(
    X_train, y_train, test_size=0.2, random_state=SEED, stratify=y_train
)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_valid, X_test = scaler.transform(X_valid), scaler.transform(X_test)

n_malignant, n_benign = (y_train == 0).sum(), (y_train == 1).sum()
class_weight = {0: len(y_train) / (2 * n_malignant), 1: len(y_train) / (2 * n_benign)}


def build_model():
    model = keras.Sequential(name="tumours")
    model.add(keras.Input(shape=(X_train.shape[1],)))
    for units in (64, 32):
        model.add(keras.layers.Dense(units, use_bias=False))
        model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.Activation("relu"))
        model.add(keras.layers.Dropout(0.3))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=2e-3),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.AUC(name="auc"),
            keras.metrics.Precision(name="precision"),
            keras.metrics.Recall(name="recall"),
        ],
    )
    return model


model = build_model()
early_stopping = keras.callbacks.EarlyStopping(
    monitor="val_auc", mode="max", patience=15, restore_best_weights=True
)
history = model.fit(
    X_train,
    y_train,
    validation_data=(X_valid, y_valid),
    epochs=100,
    batch_size=32,
    class_weight=class_weight,
    callbacks=[early_stopping],
    verbose=0,
)
print("epochs:", len(history.history["loss"]))

results = model.evaluate(X_test, y_test, verbose=0, return_dict=True)
for name, value in results.items():
    print(f"test {name}: {value:.3f}")
assert results["auc"] > 0.98
assert results["accuracy"] > 0.92
