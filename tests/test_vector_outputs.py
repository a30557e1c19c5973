"""Losses and metrics of outputs (rows, steps, features): each vector has a loss, as in Keras."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, ops

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4, 3)).astype("float32")
NUMBERS = RNG.integers(0, 5, (20, 4))
SHARES = np.eye(5)[NUMBERS]
# The last activation, the loss, its targets, metrics.
CASES: dict[str, Any] = {
    "categorical": ("softmax", "categorical_crossentropy", SHARES, ["accuracy"]),
    "sparse": ("softmax", "sparse_categorical_crossentropy", NUMBERS, ["accuracy"]),
    "column": ("softmax", "sparse_categorical_crossentropy", NUMBERS[..., None], []),
    "logits": (None, dc.losses.SparseCategoricalCrossentropy(from_logits=True), NUMBERS, []),
    "binary": ("sigmoid", "binary_crossentropy", SHARES, ["accuracy", "binary_accuracy"]),
    "cosine": (None, "cosine_similarity", SHARES, []),
    "divergence": ("softmax", "kl_divergence", SHARES, ["categorical_accuracy"]),
    "hinge": (None, "categorical_hinge", SHARES, []),
    "squares": (None, "mse", SHARES, ["mae"]),
    "own": (None, lambda y, p: ops.mean(ops.square(y - p)[..., :2], axis=-1), SHARES, ["mae"]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_vector_is_a_row_of_the_loss(case: str) -> None:
    """All vectors as rows of a model of single vectors train the same."""
    activation, loss, y, metrics = CASES[case]
    several = dc.Sequential([dc.Input((4, 3)), dc.Dense(5, activation)], seed=0, dtype="float64")
    single = dc.Sequential([dc.Input(3), dc.Dense(5, activation)], seed=0, dtype="float64")
    single.set_weights(several.get_weights())
    rows = y.reshape(80) if case in ("sparse", "column", "logits") else y.reshape(80, -1)
    history = []
    for model, x, targets, size in (
        (several, X, y, 5), (single, X.reshape(80, 3), rows, 20)
    ):  # fmt: skip
        model.compile("adam", loss, metrics=list(metrics))
        how: dict[str, Any] = {"batch_size": size, "epochs": 2, "shuffle": False, "verbose": 0}
        found = model.fit(x, targets, validation_data=(x, targets), **how).history
        history.append({**found, "evaluated": model.evaluate(x, targets)})
    assert history[0].keys() == history[1].keys()
    for name, values in history[0].items():
        assert values == pytest.approx(history[1][name], rel=1e-9), name
    for one, other in zip(several.get_weights(), single.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8)


def test_weights_of_rows_and_files(tmp_path: Path) -> None:
    model = dc.Sequential([dc.Input((4, 3)), dc.Dense(5, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    weight = RNG.uniform(0, 2, 20)
    first = model.evaluate(X, NUMBERS, batch_size=20)
    assert model.train_on_batch(X, NUMBERS) == pytest.approx(first, rel=1e-5)
    model.fit(X, NUMBERS, sample_weight=weight, verbose=0)
    p = model.predict(X)
    each = -np.log(np.take_along_axis(p, NUMBERS[..., None], axis=-1))[..., 0]
    value, accuracy = model.evaluate(X, NUMBERS, sample_weight=weight, batch_size=20)
    assert value == pytest.approx((weight[:, None] * each).mean(), rel=1e-5)
    assert accuracy == pytest.approx((p.argmax(-1) == NUMBERS).mean())
    model.save(tmp_path / "model.keras")
    again = dc.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(X, NUMBERS, batch_size=20) == model.evaluate(X, NUMBERS, batch_size=20)
    with pytest.raises(ValueError, match=r"y: found shape \(20, 3\), wanted \(20, 4\)"):
        model.fit(X, NUMBERS[:, :3], verbose=0)


def test_one_of_several_outputs() -> None:
    first = dc.Input((4, 3))
    hidden = layers.Dense(6, "tanh")(first)
    kinds = layers.Dense(5, "softmax", name="kinds")(hidden)
    size = layers.Dense(1, name="size")(layers.Flatten()(hidden))
    model = dc.Model(first, [kinds, size])
    model.compile("sgd", {"kinds": "sparse_categorical_crossentropy", "size": "mse"})
    y = {"kinds": NUMBERS, "size": X[:, 0, :1]}
    found = model.evaluate(X, y, batch_size=20, return_dict=True)
    p = model.predict(X)[0]
    wanted = -np.log(np.take_along_axis(p, NUMBERS[..., None], axis=-1)).mean()
    assert found["kinds_loss"] == pytest.approx(wanted, rel=1e-5)
    model.fit(X, y, verbose=0)
    model.train_on_batch(X, y)
    both = ["sparse_categorical_crossentropy", "mse"]
    with pytest.raises(ValueError, match="metrics of kinds: found accuracy, wanted one to which"):
        model.compile("sgd", both, metrics=[["accuracy"], None])
