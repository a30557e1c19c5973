"""What a Keras-shaped library reports and learns of weighted rows, as numbers that can be compared.

``KERAS_BACKEND=jax python keras_weights.py keras_weights.json`` writes those of Keras itself;
`test_weighted_losses.py` compares densecore's with them. The file is of Keras 3.15.
"""

import json
import sys
from typing import Any

import numpy as np

REDUCTIONS = ("sum_over_batch_size", "mean_with_sample_weight", "sum")
LOSSES = (
    "MeanSquaredError", "MeanAbsoluteError", "Huber", "LogCosh", "Poisson", "KLDivergence",
    "CosineSimilarity", "Hinge", "SquaredHinge", "CategoricalHinge", "BinaryCrossentropy",
    "CategoricalCrossentropy", "BinaryFocalCrossentropy", "CategoricalFocalCrossentropy",
    "MeanSquaredLogarithmicError", "MeanAbsolutePercentageError",
)  # fmt: skip


def rounded(values: Any) -> list[float]:
    return [float(f"{float(value):.7g}") for value in np.ravel(values)]


def results(keras: Any) -> dict[str, list[float]]:
    """Name of the case → numbers; `keras` is the library."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3)).astype("float32")
    y = (x[:, :1] + 0.3 * rng.normal(size=(50, 1)) > 0).astype("float32")
    classes = rng.integers(0, 3, 50)
    weight = rng.uniform(0, 3, 50).astype("float32")
    held_out = rng.normal(size=(23, 3)).astype("float32")
    held_out_y = (held_out[:, :1] > 0).astype("float32")
    held_out_weight = rng.uniform(0, 2, 23).astype("float32")
    kernels = rng.normal(size=(3, 4)).astype("float32"), rng.normal(size=(4, 3)).astype("float32")
    found: dict[str, list[float]] = {}

    def model(units: int, last: str | None, loss: Any, l2: float = 0.0, metrics: Any = ()) -> Any:
        penalty = keras.regularizers.L2(l2) if l2 else None
        hidden = keras.layers.Dense(4, "tanh", kernel_regularizer=penalty)
        made = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(units, last)])
        made.set_weights([kernels[0], np.zeros(4), kernels[1][:, :units], np.zeros(units)])
        made.compile(
            keras.optimizers.SGD(0.01), loss, metrics=list(metrics), weighted_metrics=list(metrics)
        )
        return made

    def note(case: str, made: Any, history: Any) -> None:
        for name, values in history.history.items():
            found[f"{case}: {name}"] = rounded(values)
        found[f"{case}: weights"] = rounded(
            np.concatenate([np.ravel(w) for w in made.get_weights()])
        )

    for reduction in REDUCTIONS:
        for size in (1, 16):
            for l2 in (0.0, 0.1):
                for kind in ("none", "sample", "class"):
                    case = f"{reduction}, batches of {size}, l2={l2}, {kind} weights"
                    loss = keras.losses.BinaryCrossentropy(reduction=reduction)
                    made = model(1, "sigmoid", loss, l2, ["accuracy", "mse"])
                    given: dict[str, Any] = {"validation_data": (held_out, held_out_y)}
                    if kind == "sample":
                        given["sample_weight"] = weight
                        given["validation_data"] = (held_out, held_out_y, held_out_weight)
                    if kind == "class":
                        given["class_weight"] = {0: 0.5, 1: 4.0}
                    note(case, made, made.fit(x, y, size, 2, shuffle=False, verbose=0, **given))
                    own = weight if kind == "sample" else None
                    values = made.evaluate(
                        x, y, batch_size=size, sample_weight=own, verbose=0, return_dict=True
                    )
                    for name, value in values.items():
                        found[f"{case}: evaluated {name}"] = rounded(value)
        made = model(1, "sigmoid", keras.losses.BinaryCrossentropy(reduction=reduction), 0.1)
        step = np.ravel(made.train_on_batch(x[:16], y[:16], weight[:16]))[0]
        test = np.ravel(made.test_on_batch(x[:16], y[:16], weight[:16]))[0]
        found[f"{reduction}: on a batch"] = rounded([step, test])
        made = model(3, "softmax", keras.losses.SparseCategoricalCrossentropy(reduction=reduction))
        factors = {0: 1.0, 1: 2.0, 2: 5.0}
        history = made.fit(x, classes, 16, 2, shuffle=False, verbose=0, class_weight=factors)
        note(f"{reduction}, classes", made, history)
        made = model(2, None, keras.losses.MeanSquaredError(reduction=reduction))
        history = made.fit(x, x[:, :2], 16, 2, shuffle=False, verbose=0, sample_weight=weight)
        note(f"{reduction}, two outputs", made, history)

    for name in LOSSES:
        outputs = 1 / (1 + np.exp(-x[:8, :2]))
        targets = (x[:8, 1:] > 0).astype("float32")
        if "Categorical" in name:
            outputs = outputs / outputs.sum(axis=1, keepdims=True)
            targets = np.eye(2, dtype="float32")[(x[:8, 1] > 0).astype(int)]
        for reduction in (*REDUCTIONS, "mean", "none", None):
            for own in (None, weight[:8], weight[:8, None]):
                loss = getattr(keras.losses, name)(reduction=reduction)
                shape = "no" if own is None else own.shape
                case = f"{name}, {reduction}, {shape} weights"
                found[case] = rounded(loss(targets, outputs, sample_weight=own))
    return found


if __name__ == "__main__":
    import keras

    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(results(keras), file, separators=(",", ":"))
        file.write("\n")
