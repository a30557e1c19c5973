"""Metrics: against scikit-learn, by themselves and in a model, and what they refuse."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import CLASS_NUMBERS
from densecore import losses, metrics

sk = pytest.importorskip("sklearn.metrics")

RNG = np.random.default_rng(0)
ROWS, CLASSES = 200, 4
WEIGHTS = RNG.uniform(0, 3, ROWS)
LABELS = RNG.integers(0, CLASSES, ROWS)
ONE_HOT = np.eye(CLASSES)[LABELS]
# Rounded, so that many scores are equal.
SCORES = np.round(RNG.dirichlet(np.ones(CLASSES), ROWS), 1)
PROBABILITIES = RNG.dirichlet(np.ones(CLASSES), ROWS)
YES = RNG.integers(0, 2, ROWS)
SCORE = np.round(np.clip(0.3 * YES + RNG.uniform(0, 0.8, ROWS), 0, 1), 1)
TARGETS = RNG.normal(size=(ROWS, 3)) + 1000
OUTPUTS = TARGETS + RNG.normal(size=(ROWS, 3))
POSITIVE, SEEN = np.abs(TARGETS - 999), np.abs(OUTPUTS - 999)
SAID = SCORE > 0.5
BEST = SCORES.argmax(axis=1)


def unweighted(function: Any) -> Any:
    """scikit-learn's name of the argument, for functions that are written like its own."""
    return lambda t, p, sample_weight=None: function(t, p, sample_weight)


def mean(values: Any, weight: Any) -> float:
    return float(np.average(values, weights=weight))


def roc(t: Any, p: Any, sample_weight: Any = None) -> Any:
    columns = np.eye(CLASSES)[t] if t.ndim == 1 and p.ndim == 2 else t
    return sk.roc_auc_score(columns, p, sample_weight=sample_weight)


def flat_roc(t: Any, p: Any, sample_weight: Any = None) -> Any:
    weight = None if sample_weight is None else np.repeat(sample_weight, CLASSES)
    return sk.roc_auc_score(t.reshape(-1), p.reshape(-1), sample_weight=weight)


def ap(t: Any, p: Any, sample_weight: Any = None) -> Any:
    columns = np.eye(CLASSES)[t] if t.ndim == 1 and p.ndim == 2 else t
    return sk.average_precision_score(columns, p, sample_weight=sample_weight)


def confusion(place: tuple[int, int]) -> Any:
    return lambda t, p, sample_weight=None: sk.confusion_matrix(
        t, p > 0.5, sample_weight=sample_weight
    )[place]


def said(function: Any, **options: Any) -> Any:
    """Of a single output above 0.5."""
    return lambda t, p, sample_weight=None: function(
        t, p > 0.5, sample_weight=sample_weight, **options
    )


def chosen(function: Any, **options: Any) -> Any:
    """Of the largest output of each row."""
    return lambda t, p, sample_weight=None: function(
        t if t.ndim == 1 else t.argmax(axis=1),
        p.argmax(axis=1),
        sample_weight=sample_weight,
        **options,
    )


def columns(function: Any, **options: Any) -> Any:
    """Of every output above 0.5, one against the rest."""
    return lambda t, p, sample_weight=None: function(
        np.eye(CLASSES)[t] if t.ndim == 1 else t,
        p > 0.5,
        sample_weight=sample_weight,
        zero_division=0,
        **options,
    )


def top(k: int) -> Any:
    """scikit-learn decides ties otherwise: here a class needs fewer than k larger outputs."""

    def share(t: Any, p: Any, sample_weight: Any = None) -> float:
        own = np.take_along_axis(p, t.reshape(-1, 1), axis=1)
        return mean((p > own).sum(axis=1) < k, sample_weight)

    return share


def cosine(t: Any, p: Any, sample_weight: Any = None) -> float:
    lengths = np.linalg.norm(t, axis=1) * np.linalg.norm(p, axis=1)
    return mean((t * p).sum(axis=1) / lengths, sample_weight)


