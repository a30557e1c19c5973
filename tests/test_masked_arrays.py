"""Masked arrays (netCDF's libraries give them): what a mask hides is never read as a number."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import densecore as dc

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12, dtype="i4") % 2
HIDDEN = np.ma.array(X, mask=np.zeros(X.shape, bool))
HIDDEN[4, 1] = np.ma.masked
HIDDEN.data[4, 1] = 1e20  # the fill value that such files have
WEIGHT = np.ma.array(np.ones(12), mask=np.arange(12) == 3)
LABELS = np.ma.array(Y, mask=np.arange(12) == 3)


@pytest.fixture
def model() -> Any:
    made = dc.Sequential([dc.Input(3), dc.Dense(2, "softmax")], dtype="float64", seed=1)
    made.compile("sgd", "sparse_categorical_crossentropy")
    return made


OUT = np.zeros((12, 2))
CALLS: dict[str, Callable[[Any], Any]] = {
    "fit": lambda m: m.fit(HIDDEN, Y, verbose=0),
    "fit, rows": lambda m: m.fit(list(HIDDEN), Y, verbose=0),
    "predict": lambda m: m.predict(HIDDEN, verbose=0),
    "predict_on_batch": lambda m: m.predict_on_batch(HIDDEN),
    "train_on_batch": lambda m: m.train_on_batch(X, LABELS),
    "sample_weight": lambda m: m.train_on_batch(X, Y, sample_weight=WEIGHT),
    "forward": lambda m: m.forward(HIDDEN),
    "backward": lambda m: (m.forward(X), m.backward(np.ma.array(OUT, mask=OUT == 0))),
    "make_train_step": lambda m: m.make_train_step(X, LABELS),
    "make_predictor": lambda m: m.make_predictor(HIDDEN, OUT),
    "freeze": lambda m: m.freeze()(HIDDEN),
    "ensemble": lambda m: dc.Ensemble(m, 2).train_on_batch(HIDDEN, Y),
    "set_weights": lambda m: m.set_weights([HIDDEN[:, :2][3:6], np.zeros(2)]),
    "parameters": lambda m: setattr(m, "parameters", np.ma.array(np.ones(8), mask=[1] + [0] * 7)),
    "loss": lambda m: dc.losses.MeanSquaredError()(HIDDEN, X),
    "loss, weights": lambda m: dc.losses.MeanSquaredError()(X, X, sample_weight=WEIGHT),
    "metric": lambda m: dc.metrics.Mean().update_state(WEIGHT),
    "ops": lambda m: dc.ops.dense(HIDDEN, np.ones((2, 3)), np.ones(2)),
    "ops, out": lambda m: dc.ops.activation("relu", HIDDEN, out=np.empty_like(X)),
    "adapt": lambda m: dc.layers.Normalization().adapt(HIDDEN),
}


@pytest.mark.parametrize("call", CALLS)
def test_masked_values_are_refused(model: Any, call: str) -> None:
    before = model.parameters.copy()
    with pytest.raises(ValueError, match="found masked values, wanted numbers"):
        CALLS[call](model)
    np.testing.assert_array_equal(model.parameters, before)


def test_a_mask_that_hides_nothing_changes_nothing(model: Any) -> None:
    np.testing.assert_array_equal(model.predict_on_batch(np.ma.array(X)), model.predict(X))


@pytest.mark.filterwarnings("ignore:Stochastic")
@pytest.mark.parametrize("part", ["X", "y", "sample_weight", "predict"])
def test_estimators_refuse_masked_values(part: str) -> None:
    pytest.importorskip("sklearn")
    from densecore.sklearn import MLPClassifier

    estimator = MLPClassifier((4,), max_iter=1, random_state=0).fit(X, Y)
    given = {"X": X, "y": Y, "sample_weight": None}
    given |= {part: {"X": HIDDEN, "y": LABELS}.get(part, WEIGHT)}
    call, given = (
        (estimator.predict, {"X": HIDDEN}) if part == "predict" else (estimator.fit, given)
    )
    with pytest.raises(ValueError, match="found masked values, wanted numbers"):
        call(**given)


def test_in_a_table_a_masked_value_is_a_missing_one() -> None:
    from densecore.tabular.reader import table_of

    with_nan = np.where(HIDDEN.mask, np.nan, X)
    for data in (HIDDEN, {"a": HIDDEN[:, 1], "b": X[:, 0]}):
        column = list(table_of(data))[1 if data is HIDDEN else 0]
        np.testing.assert_array_equal(column.numbers(), with_nan[:, 1])
    words = np.ma.array(["a", "b", "c"], mask=[False, True, False])
    assert table_of({"word": words}).column("word").missing().tolist() == [False, True, False]
