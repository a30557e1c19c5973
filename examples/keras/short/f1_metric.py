# A metric as a class with weights of its own, and one as a function.
import numpy as np

import densecore as keras
from densecore import layers, ops

keras.utils.set_random_seed(13)
rng = np.random.default_rng(13)
x = rng.normal(size=(1200, 4)).astype("float32")
y = (x[:, 0] * x[:, 1] > 0.3).astype("float32").reshape(-1, 1)


class F1Score(keras.metrics.Metric):
    def __init__(self, name="f1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.tp = self.add_weight(name="tp", initializer="zeros")
        self.fp = self.add_weight(name="fp", initializer="zeros")
        self.fn = self.add_weight(name="fn", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, "float32")
        y_pred = ops.cast(y_pred > 0.5, "float32")
        self.tp.assign_add(ops.sum(y_true * y_pred))
        self.fp.assign_add(ops.sum((1 - y_true) * y_pred))
        self.fn.assign_add(ops.sum(y_true * (1 - y_pred)))

    def result(self):
        precision = self.tp / (self.tp + self.fp + 1e-7)
        recall = self.tp / (self.tp + self.fn + 1e-7)
        return 2 * precision * recall / (precision + recall + 1e-7)

    def reset_state(self):
        self.tp.assign(0.0)
        self.fp.assign(0.0)
        self.fn.assign(0.0)


def share_of_yes(y_true, y_pred):
    return ops.mean(ops.cast(y_pred > 0.5, "float32"))


model = keras.Sequential(
    [layers.Dense(32, "relu", input_dim=4), layers.Dense(16, "relu"), layers.Dense(1, "sigmoid")]
)
model.compile("adam", "binary_crossentropy", metrics=[F1Score(), share_of_yes, "accuracy"])
model.fit(x[:1000], y[:1000], epochs=40, verbose=0)
scores = model.evaluate(x[1000:], y[1000:], verbose=0, return_dict=True)
found = model.predict(x[1000:], verbose=0) > 0.5
tp = np.sum(found & (y[1000:] == 1))
f1 = 2 * tp / (found.sum() + y[1000:].sum())
print("f1:", scores["f1"], "by hand:", f1)
assert abs(scores["f1"] - f1) < 1e-3
assert f1 > 0.7
