# A loss as a class with options, for rare events; saved, and loaded with custom_objects.
import numpy as np

import densecore as keras
from densecore import layers, ops

keras.utils.set_random_seed(12)
rng = np.random.default_rng(12)
x = rng.normal(size=(2000, 5)).astype("float32")
y = (x[:, 0] + 0.5 * x[:, 1] > 1.7).astype("float32").reshape(-1, 1)


class FocalLoss(keras.losses.Loss):
    def __init__(self, gamma=2.0, alpha=0.75, name="focal_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.gamma = gamma
        self.alpha = alpha

    def call(self, y_true, y_pred):
        p = ops.clip(y_pred, 1e-7, 1 - 1e-7)
        y_true = ops.cast(y_true, p.dtype)
        pt = ops.where(y_true == 1, p, 1 - p)
        weight = ops.where(y_true == 1, self.alpha, 1 - self.alpha)
        return ops.mean(-weight * (1 - pt) ** self.gamma * ops.log(pt), axis=-1)

    def get_config(self):
        config = super().get_config()
        config.update({"gamma": self.gamma, "alpha": self.alpha})
        return config


model = keras.Sequential(
    [keras.Input(shape=(5,)), layers.Dense(16, "relu"), layers.Dense(1, activation="sigmoid")]
)
model.compile(keras.optimizers.Adam(0.01), loss=FocalLoss(gamma=1.5), metrics=["Recall", "AUC"])
model.fit(x[:1500], y[:1500], epochs=15, verbose=0)
scores = model.evaluate(x[1500:], y[1500:], verbose=0)
print("loss, recall, auc:", np.round(scores, 3))
assert scores[2] > 0.95
model.save("focal.keras")
again = keras.models.load_model("focal.keras", custom_objects={"FocalLoss": FocalLoss})
assert np.allclose(again.evaluate(x[1500:], y[1500:], verbose=0)[0], scores[0], atol=1e-5)