CASES: list[tuple[metrics.Metric, Any, Any, Any]] = [
    (metrics.AUC(), YES, SCORE, roc),
    (metrics.AUC(curve="PR"), YES, SCORE, ap),
    (metrics.AUC(), LABELS, SCORES, roc),
    (metrics.AUC(), ONE_HOT, SCORES, flat_roc),
    (metrics.AUC(multi_label=True), ONE_HOT, SCORES, roc),
    (metrics.AUC(curve="PR"), LABELS, SCORES, ap),
    (metrics.Precision(), YES, SCORE, said(sk.precision_score)),
    (metrics.Recall(), YES, SCORE, said(sk.recall_score)),
    (metrics.Specificity(), YES, SCORE, said(sk.recall_score, pos_label=0)),
    (metrics.F1Score(), YES, SCORE, said(sk.f1_score)),
    (metrics.TruePositives(), YES, SCORE, confusion((1, 1))),
    (metrics.FalsePositives(), YES, SCORE, confusion((0, 1))),
    (metrics.FalseNegatives(), YES, SCORE, confusion((1, 0))),
    (metrics.TrueNegatives(), YES, SCORE, confusion((0, 0))),
    (metrics.Precision(), LABELS, SCORES, columns(sk.precision_score, average="micro")),
    (metrics.Recall(), ONE_HOT, SCORES, columns(sk.recall_score, average="micro")),
    (
        metrics.Recall(class_id=2),
        LABELS,
        SCORES,
        columns(sk.recall_score, labels=[2], average="macro"),
    ),
    (metrics.F1Score(), LABELS, SCORES, chosen(sk.f1_score, average="macro")),
    (metrics.F1Score("micro"), LABELS, SCORES, chosen(sk.f1_score, average="micro")),
    (metrics.F1Score("weighted"), ONE_HOT, SCORES, chosen(sk.f1_score, average="weighted")),
    (metrics.F1Score(threshold=0.5), LABELS, SCORES, columns(sk.f1_score, average="macro")),
    (metrics.BalancedAccuracy(), LABELS, SCORES, chosen(sk.balanced_accuracy_score)),
    (metrics.BalancedAccuracy(), YES, SCORE, said(sk.balanced_accuracy_score)),
    (metrics.MatthewsCorrelation(), ONE_HOT, SCORES, chosen(sk.matthews_corrcoef)),
    (metrics.MatthewsCorrelation(), YES, SCORE, said(sk.matthews_corrcoef)),
    (metrics.OneHotMeanIoU(4), ONE_HOT, SCORES, chosen(sk.jaccard_score, average="macro")),
    (metrics.OneHotMeanIoU(), YES, SCORE, said(sk.jaccard_score, average="macro")),
    (metrics.SparseCategoricalAccuracy(), LABELS, SCORES, chosen(sk.accuracy_score)),
    (metrics.CategoricalAccuracy(), ONE_HOT, SCORES, chosen(sk.accuracy_score)),
    (metrics.CategoricalAccuracy(), LABELS, SCORES, chosen(sk.accuracy_score)),
    (metrics.Accuracy(), LABELS, SCORES, chosen(sk.accuracy_score)),
    (metrics.Accuracy(), YES, SAID, sk.accuracy_score),
    (metrics.Accuracy(), LABELS, BEST, sk.accuracy_score),
    (metrics.BinaryAccuracy(), YES, SCORE, said(sk.accuracy_score)),
    (metrics.TopKCategoricalAccuracy(k=2), LABELS, SCORES, top(2)),
    (metrics.SparseTopKCategoricalAccuracy(k=3), LABELS, SCORES, top(3)),
    (metrics.MeanSquaredError(), TARGETS, OUTPUTS, sk.mean_squared_error),
    (metrics.RootMeanSquaredError(), TARGETS[:, 0], OUTPUTS[:, 0], sk.root_mean_squared_error),
    (metrics.MeanAbsoluteError(), TARGETS, OUTPUTS, sk.mean_absolute_error),
    (
        metrics.MeanAbsolutePercentageError(),
        TARGETS,
        OUTPUTS,
        lambda t, p, sample_weight=None: 100
        * sk.mean_absolute_percentage_error(t, p, sample_weight=sample_weight),
    ),
    (metrics.MeanSquaredLogarithmicError(), POSITIVE, SEEN, sk.mean_squared_log_error),
    (metrics.R2Score(), TARGETS, OUTPUTS, sk.r2_score),
    (metrics.CosineSimilarity(), POSITIVE, SEEN, cosine),
    (metrics.get("sparse_categorical_crossentropy"), LABELS, PROBABILITIES, sk.log_loss),
    (metrics.get("categorical_crossentropy"), ONE_HOT, PROBABILITIES, sk.log_loss),
    (metrics.get("BinaryCrossentropy"), YES, SCORE * 0.9 + 0.05, sk.log_loss),
]  # fmt: skip


