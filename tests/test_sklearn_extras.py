"""densecore.sklearn: what scikit-learn's perceptrons do not have, in training."""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", minversion="1.7")

import scipy.sparse
import sklearn.neural_network
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    balanced_accuracy_score,
    log_loss,
    make_scorer,
    max_error,
    mean_absolute_error,
)
from sklearn.model_selection import GridSearchCV
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.estimator_checks import parametrize_with_checks

import densecore as dc
from densecore.sklearn import MLPClassifier, MLPRegressor, from_sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 5))
REAL = np.sin(X[:, 0]) + X[:, 1]
CLASSES = np.array(["a", "b", "c"])[np.digitize(REAL, [-1, 1])]
PAIR = np.where(REAL > 0, "yes", "no")


def small(kind: Any, **settings: Any) -> Any:
    return kind(**{"hidden_layer_sizes": (8, 6), "random_state": 0, "max_iter": 10, **settings})


# The contract ---------------------------------------------------------------------------------

# Rows that are drawn by chance are not those that are weighted.
DRAWN = {
    f"check_sample_weight_equivalence_on_{kind}_data": "rows or units are drawn"
    for kind in ("dense", "sparse")
}
FORMS: list[Any] = [
    MLPClassifier(n_members=2),
    MLPClassifier(scale_inputs=True, activation=["gelu"]),
    MLPClassifier(solver="adamw", layer_normalization=True, weight_decay=0.01),
    MLPRegressor(n_members=2, loss="gaussian_nll"),
    MLPRegressor(scale_inputs=True, scale_targets=True, loss="huber"),
    MLPRegressor(solver=dc.optimizers.RMSprop(0.003), loss="quantile", time_budget=60.0),
    MLPRegressor(solver="nadam", clipnorm=1.0, loss="mae"),
    MLPClassifier(dropout=0.2),
    MLPClassifier(batch_normalization=True),
    MLPRegressor(n_members=3, bootstrap=True),
]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    FORMS, expected_failed_checks=lambda form: DRAWN if form in FORMS[-3:] else {}
)
def test_scikit_learn_is_content(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_searches_go_over_what_is_new(kind: Any) -> None:
    y = PAIR if kind is MLPClassifier else REAL
    grid = {
        "dropout": [0.0, 0.3],
        "solver": ["adamw", dc.optimizers.SGD(0.05, momentum=0.9)],
        "activation": ["gelu", ("tanh", "relu")],
    }
    search = GridSearchCV(small(kind, max_iter=3), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) > 3  # each matters
    found = pickle.loads(pickle.dumps(search.best_estimator_))
    assert_array_equal(found.predict(X), search.best_estimator_.predict(X))
    twin = clone(found)
    assert repr(twin) == repr(found)
    assert not hasattr(twin, "model_")


# Weights --------------------------------------------------------------------------------------


def test_class_and_sample_weights_multiply() -> None:
    rows = rng.uniform(0.5, 2, len(X))
    factors = {"a": 3.0, "b": 1.0, "c": 0.5}
    given = small(MLPClassifier, class_weight=factors).fit(X, CLASSES, rows)
    product = rows * np.array([factors[c] for c in CLASSES])
    expected = small(MLPClassifier).fit(X, CLASSES, product)
    assert_array_equal(given.predict_proba(X), expected.predict_proba(X))
    # Balanced, weights count as rows that are there as often.
    twice = np.r_[np.arange(120), np.arange(40)]
    counts = np.bincount(twice).astype(float)
    settings = {"class_weight": "balanced", "batch_size": 120, "alpha": 0.0, "shuffle": False}
    weighted = small(MLPClassifier, **settings).fit(X, CLASSES, counts)
    repeated = small(MLPClassifier, **{**settings, "batch_size": 160})
    repeated.fit(X[twice], CLASSES[twice])
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)


def test_class_weights_in_steps() -> None:
    labels = np.unique(CLASSES)
    balanced = compute_class_weight("balanced", classes=labels, y=CLASSES)
    weights = dict(zip(labels, balanced, strict=True))
    whole = small(MLPClassifier, class_weight="balanced", max_iter=1).fit(X, CLASSES)
    part = small(MLPClassifier, class_weight=weights).partial_fit(X, CLASSES, classes=labels)
    assert_allclose(part.predict_proba(X), whole.predict_proba(X), rtol=1e-12)
    with pytest.raises(ValueError, match="found 'balanced' with partial_fit"):
        small(MLPClassifier, class_weight="balanced").partial_fit(X, CLASSES, classes=labels)
    weighted = small(MLPRegressor).partial_fit(X, REAL, np.where(X[:, 0] > 0, 1.0, 0.0))
    rest = small(MLPRegressor).partial_fit(X[X[:, 0] > 0], REAL[X[:, 0] > 0])
    assert weighted.loss_ == pytest.approx(rest.loss_, rel=1e-3)


