"""Estimators whose fit fails, or whose parameters do not suit the network that goes on."""

import copy
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("sklearn", minversion="1.7")

import densecore as dc
from densecore.sklearn import KerasClassifier, MLPClassifier, MLPRegressor
from densecore.tabular import TabularClassifier

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
    pytest.mark.filterwarnings("ignore:epoch"),
]


def rows_and_classes() -> tuple[Any, Any]:
    X = np.random.default_rng(0).normal(size=(60, 4))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


def frame(names: str, rows: Any) -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(rows[:, : len(names)], columns=list(names))


@pytest.mark.parametrize("kind", ["fit", "partial_fit", "warm_start", "members"])
def test_a_fit_that_fails_changes_nothing(kind: str) -> None:
    """Names, classes and a network of different fits: predictions were refused, or wrong."""
    X, y = rows_and_classes()
    words = np.array(["no", "yes"])[y]
    made = MLPClassifier((4,), max_iter=3, random_state=0)
    made.set_params(n_members=2 if kind == "members" else None)
    made.fit(frame("abcd", X), words)
    parameters = made.get_params()
    expected = made.predict(frame("abcd", X)), made.predict_proba(frame("abcd", X))
    call = made.partial_fit if kind == "partial_fit" else made.fit
    faults: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
        ({}, (frame("xyz", X), y[:5])),
        ({}, (frame("xyz", X), y, -np.ones(len(y)))),
        ({}, (X[:, :2], y, np.zeros(len(y)))),
        ({"class_weight": {0: -1, 1: 1, "no": -1, "yes": 1}}, (frame("xyz", X), y)),
        ({"class_weight": {0: -1, 1: 1, "no": -1, "yes": 1}}, (frame("abcd", X), words)),
        ({"alpha": 1e308}, (frame("xyz", X), y + 3, np.full(len(y), 1e-9))),
        ({"hidden_layer_sizes": (2**40,)}, (X[:, :2], y)),
        ({"early_stopping": True}, (frame("xy", X)[:2], ["p", "q"])),
    ]
    for changes, arguments in faults:
        made.set_params(**changes, warm_start=kind == "warm_start")
        with pytest.raises(ValueError, match=" "):
            call(*arguments)
        made.set_params(**parameters)
        assert list(made.classes_) == ["no", "yes"]
        assert list(made.feature_names_in_) == list("abcd")
        assert_array_equal(made.predict(frame("abcd", X)), expected[0])
        assert_array_equal(made.predict_proba(frame("abcd", X)), expected[1])


def test_a_fit_that_diverges_leaves_the_one_before() -> None:
    X, y = rows_and_classes()
    made = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, y)
    expected, curve = made.predict(X), list(made.loss_curve_)
    made.set_params(solver="sgd", learning_rate_init=1e200, activation="identity")
    with pytest.raises(ValueError, match="non-finite"), np.errstate(all="ignore"):
        made.fit(X * 1e100, y * 1e200)
    assert_array_equal(made.predict(X), expected)
    assert made.loss_curve_ == curve


def test_what_a_broken_fit_has_learnt_is_kept() -> None:
    X, y = rows_and_classes()

    class Broken(dc.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 3:
                raise ZeroDivisionError

    made = MLPClassifier((4,), max_iter=9, random_state=0)
    with pytest.raises(ZeroDivisionError):
        made.fit(X, y, callbacks=Broken())
    assert made.predict_proba(X).shape == (len(X), 2)
    assert made.model_.progress["epochs"] >= 3


@pytest.mark.parametrize(
    "changes",
    [{"activation": "tanh"}, {"dropout": 0.5}, {"batch_normalization": True},
     {"layer_normalization": True}, {"scale_inputs": True}],
)  # fmt: skip
def test_a_network_that_goes_on_keeps_its_layers(changes: dict[str, Any]) -> None:
    """Such parameters were left out, and ``get_params`` named what the network has not."""
    X, y = rows_and_classes()
    made = MLPClassifier((4,), max_iter=3, random_state=0, warm_start=True).fit(X, y)
    made.set_params(**changes)
    for call in (made.fit, made.partial_fit):
        with pytest.raises(ValueError, match=f"partial_fit: {next(iter(changes))}: found"):
            call(X, y)
    made.set_params(warm_start=False).fit(X, y)
    copy.deepcopy(made).partial_fit(X, y)


@pytest.mark.parametrize(
    ("weights", "text"),
    [({0: np.nan, 1: 1}, "class_weight: of class 0: found nan"),
     ({0: "2", 1: 1}, "class_weight: of class 0: found '2'"),
     ({0: 10**400, 1: 1}, "class_weight: of class 0: found 1000"),
     ({0: 0, 1: 0}, "class_weight: found only zeros"),
     ({0: None, 1: 1}, "class_weight: of class 0: found None"),
     ({0: 1e308, 1: 1e308}, "of which the sum is inf"),
     ({0: 1e-320, 1: 1e-320}, "of which the mean is 1e-320, by which alpha=")],
)  # fmt: skip
def test_weights_of_classes_are_numbers(weights: Any, text: str) -> None:
    X, y = rows_and_classes()
    for call in ("fit", "partial_fit"):
        arguments = {"classes": [0, 1]} if call == "partial_fit" else {}
        made = MLPClassifier((4,), class_weight=weights)
        with pytest.raises((TypeError, ValueError), match=text):
            getattr(made, call)(X, y, **arguments)
    if all(isinstance(weight, float) for weight in weights.values()):
        with pytest.raises(ValueError, match=text):
            MLPRegressor(hidden_layer_sizes=(4,)).fit(X, y, np.array([weights[each] for each in y]))


def test_coefficients_are_set_all_or_none() -> None:
    X, y = rows_and_classes()
    made = MLPClassifier((4,), max_iter=3, random_state=0).fit(X, y)
    before = made.predict_proba(X)
    for wrong in ([np.zeros((4, 4))], [np.zeros((4, 4)), np.zeros(4)], [np.zeros(4), np.zeros(1)]):
        with pytest.raises(ValueError, match="weights"):
            made.coefs_ = wrong
    assert_array_equal(made.predict_proba(X), before)


@pytest.mark.parametrize("made", ["TabularClassifier", "KerasClassifier"])
def test_other_estimators_keep_their_last_fit(made: str) -> None:
    """Predictions had the old network and the new classes."""
    X, y = rows_and_classes()
    words = np.array(["no", "yes"])[y]
    estimator: Any
    if made == "TabularClassifier":
        estimator = TabularClassifier("quick", epochs=2, random_state=0)
    else:

        def build(meta: dict[str, Any]) -> dc.Sequential:
            return dc.Sequential([dc.Dense(4, "tanh"), dc.Dense(1, "sigmoid")])

        estimator = KerasClassifier(build, epochs=2, verbose=0, random_state=0)
    estimator.fit(frame("abcd", X), words)
    expected = estimator.predict(frame("abcd", X)), estimator.predict_proba(frame("abcd", X))
    faults: list[tuple[Any, ...]] = [
        (frame("xyz", X), y[:5]),
        (frame("xyz", X), y, -np.ones(len(y))),
        (frame("abcd", X), np.array(["u", "v", "w"])[np.arange(60) % 3], -np.ones(60)),
        (frame("xy", X)[:0], words[:0]),
    ]
    for arguments in faults:
        with pytest.raises(ValueError, match=" "):
            estimator.fit(*arguments)
        assert list(estimator.classes_) == ["no", "yes"]
        assert_array_equal(estimator.predict(frame("abcd", X)), expected[0])
        assert_array_equal(estimator.predict_proba(frame("abcd", X)), expected[1])