@pytest.mark.parametrize("weight", [None, WEIGHTS, WEIGHTS * (WEIGHTS > 1)],
                         ids=["unweighted", "weighted", "zeros"])  # fmt: skip
@pytest.mark.parametrize(("metric", "y_true", "y_pred", "oracle"), CASES,
                         ids=[f"{i}-{case[0]!r}" for i, case in enumerate(CASES)])  # fmt: skip
def test_agrees_with_scikit_learn(
    metric: metrics.Metric, y_true: Any, y_pred: Any, oracle: Any, weight: Any
) -> None:
    expected = oracle(y_true, y_pred, sample_weight=weight)
    metric.reset_state()
    assert metric(y_true, y_pred, weight) == pytest.approx(expected, rel=1e-12, abs=1e-13)
    # In pieces: a metric is one of all rows, not a mean of batches'.
    metric.reset_state()
    for rows in (slice(0, 1), slice(1, 90), slice(90, ROWS)):
        part = None if weight is None else weight[rows]
        metric.update_state(y_true[rows], y_pred[rows], part)
    assert metric.result() == pytest.approx(expected, rel=1e-12, abs=1e-13)


def test_every_metric_has_an_oracle() -> None:
    tested = {case[0].kind for case in CASES}
    assert set(dc._core.metric_names()) <= tested
    known = set(metrics.METRICS.names())
    assert set(dc._core.metric_names()) <= known
    others = {name for name in known if metrics.METRICS.maker(name).__module__.endswith("all_rows")}
    assert known - others <= {*dc._core.metric_names(), *dc.losses.names(), "crossentropy"}


def test_precision_of_the_largest() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2]])
    # Of equal outputs the first ones are taken.
    assert metrics.Precision(top_k=1)([1, 2, 0], scores) == pytest.approx(2 / 3)
    assert metrics.Recall(top_k=2)([1, 2, 1], scores) == 1
    assert metrics.Precision(top_k=2, thresholds=0.35)([0, 2, 0], scores) == pytest.approx(3 / 4)
    assert metrics.Precision(thresholds=0.45)([1, 2, 0], scores) == 0.5


def test_nothing_of_nothing() -> None:
    for metric in (metrics.Precision(), metrics.Recall(), metrics.F1Score()):
        assert metric([0, 0], [0.1, 0.2]) == 0
    assert metrics.Specificity()([1, 1], [0.1, 0.2]) == 0
    assert metrics.MatthewsCorrelation()([1, 1], [0.6, 0.7]) == 0
    for metric in (metrics.AUC(), metrics.MeanSquaredError(), metrics.R2Score()):
        assert metric.result() == 0
        metric.update_state(np.zeros((0, 1)), np.zeros((0, 1)))
        assert metric.result() == 0 or metric.kind == "auc"
    assert metrics.Recall()([0, 1], [0.9, 0.9], [1, 0]) == 0


def test_area_of_one_class_is_undefined() -> None:
    assert math.isnan(metrics.AUC()([1, 1], [0.1, 0.2]))
    assert math.isnan(metrics.AUC()([0, 0], [0.1, 0.2]))
    assert math.isnan(metrics.AUC(curve="PR")([0, 0], [0.1, 0.2]))
    assert metrics.AUC(curve="PR")([1, 1], [0.1, 0.2]) == 1
    assert math.isnan(metrics.AUC()([0, 1], [0.5, np.nan]))
    # A class that does not occur is left out of the mean.
    two = metrics.AUC()([0, 1, 1, 0], [[0.7, 0.2, 0.1], [0.2, 0.6, 0.2]] * 2)
    assert two == pytest.approx(0.5)


