# A regression and a classification from one trunk, named in dictionaries.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(3)
rng = np.random.default_rng(3)
x = rng.normal(size=(1000, 6)).astype("float32")
price = x @ rng.normal(size=(6, 1)) + 3
sold = (x[:, 0] + x[:, 1] > 0).astype("float32")

inputs = keras.Input(shape=(6,))
shared = layers.Dense(32, activation="relu")(inputs)
price_out = layers.Dense(1, name="price")(shared)
sold_out = layers.Dense(1, activation="sigmoid", name="sold")(shared)
model = keras.Model(inputs, [price_out, sold_out])
model.compile(
    optimizer=keras.optimizers.Adam(0.01),
    loss={"price": "mse", "sold": "binary_crossentropy"},
    loss_weights={"price": 1.0, "sold": 0.5},
    metrics={"price": ["mae"], "sold": ["accuracy"]},
)
history = model.fit(
    x[:800],
    {"price": price[:800], "sold": sold[:800]},
    epochs=15,
    validation_data=(x[800:], {"price": price[800:], "sold": sold[800:]}),
    verbose=0,
)
scores = model.evaluate(
    x[800:], {"price": price[800:], "sold": sold[800:]}, verbose=0, return_dict=True
)
print({key: round(float(value), 4) for key, value in scores.items()})
predicted_price, predicted_sold = model.predict(x[800:], verbose=0)
print(predicted_price.shape, predicted_sold.shape)
assert scores["sold_accuracy"] > 0.9
assert "val_price_mae" in history.history
assert abs(scores["loss"] - scores["price_loss"] - 0.5 * scores["sold_loss"]) < 1e-4
