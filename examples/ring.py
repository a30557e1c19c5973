import numpy as np

import densecore as dc

# Two classes that no straight line separates: a ring around a blob.
rng = np.random.default_rng(0)
angle, radius = rng.uniform(0, 2 * np.pi, 1000), np.repeat([0.4, 1.0], 500)
x = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
x = (x + 0.1 * rng.normal(size=x.shape)).astype(np.float32)
y = np.repeat([0, 1], 500)
order = rng.permutation(1000)
x, y = x[order], y[order]

model = dc.Sequential(
    [dc.Input(2), dc.Dense(16, activation="tanh"), dc.Dense(2, activation="softmax")], seed=0
)
model.compile(dc.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=32, epochs=20, validation_split=0.2)
print(model.evaluate(x[-200:], y[-200:], return_dict=True))
print(model.predict([[0.0, 0.4], [0.0, 1.0]]).round(3))
model.save("ring.safetensors")
print(dc.load_model("ring.safetensors"))