def test_determination_of_constant_targets() -> None:
    assert metrics.R2Score()([5, 5, 5], [5, 5, 5]) == 1
    assert metrics.R2Score()([5, 5, 5], [5, 5, 6]) == 0
    # The mean must not cancel the variance.
    y = 1e9 + np.arange(5.0)
    assert metrics.R2Score()(y, y + 0.5) == pytest.approx(sk.r2_score(y, y + 0.5), rel=1e-9)


def test_outputs_that_are_no_numbers_are_not_right() -> None:
    nothing = np.full((2, 3), np.nan)
    assert metrics.SparseTopKCategoricalAccuracy(k=2)([0, 1], nothing) == 0
    assert metrics.Precision(top_k=1)([0, 1], nothing) == 0
    assert math.isnan(metrics.MeanSquaredError()(np.zeros((2, 3)), nothing))


# In a model ---------------------------------------------------------------------------------------


def data(rows: int = 70) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, 5)).astype(np.float32), rng.integers(0, 3, rows)


def make(loss: str = "sparse_categorical_crossentropy", **compiled: Any) -> dc.Sequential:
    last = "softmax" if "categorical" in loss else "sigmoid"
    model = dc.Sequential([dc.Input(5), dc.Dense(4, "tanh"), dc.Dense(3, last)], seed=0)
    model.compile(dc.optimizers.SGD(1e-12), loss, **compiled)
    return model


SUITED = [
    "accuracy", "auc", "precision", "recall", "f1_score", "specificity", "balanced_accuracy",
    "matthews_corrcoef", "categorical_accuracy", "top_k_categorical_accuracy", "crossentropy",
]  # fmt: skip
OF_VALUES = [*SUITED, "mse", "mae", "rmse", "mape", "msle", "r2_score", "cosine_similarity"]

# The same from class numbers (rows,), one-hot targets and outputs (rows, classes), by NumPy and
# scikit-learn alone: the model and the free-standing metric share their code, an oracle does not.
CLASS_ORACLES: dict[str, Any] = {
    "accuracy": lambda t, y, p: np.mean(p.argmax(axis=1) == t),
    "auc": lambda t, y, p: sk.roc_auc_score(y, p),
    "precision": lambda t, y, p: sk.precision_score(y, p > 0.5, average="micro", zero_division=0),
    "recall": lambda t, y, p: sk.recall_score(y, p > 0.5, average="micro", zero_division=0),
    "f1_score": lambda t, y, p: sk.f1_score(t, p.argmax(axis=1), average="macro"),
    "specificity": lambda t, y, p: np.sum((p <= 0.5) & (y == 0)) / np.sum(y == 0),
    "balanced_accuracy": lambda t, y, p: sk.balanced_accuracy_score(t, p.argmax(axis=1)),
    "matthews_corrcoef": lambda t, y, p: sk.matthews_corrcoef(t, p.argmax(axis=1)),
    "categorical_accuracy": lambda t, y, p: np.mean(p.argmax(axis=1) == t),
    "top_k_categorical_accuracy": lambda t, y, p: 1.0,  # k is 5, and there are 3 classes
    "crossentropy": lambda t, y, p: -np.mean(np.log(p[y == 1])),
    "mse": lambda t, y, p: np.mean((p - y) ** 2),
    "mae": lambda t, y, p: np.mean(np.abs(p - y)),
    "rmse": lambda t, y, p: np.sqrt(np.mean((p - y) ** 2)),
    "mape": lambda t, y, p: 100 * np.mean(np.abs(p - y) / np.maximum(y, 1e-7)),
    "msle": lambda t, y, p: np.mean((np.log1p(p) - np.log1p(y)) ** 2),
    "r2_score": lambda t, y, p: sk.r2_score(y, p),
    "cosine_similarity": lambda t, y, p: cosine(y, p),
}


