"""How the files beside this one were made, with densecore 0.1.0: python make.py FOLDER."""

import pickle
import sys
from pathlib import Path

import numpy as np

import densecore as dc

folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
x = rng.normal(size=(20, 3)).astype("float32")
y = (x[:, 0] > 0).astype("int32")
scaling = dc.layers.Normalization()
scaling.adapt(x)
block = dc.layers.Residual([dc.Dense(4, "tanh"), dc.layers.Dropout(0.1)])
model = dc.Sequential(
    [
        dc.Input(3),
        scaling,
        dc.Dense(4, "relu", kernel_regularizer="l2"),
        dc.layers.BatchNormalization(),
        block,
        dc.layers.LeakyReLU(0.1),
        dc.Dense(2, "softmax"),
    ],
    seed=1,
    name="old",
)
adam = dc.optimizers.AdamW(dc.schedules.CosineDecay(0.01, 100), use_ema=True)
model.compile(adam, dc.losses.SparseCategoricalCrossentropy(), ["accuracy"])
model.metadata = {"made by": "0.1.0"}
model.fit(x, y, epochs=2, batch_size=8, verbose=0)
predicted = model.predict(x)
model.save(folder / "model.safetensors")
model.save_weights(folder / "model.weights.safetensors")
(folder / "model.pickle").write_bytes(pickle.dumps(model, protocol=4))
model.fit(x, y, epochs=1, batch_size=8, verbose=0)
later = model.predict(x)
np.savez(folder / "expected.npz", x=x, y=y, predicted=predicted, after_another_epoch=later)
(folder / "frozen.pickle").write_bytes(pickle.dumps(model.freeze(), protocol=4))

ensemble = dc.Ensemble(dc.Sequential([dc.Input(3), dc.Dense(2, "tanh"), dc.Dense(1)], seed=2), 3)
ensemble.compile("adam", "mse")
ensemble.fit(x, x[:, :1], epochs=1, verbose=0)
ensemble.save(folder / "ensemble.safetensors")
(folder / "ensemble.pickle").write_bytes(pickle.dumps(ensemble, protocol=4))
np.save(folder / "ensemble.npy", ensemble.predict(x))