# Validation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [False, True])
def test_the_loss_of_rows_that_are_held_out(early: bool) -> None:
    model = small(MLPClassifier, alpha=0.0, early_stopping=early)
    assert clone(model).set_params(early_stopping=False).fit(X, PAIR).validation_loss_curve_ is None
    model.fit(X[:80], PAIR[:80], X_val=X[80:], y_val=PAIR[80:])
    assert len(model.validation_loss_curve_) == model.n_iter_ == 10
    if not early:
        expected = log_loss(PAIR[80:], model.predict_proba(X[80:]))
        assert model.validation_loss_curve_[-1] == pytest.approx(expected)
    # With the penalty, as the loss of the training rows.
    same = small(MLPRegressor, alpha=5.0, solver="sgd", learning_rate_init=1e-12)
    same.fit(X, REAL, X_val=X, y_val=REAL)
    assert_allclose(same.validation_loss_curve_, same.loss_curve_, rtol=1e-6)
    split = small(MLPRegressor, early_stopping=True).fit(X, REAL)
    assert len(split.validation_loss_curve_) == len(split.validation_scores_) == split.n_iter_


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_the_loss_decides_over_an_early_stop(kind: Any) -> None:
    y = PAIR if kind is MLPClassifier else REAL
    model = small(kind, early_stopping=True, early_stopping_metric="loss", max_iter=400,
                  learning_rate_init=0.05, n_iter_no_change=5)  # fmt: skip
    model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    curve = model.validation_loss_curve_
    assert model.n_iter_ < 400
    assert_array_equal(model.validation_scores_, np.negative(curve))
    assert model.best_validation_score_ == -min(curve)
    assert model.n_iter_ > 5 + int(np.argmin(curve))
    target = model._target
    found = model.model_.evaluate(X[80:], target.encode(y[80:])) * target.objective.scale
    assert found == pytest.approx(min(curve))  # the best weights are back


def test_what_scikit_learn_began_gets_a_curve() -> None:
    begun = sklearn.neural_network.MLPRegressor(early_stopping=True, warm_start=True, max_iter=4)
    found = from_sklearn(begun.fit(X, REAL)).fit(X, REAL)
    assert len(found.validation_loss_curve_) == 4
    assert len(found.validation_scores_) == 8


def test_any_scorer_decides() -> None:
    held_out = {"X_val": X[80:], "y_val": CLASSES[80:]}
    named = small(MLPClassifier, early_stopping_metric="balanced_accuracy", early_stopping=True)
    named.fit(X[:80], CLASSES[:80], **held_out)
    best = balanced_accuracy_score(CLASSES[80:], named.predict(X[80:]))
    assert named.best_validation_score_ == pytest.approx(best)

    def closeness(estimator: Any, rows: Any, y: Any) -> float:
        return -float(mean_absolute_error(y, estimator.predict(rows)))

    own = small(MLPRegressor, early_stopping_metric=closeness, scale_targets=True)
    own.fit(X[:80], REAL[:80] * 100, X_val=X[80:], y_val=REAL[80:] * 100)
    assert own.validation_scores_[-1] == pytest.approx(closeness(own, X[80:], REAL[80:] * 100))
    weighted = small(
        MLPRegressor, early_stopping_metric=make_scorer(max_error), early_stopping=True
    )
    weighted.fit(X, REAL, rng.uniform(1, 2, 120))  # a metric without weights
    assert min(weighted.validation_scores_) > 0
    with pytest.raises(ValueError, match=r"'early_stopping_metric' parameter .*'loss'"):
        MLPRegressor(early_stopping_metric="nonsense").fit(X, REAL)


def test_frames_of_validation_have_names() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        for settings in ({"early_stopping_metric": "r2"}, {"n_members": 2}):
            model = small(MLPRegressor, **settings).fit(frame, REAL, X_val=frame, y_val=REAL)
            assert np.isfinite(model.predict(frame)).all()


def test_classes_that_are_unknown_are_named() -> None:
    wrong = np.where(CLASSES == "b", "never", CLASSES)
    model = small(MLPClassifier).partial_fit(X, CLASSES, classes=list("abc"))
    with pytest.raises(ValueError, match=r"unknown are \['never'\]"):
        model.partial_fit(X, wrong)
    with pytest.raises(ValueError, match=r"`y_val` has classes not in .* \['never'\]"):
        small(MLPClassifier).fit(X, CLASSES, X_val=X, y_val=wrong)
    with pytest.raises(ValueError, match="y_val: found 2 outputs, wanted 1"):
        small(MLPRegressor).fit(X, REAL, X_val=X, y_val=X[:, :2])


# Networks -------------------------------------------------------------------------------------


def test_an_activation_for_each_layer() -> None:
    kinds = ("logistic", dc.activations.Activation("leaky_relu", negative_slope=0.3))
    model = small(MLPRegressor, activation=kinds).fit(X, REAL)
    assert [str(layer.activation) for layer in model.model_.layers] == [
        "sigmoid", "leaky_relu(negative_slope=0.3)", "linear"]  # fmt: skip
    one = small(MLPRegressor, activation="logistic").fit(X, REAL)
    assert_array_equal(
        one.predict(X), small(MLPRegressor, activation=["logistic"] * 2).fit(X, REAL).predict(X)
    )
    for name in dc.activations.names():
        small(MLPClassifier, max_iter=1, activation=name).fit(X, CLASSES)
    with pytest.raises(ValueError, match=r"'activation' parameter .*'silu'"):
        small(MLPRegressor, activation="silo").fit(X, REAL)
    with pytest.raises(
        ValueError, match=r"unknown activation 'silo' .*'silu'.*; known: .*logistic"
    ):
        small(MLPRegressor, activation=["relu", "silo"]).fit(X, REAL)
    with pytest.raises(ValueError, match=r"found 1 .* wanted one for each of the 2 hidden"):
        small(MLPRegressor, activation=["relu"]).fit(X, REAL)
    with pytest.raises(TypeError, match=r"of hidden layer 2: found 3, wanted a name"):
        small(MLPRegressor, activation=["relu", 3]).fit(X, REAL)