def by_hand(name: str, labels: Any, outputs: Any, columns: bool = False) -> float:
    one_hot, p = np.eye(3)[labels], outputs.astype(np.float64)
    if name == "auc" and columns:
        return float(sk.roc_auc_score(one_hot.reshape(-1), p.reshape(-1)))
    return float(CLASS_ORACLES[name](labels, one_hot, p))


@pytest.mark.parametrize("batch_size", [1, 32, 70])
@pytest.mark.parametrize(
    ("loss", "names"), [("sparse_categorical_crossentropy", SUITED), ("mse", OF_VALUES)]
)
def test_fit_evaluate_and_standalone_agree(loss: str, names: list[str], batch_size: int) -> None:
    x, labels = data()
    y = labels if loss in CLASS_NUMBERS else np.eye(3, dtype=np.float32)[labels]
    model = make(loss, metrics=names)
    history = model.fit(x, y, batch_size, verbose=0, validation_data=(x, y)).history
    outputs = model.predict(x)
    for name, found in model.evaluate(x, y, return_dict=True).items():
        if name == "loss":
            continue
        kind = metrics.resolve(name, loss, 3)
        expected = metrics.get(kind)(y, outputs)
        assert expected == pytest.approx(by_hand(name, labels, outputs, y.ndim == 2), rel=1e-5), (
            name
        )
        assert found == pytest.approx(expected, rel=1e-6), name
        assert history[name][0] == pytest.approx(expected, rel=1e-5), name
        assert history["val_" + name][0] == pytest.approx(expected, rel=1e-5), name


def test_any_batch_size_and_threads_give_the_same_bits() -> None:
    x, labels = data(300)
    found = []
    for batch_size in (7, 100, 300):
        model = make(metrics=["accuracy", "auc", "f1_score"])
        model.fit(x, labels, batch_size, verbose=0, shuffle=False)
        found.append([model.history.history[name][0] for name in model.metrics_names[1:]])
    assert found[0] == found[1] == found[2]


def test_weights_count_in_weighted_metrics_only() -> None:
    x, labels = data()
    weight = np.where(labels == 0, 5.0, 1.0)
    model = make(metrics=["accuracy", metrics.AUC()], weighted_metrics=["accuracy", metrics.AUC()])
    assert model.metrics_names == ["loss", "accuracy", "auc", "weighted_accuracy", "weighted_auc"]
    found = model.evaluate(x, labels, sample_weight=weight, return_dict=True)
    outputs = model.predict(x)
    right = outputs.argmax(axis=1) == labels
    assert found["accuracy"] == pytest.approx(right.mean())
    assert found["weighted_accuracy"] == pytest.approx(np.average(right, weights=weight))
    assert found["auc"] == pytest.approx(metrics.AUC()(labels, outputs))
    assert found["weighted_auc"] == pytest.approx(metrics.AUC()(labels, outputs, weight))
    assert found["auc"] != found["weighted_auc"]


def test_functions_get_the_whole_pass_once() -> None:
    x, labels = data(300)
    calls = []

    def worst(y_true: Any, y_pred: Any) -> float:
        calls.append((y_true.copy(), y_pred.copy()))
        return float(y_pred[np.arange(len(y_true)), y_true].min())

    def right(y_true: Any, y_pred: Any) -> Any:
        return y_pred.argmax(axis=1) == y_true

    model = make(metrics=[worst, right, "accuracy"], weighted_metrics=[right])
    weight = np.linspace(0, 1, 300)
    found = model.evaluate(x, labels, sample_weight=weight, return_dict=True)
    outputs = model.predict(x)
    assert len(calls) == 1
    np.testing.assert_array_equal(calls[0][0], labels)
    np.testing.assert_array_equal(calls[0][1], outputs)
    assert found["worst"] == pytest.approx(outputs[np.arange(300), labels].min())
    assert found["right"] == pytest.approx(found["accuracy"])
    expected = np.average(outputs.argmax(axis=1) == labels, weights=weight)
    assert found["weighted_right"] == pytest.approx(expected)
    model.fit(x, labels, epochs=2, verbose=0, validation_split=0.5, sample_weight=weight + 0.1)
    assert len(calls) == 1 + 2 * 2
    assert len(calls[-1][0]) == 150

    wrapper = metrics.MeanMetricWrapper(right, name="own")
    wrapper.update_state(labels[:100], outputs[:100])
    wrapper.update_state(labels[100:], outputs[100:])
    assert wrapper.result() == pytest.approx(found["accuracy"])


