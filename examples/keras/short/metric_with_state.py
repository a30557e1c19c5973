# A metric as a class that counts, used in compile and by itself; metrics of Keras by themselves.
import numpy as np

import densecore as keras
from densecore import layers, metrics, ops


class F1(metrics.Metric):
    def __init__(self, name="f1", threshold=0.5, **kwargs):
        super().__init__(name=name, **kwargs)
        self.threshold = threshold
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.said = self.add_weight(name="said", initializer="zeros")
        self.true = self.add_weight(name="true", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(ops.reshape(y_true, (-1, 1)), "float32")
        yes = ops.cast(y_pred > self.threshold, "float32")
        self.hits.assign_add(ops.sum(y_true * yes))
        self.said.assign_add(ops.sum(yes))
        self.true.assign_add(ops.sum(y_true))

    def result(self):
        return 2 * self.hits / (self.said + self.true + keras.backend.epsilon())

    def reset_state(self):
        for variable in (self.hits, self.said, self.true):
            variable.assign(0.0)


keras.utils.set_random_seed(14)
rng = np.random.default_rng(14)
x = rng.normal(size=(800, 4)).astype("float32")
y = (x[:, 0] + x[:, 1] > 1).astype("int32")
model = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(1, "sigmoid")])
model.compile(
    keras.optimizers.Adam(0.01),
    "binary_crossentropy",
    metrics=[F1(), F1("f1_low", 0.3), "accuracy"],
)
model.fit(x, y, epochs=30, verbose=0)
found = model.evaluate(x, y, verbose=0, return_dict=True)
print({name: round(value, 3) for name, value in sorted(found.items())})
alone = F1()
alone.update_state(y, model.predict(x, verbose=0))
assert np.isclose(float(alone.result()), found["f1"], atol=1e-4)
assert found["f1"] > 0.9
mean = metrics.Mean()
mean.update_state([1, 3, 5, 7])
assert float(mean.result()) == 4.0