def test_what_is_between_the_layers() -> None:
    model = small(MLPClassifier, dropout=[0.5, 0], batch_normalization=True,
                  layer_normalization=True, scale_inputs=True)  # fmt: skip
    model.fit(X, CLASSES)
    block = ["Dense", "BatchNormalization", "LayerNormalization", "Activation"]
    kinds = [type(layer).__name__ for layer in model.model_.layers]
    assert kinds == ["Normalization", *block, "Dropout", *block, "Dense"]
    assert [w.shape for w in model.coefs_] == [(5, 8), (8, 6), (6, 3)]
    assert [b.shape for b in model.intercepts_] == [(8,), (6,), (3,)]
    assert model.n_layers_ == 4
    assert_array_equal(model.predict_proba(X), model.predict_proba(X))  # nothing drops out
    plain = small(MLPClassifier, dropout=0.5).fit(X, CLASSES)
    assert (
        abs(plain.predict_proba(X) - small(MLPClassifier).fit(X, CLASSES).predict_proba(X)).max()
        > 0.01
    )
    for wrong in ([0.1], [0.1, 1.0]):
        with pytest.raises(ValueError, match=r"dropout: found .* for each of the 2 hidden layers"):
            small(MLPRegressor, dropout=wrong).fit(X, REAL)
    with pytest.raises(ValueError, match="dropout, batch_normalization: found solver='lbfgs'"):
        small(MLPRegressor, solver="lbfgs", dropout=0.1, batch_normalization=True).fit(X, REAL)


def test_early_stopping_gives_back_statistics_too() -> None:
    model = small(MLPRegressor, batch_normalization=True, early_stopping=True, max_iter=60,
                  early_stopping_metric="loss", learning_rate_init=0.1)  # fmt: skip
    model.fit(X[:80], REAL[:80], X_val=X[80:], y_val=REAL[80:])
    best = min(model.validation_loss_curve_)
    assert best < model.validation_loss_curve_[-1]
    found = model.model_.evaluate(X[80:], REAL[80:, None]) / 2
    assert found == pytest.approx(best)


# Scales ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_scales_within_are_scales_without(solver: str) -> None:
    far, wide = X * [1, 100, 1e4, 1, 1] + [0, 5, -7, 1e3, 0], REAL * 50 + 300
    weights = rng.uniform(0.5, 2, len(X))
    model = small(MLPRegressor, scale_inputs=True, scale_targets=True, solver=solver)
    model.fit(far, wide, weights)
    mean = np.average(far, axis=0, weights=weights)
    scale = np.sqrt(np.average((far - mean) ** 2, axis=0, weights=weights))
    assert_allclose(model.input_mean_, mean)
    assert_allclose(model.input_scale_, scale)
    middle, spread = model.target_mean_.item(), model.target_scale_.item()
    plain = small(MLPRegressor, solver=solver)
    plain.fit((far - mean) / scale, (wide - middle) / spread, weights)
    assert_allclose(model.predict(far), plain.predict((far - mean) / scale) * spread + middle)
    assert_allclose(model.coefs_[0], plain.coefs_[0], rtol=1e-5)
    assert model.score(far, wide) == pytest.approx(
        plain.score((far - mean) / scale, (wide - middle) / spread)
    )
    # A model file has the inputs' scale in it.
    assert_allclose(model.model_.predict(far)[:, 0] * spread + middle, model.predict(far))


def test_scales_of_sparse_and_constant_columns() -> None:
    thin = np.where(abs(X) < 0.7, 0, X * 100)
    thin[:, 2] = 0.1
    dense = small(MLPClassifier, scale_inputs=True).fit(thin, PAIR)
    sparse = small(MLPClassifier, scale_inputs=True).fit(scipy.sparse.csr_array(thin), PAIR)
    assert_allclose(sparse.predict_proba(thin), dense.predict_proba(thin), rtol=1e-7)
    assert dense.input_scale_[2] == 1
    thin[:, 2] = 0.2  # what never varied says nothing when it does
    assert abs(dense.predict_proba(thin) - sparse.predict_proba(thin)).max() < 1e-6
    grown = copy.deepcopy(dense)
    with pytest.raises(ValueError, match="counts have no other unit"):
        MLPRegressor("poisson", scale_targets=True).fit(X, abs(REAL))
    before = grown.input_mean_.copy()
    grown.partial_fit(thin * 5, PAIR)
    assert_array_equal(grown.input_mean_, before)  # that of the first data