def test_errors_of_functions_come_out() -> None:
    x, labels = data()

    def broken(y_true: Any, y_pred: Any) -> float:
        raise ZeroDivisionError("mine")

    for call in ("fit", "evaluate"):
        with pytest.raises(ZeroDivisionError, match="mine"):
            getattr(make(metrics=[broken]), call)(x, labels, verbose=0)
    model = make(metrics=[lambda t, p: np.zeros(3)])
    with pytest.raises(ValueError, match=r"found shape \(3,\), wanted a number"):
        model.evaluate(x, labels)
    # And the model is usable again.
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, labels, verbose=0)


def test_names_are_given_once() -> None:
    model = make(metrics=[metrics.Recall(class_id=0), metrics.Recall(class_id=1),
                          metrics.AUC(name="area"), "AUC", "acc", metrics.AUC])  # fmt: skip
    assert model.metrics_names == ["loss", "recall", "recall_1", "area", "AUC", "acc", "auc"]
    x, labels = data()
    assert set(model.evaluate(x, labels, return_dict=True)) == set(model.metrics_names)


def test_saved_with_the_model(tmp_path: Path) -> None:
    given = ["acc", metrics.AUC(curve="PR", name="ap"), metrics.Precision(0.3, class_id=1),
             metrics.F1Score("weighted"), metrics.get("crossentropy")]  # fmt: skip
    model = make(metrics=given, weighted_metrics=["auc"])
    assert model.get_config()["compile"]["metrics"][0] == "acc"
    model.save(tmp_path / "model")
    loaded = dc.load_model(tmp_path / "model")
    x, labels = data()
    assert loaded.evaluate(x, labels, return_dict=True) == model.evaluate(
        x, labels, return_dict=True
    )
    assert loaded.get_config() == model.get_config()

    def own(y_true: Any, y_pred: Any) -> float:
        return 0.0

    model.compile("sgd", "sparse_categorical_crossentropy", ["auc", own])
    with pytest.warns(UserWarning, match="metric 'own' is a Python function, which is not saved"):
        model.save(tmp_path / "model")
    assert dc.load_model(tmp_path / "model").metrics_names == ["loss", "auc"]


def test_configurations_round_trip() -> None:
    for name in metrics.names():
        metric = metrics.get(name)
        assert metrics.get(metric.get_config()).get_config() == metric.get_config()
        assert metric.name == name
        again = metrics.get_all("metrics", metrics.config_of([metric]))[0]
        assert repr(again) == repr(metric)


def test_losses_are_metrics_by_class_and_name() -> None:
    for loss in dc.losses.names():
        assert metrics.get(loss).kind == loss
        assert metrics.get(type(dc.losses.get(loss)).__name__).kind == loss
    assert metrics.BinaryCrossentropy().kind == "binary_crossentropy"
    assert metrics.get("crossentropy").larger_is_better is False
    with pytest.raises(AttributeError, match="no attribute 'Dance'"):
        metrics.Dance  # noqa: B018
    x, labels = data()
    model = make(metrics=["sparse_categorical_crossentropy"])
    loss, metric = model.evaluate(x, labels)
    assert metric == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: metrics.get("precison"), "unknown metric 'precison' .did you mean 'precision'"),
        (lambda: metrics.get(5), "metric: found 5, wanted one of the names"),
        (lambda: metrics.get({"metric": "x"}), "unknown metric 'x'"),
        (lambda: metrics.F1Score(None), "average: found None, a score per class"),
        (lambda: metrics.F1Score("mean"), "unknown average 'mean'"),
        (lambda: metrics.AUC(curve="roc"), "unknown curve 'roc'"),
        (lambda: metrics.Precision(1.5), "thresholds: found 1.5, wanted a number >= 0 and <= 1"),
        (lambda: metrics.Recall(top_k=0), "top_k: found 0, wanted an integer >= 1"),
        (lambda: metrics.Recall(class_id=1.0), "class_id: found 1.0, wanted an integer"),
        (lambda: metrics.AUC(name=5), "name: found 5, wanted a string"),
        (lambda: make(metrics="auc"), "metrics: found the string 'auc', wanted a list"),
        (lambda: make(metrics=["r2_score"]), "'r2_score' wants a value per output"),
        (lambda: make(metrics=["mse"]), "'mean_squared_error' wants a value per output"),
        (lambda: make(metrics=["categorical_crossentropy"]), "wants a value per output as targets"),
        (lambda: make("mse", metrics=["sparse_categorical_crossentropy"]), "wants class numbers"),
        (lambda: make(metrics=[metrics.Recall(class_id=3)]), "class_id: found 3, wanted 0 to 2"),
        (lambda: make(weighted_metrics=[metrics]), "metric: found module"),
        (lambda: metrics.AUC()([0, 3], [[0.1, 0.9]] * 2), "y_true: found class 3 in row 1"),
        (
            lambda: metrics.AUC()(np.zeros((2, 3)), np.zeros((2, 2))),
            r"y_true: found shape \(2, 3\)",
        ),
        (lambda: metrics.AUC()([0, 1], [0, 1], [1]), r"sample_weight: found shape \(1,\)"),
        (lambda: metrics.get(print)([0], [1]), "metric 'print': found None"),
    ],
)
def test_what_is_refused(call: Any, text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        call()


def test_an_update_of_another_shape_is_refused() -> None:
    metric = metrics.AUC()
    metric.update_state([0, 1], [[0.1, 0.9]] * 2)
    with pytest.raises(ValueError, match=r"y_pred: found shape \(2, 1\), wanted \(any, 2\)"):
        metric.update_state([0, 1], [0.1, 0.9])
    with pytest.raises(ValueError, match="found shape"):
        metric.update_state([[0, 1], [1, 0]], [[0.1, 0.9]] * 2)


def test_direction_of_reported_names() -> None:
    larger = [
        "accuracy",
        "val_acc",
        "auc",
        "weighted_auc",
        "val_f1_score_1",
        "precision",
        "r2_score",
    ]
    smaller = ["loss", "val_loss", "mse", "mean_absolute_error", "false_positives", "causal"]
    assert [metrics.larger_is_better(name) for name in larger] == [True] * len(larger)
    assert [metrics.larger_is_better(name) for name in smaller] == [False] * len(smaller)


def test_no_warnings_of_numpy() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric = metrics.MeanMetricWrapper(lambda t, p: (t - p) ** 2, "square")
        assert metric([1.0], [3.0], [0.5]) == 4.0


@pytest.mark.parametrize(
    "name", [n for n in dc.losses.names() if n not in ("quantile", "gaussian_nll")]
)
def test_every_loss_is_a_metric(name: str) -> None:
    """As the loss itself computes it, in training's report and by itself."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 4))
    y: Any = rng.dirichlet(np.ones(3), 50)
    if name in CLASS_NUMBERS:
        y = rng.integers(0, 3, 50)
    model = dc.Sequential([dc.Input(4), dc.Dense(3, "softmax")], dtype="float64", seed=0)
    sparse = name in CLASS_NUMBERS
    model.compile("sgd", "sparse_categorical_crossentropy" if sparse else "mse", [name])
    found = model.evaluate(x, y, return_dict=True)
    expected = dc.losses.get(name)(y, model.predict(x))
    if name == "cosine_similarity":  # as in Keras: what is minimised is less than nothing
        expected = -expected
    assert found[name] == pytest.approx(expected, rel=1e-12)


# Numbers of a program's own -----------------------------------------------------------------------


def test_means_and_sums() -> None:
    mean, total = metrics.Mean(), metrics.Sum("all")
    assert (mean.name, total.name, mean.result()) == ("mean", "all", 0.0)
    for values, weight in ((2.0, None), ([1.0, 3.0], None), ([[1.0, 2.0], [3.0, 4.0]], [1.0, 0.5])):
        mean.update_state(values, weight)
        total.update_state(values, weight)
    assert total.result() == 2 + 4 + 3 + 3.5
    assert mean.result() == pytest.approx(12.5 / (1 + 2 + 2 + 1), rel=1e-15)
    assert mean(8.0) == pytest.approx(20.5 / 7, rel=1e-15)
    mean.reset_state()
    assert mean.result() == 0
    assert metrics.Mean.from_config(mean.get_config()).name == "mean"
    with pytest.raises(ValueError, match=r"mean: sample_weight: found shape \(3,\), wanted that"):
        mean.update_state([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="mean: values: found dtype <U1, wanted real numbers"):
        mean.update_state("a")
    model = dc.Sequential([dc.Input(2), dc.Dense(1)])
    with pytest.raises(TypeError, match="metrics: found Mean"):
        model.compile("sgd", "mse", [metrics.Mean()])


# Logits -------------------------------------------------------------------------------------------

OF_LOGITS: list[Any] = [
    "accuracy", "precision", "recall", "f1_score", "balanced_accuracy", "matthews_corrcoef", "auc",
    "binary_crossentropy", metrics.BinaryAccuracy(), metrics.Specificity(class_id=0),
]  # fmt: skip


@pytest.mark.parametrize("metric", OF_LOGITS, ids=str)
@pytest.mark.parametrize("outputs", [1, 2])
def test_metrics_of_logits_are_those_of_probabilities(metric: Any, outputs: int) -> None:
    rng = np.random.default_rng(outputs)
    x, y = rng.normal(size=(200, 3)), (rng.random((200, outputs)) > 0.4).astype(float)
    found = []
    for last, loss in ((None, losses.BinaryCrossentropy(from_logits=True)), ("sigmoid", "bce")):
        model = dc.Sequential([dc.Input(3), dc.Dense(outputs, last)], seed=4, dtype="float64")
        model.compile("sgd", loss, [metric])
        history = model.fit(x, y, 50, shuffle=False, verbose=0, validation_data=(x, y)).history
        found.append([model.evaluate(x, y)[1], *(values[0] for values in history.values())])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_a_threshold_of_the_user_s_is_one_of_the_outputs() -> None:
    """As scripts for Keras give it: 0 for logits."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), (rng.random((200, 1)) > 0.4).astype(float)
    model = dc.Sequential([dc.Input(3), dc.Dense(1)], seed=4, dtype="float64")
    given = [metrics.BinaryAccuracy(0.0), metrics.Precision(0.0), metrics.BinaryAccuracy()]
    model.compile("sgd", losses.BinaryCrossentropy(from_logits=True), given)
    z = model.predict(x)
    right = float(((z > 0) == (y > 0)).mean())
    precise = float(y[z > 0].mean())
    assert model.evaluate(x, y)[1:] == pytest.approx([right, precise, right], rel=1e-12)


@pytest.mark.parametrize("metric", ["precision", "auc", "sparse_categorical_crossentropy"])
def test_metrics_of_logits_of_several_classes(metric: str) -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(200, 3)), rng.integers(0, 3, 200)
    found = []
    loss = losses.SparseCategoricalCrossentropy
    for last, chosen in ((None, loss(from_logits=True)), ("softmax", loss())):
        model = dc.Sequential([dc.Input(3), dc.Dense(3, last)], seed=4, dtype="float64")
        model.compile("sgd", chosen, [metric])
        found.append(model.evaluate(x, y))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_names_of_many_equal_metrics() -> None:
    """In linear time: 0.1 took a minute for 1200."""
    model = dc.Sequential([dc.Input(3), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse", ["mae"] * 3000, weighted_metrics=["mae", "loss"][:1])
    names = model.metrics_names
    assert names[:4] == ["loss", "mae", "mae_1", "mae_2"]
    assert names[-1] == "weighted_mae"
    assert len(set(names)) == 3002
