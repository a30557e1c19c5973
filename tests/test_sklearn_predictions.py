"""densecore.sklearn: losses, deviations, ensembles, single rows, and looks into networks."""

import pickle
import threading
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", minversion="1.7")

import scipy.sparse
import scipy.stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, r2_score

import densecore as dc
from densecore.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
X = rng.normal(size=(150, 4))
REAL = np.sin(X[:, 0]) + X[:, 1]
SEVERAL = np.c_[REAL, X[:, 2] * 10 + 5]
TARGETS: dict[str, Any] = {
    "binary": np.where(REAL > 0, "yes", "no"),
    "multiclass": np.digitize(REAL, [-1, 1]) * 10,
    "multilabel": np.c_[REAL > 0, X[:, 2] > 0].astype(int),
    "one class": np.full(len(X), "only"),
}


def small(kind: Any, **settings: Any) -> Any:
    return kind(**{"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 10, **settings})


def regressor(**settings: Any) -> Any:
    return small(MLPRegressor, **settings)


# Losses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "loss"),
    [
        (("absolute_error", "mae", "mean_absolute_error"), dc.losses.MeanAbsoluteError()),
        (("huber",), dc.losses.Huber()),
        (("log_cosh", "logcosh"), dc.losses.LogCosh()),
        (("quantile", "pinball"), dc.losses.Quantile([0.5])),
        (("gaussian_nll",), dc.losses.GaussianNLL()),
    ],
)
def test_losses_are_densecores(names: tuple[str, ...], loss: Any) -> None:
    given = regressor(loss=loss, alpha=0.0, max_iter=30).fit(X, SEVERAL)
    for name in names:
        found = regressor(loss=name, alpha=0.0, max_iter=30).fit(X, SEVERAL)
        assert_array_equal(found.predict(X), given.predict(X))
    assert given.model_.loss.name == loss.name
    last = loss(SEVERAL, given.model_.predict(X))
    assert given.loss_curve_[-1] == pytest.approx(last, rel=0.1)
    assert given.predict(X).shape == SEVERAL.shape
    assert given.n_outputs_ == 2
    assert given.score(X, SEVERAL) > regressor(max_iter=1).fit(X, SEVERAL).score(X, SEVERAL)


def test_names_of_the_squared_error_are_scikit_learns() -> None:
    expected = regressor().fit(X, REAL)
    for name in ("mse", "mean_squared_error"):
        found = regressor(loss=name).fit(X, REAL)
        assert_array_equal(found.predict(X), expected.predict(X))
        assert found.loss_ == expected.loss_
    same = regressor(loss=dc.losses.Poisson()).fit(X, abs(REAL))
    assert_array_equal(same.predict(X), regressor(loss="poisson").fit(X, abs(REAL)).predict(X))


def test_losses_that_are_none_of_a_regression() -> None:
    with pytest.raises(ValueError, match=r"'loss' parameter .*'gaussian_nll'"):
        regressor(loss="crossentropy").fit(X, REAL)
    with pytest.raises(ValueError, match=r"found BinaryCrossentropy.* wanted one .*huber"):
        regressor(loss=dc.losses.BinaryCrossentropy()).fit(X, REAL)
    with pytest.raises(ValueError, match="a mean over the rows"):
        regressor(loss=dc.losses.Huber(reduction="sum")).fit(X, REAL)
    with pytest.raises(ValueError, match=r"quantile: found 0\.5 with loss='mae'"):
        regressor(loss="mae", quantile=0.5).fit(X, REAL)
    with pytest.raises(ValueError, match="which has its own"):
        regressor(loss=dc.losses.Quantile(), quantile=0.5).fit(X, REAL)
    with pytest.raises(ValueError, match="quantile"):
        regressor(loss="quantile", quantile=[0.5, 1.5]).fit(X, REAL)


def test_quantiles() -> None:
    settings = {"loss": "quantile", "max_iter": 400, "learning_rate_init": 0.02, "tol": 0.0}
    noisy = REAL + rng.normal(size=len(X))
    model = regressor(**settings, quantile=[0.2, 0.5, 0.9], scale_targets=True).fit(X, noisy)
    found = model.predict(X)
    assert found.shape == (150, 3)
    for q, column in zip([0.2, 0.5, 0.9], found.T, strict=True):
        # Where the loss has its minimum, its derivative by the last bias is 0: a share q of the
        # rows lies below, but for those that the curve goes through.
        through = np.mean(np.abs(noisy - column) < 0.05)
        assert abs(np.mean(noisy < column) - q) <= through
        # 49 parameters fit 150 rows better than the truth, which has none.
        truth = REAL + scipy.stats.norm.ppf(q)
        assert mean_pinball_loss(noisy, column, alpha=q) < mean_pinball_loss(noisy, truth, alpha=q)
    scores = [d2_pinball_score(noisy, found[:, q], alpha=a) for q, a in enumerate([0.2, 0.5, 0.9])]
    assert model.score(X, noisy) == pytest.approx(np.mean(scores))
    assert_allclose(model.predict_one(X[3]), found[3])
    one = regressor(**settings, quantile=0.9).fit(X, noisy)
    assert one.predict(X).shape == (150,)
    assert one.score(X, noisy) == pytest.approx(r2_score(noisy, one.predict(X)))
    through = np.mean(np.abs(noisy - one.predict(X)) < 0.05)
    assert abs(np.mean(noisy < one.predict(X)) - 0.9) <= through
    two = regressor(loss="quantile", quantile=[0.1, 0.9]).fit(X, SEVERAL)
    assert two.predict(X).shape == (150, 2, 2)
    assert_array_equal(two.predict(X).reshape(150, 4), two.model_.predict(X))
    assert two.input_gradients(X).shape == (150, 4, 4)
    held = regressor(loss="quantile", quantile=[0.1, 0.9]).fit(X, REAL, X_val=X, y_val=REAL)
    assert held.validation_scores_[-1] == pytest.approx(held.score(X, REAL))


# Deviations and ensembles ---------------------------------------------------------------------


@pytest.mark.parametrize("scaled", [False, True])
def test_a_standard_deviation_is_learnt(scaled: bool) -> None:
    x = rng.uniform(-1, 1, (600, 1))
    spread = np.where(x[:, 0] > 0, 0.5, 0.05)
    y = 3 * (x[:, 0] + spread * rng.normal(size=600)) + (100 if scaled else 0)
    model = regressor(loss="gaussian_nll", scale_targets=scaled, hidden_layer_sizes=(32,),
                      max_iter=300, learning_rate_init=0.01, alpha=0.0)  # fmt: skip
    mean, deviation = model.fit(x, y).predict(x, return_std=True)
    assert_array_equal(mean, model.predict(x))
    assert mean.shape == deviation.shape == (600,)
    for part, truth in ((x[:, 0] > 0.2, 1.5), (x[:, 0] < -0.2, 0.15)):
        # The deviation of about 240 normal numbers is off by 1 / sqrt(2 * 240) = 4.6 %; three
        # times that is allowed.
        assert np.median(deviation[part]) == pytest.approx(truth, rel=0.14)
    # Where the loss has its minimum, its derivative by the bias of the logarithm is 0.
    assert np.mean(((y - mean) / deviation) ** 2) == pytest.approx(1, abs=0.1)
    assert model.predict_one(x[0]) == pytest.approx(mean[0])
    means, deviations = regressor(loss="gaussian_nll").fit(X, SEVERAL).predict(X, return_std=True)
    assert means.shape == deviations.shape == (150, 2)


def test_there_must_be_a_deviation() -> None:
    with pytest.raises(ValueError, match=r"return_std: found loss='mae' and one network, wanted"):
        regressor(loss="mae").fit(X, REAL).predict(X, return_std=True)
    with pytest.raises(NotFittedError):
        regressor(n_members=3).predict(X, return_std=True)
    # It is that of the training, whatever has been set since.
    model = regressor(loss="gaussian_nll").fit(X, REAL)
    before = model.predict(X, return_std=True)
    model.set_params(loss="quantile", quantile=[0.1, 0.9])
    assert_array_equal(model.predict(X, return_std=True), before)
    model.set_params(loss="huber", quantile=None, warm_start=True)
    with pytest.raises(ValueError, match=r"found layers of \[4, 8, 1\] units, wanted \[4, 8, 2\]"):
        model.fit(X, REAL)
    assert_array_equal(model.predict(X, return_std=True), before)


@pytest.mark.parametrize("bootstrap", [False, True])
def test_members_are_networks_of_their_own(bootstrap: bool) -> None:
    model = regressor(n_members=3, bootstrap=bootstrap, scale_targets=True).fit(X, REAL)
    each = np.array([member.predict(X) for member in model.estimators_])
    assert abs(each[0] - each[1]).max() > 1e-3
    mean, deviation = model.predict(X, return_std=True)
    assert_allclose(mean, each.mean(axis=0))
    assert_allclose(deviation, each.std(axis=0), atol=1e-12)
    assert_array_equal(clone(model).fit(X, REAL).predict(X), mean)
    assert not hasattr(model, "model_")
    with pytest.raises(AttributeError, match="found an ensemble, wanted one network"):
        model.coefs_  # noqa: B018
    assert model.predict_one(X[0]) == pytest.approx(mean[0])
    assert_allclose(model.input_gradients(X), np.mean(
        [member.input_gradients(X) for member in model.estimators_], axis=0))  # fmt: skip
    with pytest.raises(ValueError, match="found an ensemble"):
        model.hidden_activations(X)
    first = model.estimators_[0]
    alone = clone(first)
    drawn = np.random.RandomState(first.random_state).randint(150, size=150)
    alone.fit(X, REAL, np.bincount(drawn, minlength=150) if bootstrap else None)
    assert_array_equal(alone.predict(X), first.predict(X))
    # Back to one network.
    assert not hasattr(model.set_params(n_members=None).fit(X, REAL), "estimators_")
    assert len(model.coefs_) == 2


def test_what_is_learnt_and_what_differs_add_up() -> None:
    model = regressor(n_members=3, loss="gaussian_nll").fit(X, REAL)
    outputs = np.array([member.model_.predict(X) for member in model.estimators_])
    means, logarithms = outputs[..., 0], outputs[..., 1]  # of the variances
    expected = np.sqrt(means.var(axis=0) + np.exp(logarithms).mean(axis=0))
    assert_allclose(model.predict(X, return_std=True)[1], expected)


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
def test_what_members_have_not_reached_is_told_once() -> None:
    with pytest.warns(
        ConvergenceWarning, match=r"3 of 3 members: Maximum iterations \(2\)"
    ) as seen:
        regressor(n_members=3, max_iter=2).fit(X, REAL)
    assert [each.filename for each in seen] == [__file__]


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_members_average_their_probabilities(task: str) -> None:
    y = TARGETS[task]
    model = small(MLPClassifier, n_members=2, bootstrap=True).fit(X, y)
    each = [member.predict_proba(X) for member in model.estimators_]
    assert_allclose(model.predict_proba(X), np.mean(each, axis=0))
    assert_allclose(model.predict_proba_one(X[5]), model.predict_proba(X)[5])
    assert_array_equal(model.predict_one(X[5]), model.predict(X)[5])
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))


def test_members_go_on() -> None:
    y = TARGETS["multiclass"]
    parts = small(MLPClassifier, n_members=2, shuffle=False)
    for _ in range(3):
        parts.partial_fit(X, y, classes=[0, 10, 20])
    whole = small(MLPClassifier, n_members=2, max_iter=3, shuffle=False).fit(X, y)
    assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))
    warm = regressor(n_members=2, warm_start=True, max_iter=2).fit(X, REAL)
    before = warm.estimators_[0].loss_
    first = warm.estimators_[0]
    warm.set_params(n_members=3).fit(X, REAL)
    assert len(warm.estimators_) == 3
    assert warm.estimators_[0] is first
    assert first.loss_ < before
    with pytest.raises(ValueError, match="n_members: found 1, wanted at least the 3"):
        warm.set_params(n_members=1).fit(X, REAL)


# Single rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.filterwarnings("ignore:y. found")
def test_one_row_has_its_class(task: str, dtype: Any) -> None:
    rows = X.astype(dtype)
    model = small(MLPClassifier, scale_inputs=True).fit(rows, TARGETS[task])
    labels, probabilities = model.predict(rows), model.predict_proba(rows)
    for number in range(0, 150, 7):
        given = rows[number] if number % 2 else rows[number].tolist()
        found = model.predict_one(given)
        assert_array_equal(found, labels[number])
        assert np.asarray(found).dtype.kind == labels.dtype.kind
        assert_array_equal(model.predict_proba_one(given), probabilities[number])
        assert model.predict_proba_one(given).dtype == dtype
    kept = model.predict_proba_one(rows[0])
    model.predict_proba_one(rows[1])
    assert_array_equal(kept, probabilities[0])  # an array of its own


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("targets", [REAL, SEVERAL], ids=["one", "several"])
def test_one_row_has_its_number(targets: Any, scaled: bool) -> None:
    model = regressor(scale_targets=scaled).fit(X, targets)
    expected = model.predict(X)
    found = [model.predict_one(row) for row in X]
    assert_allclose(found, expected, rtol=1e-12)
    assert (type(found[0]) is float) == (targets is REAL)
    for again in (clone(model).fit(X, targets * 2), pickle.loads(pickle.dumps(model))):
        assert_allclose(again.predict_one(X[0]), again.predict(X[:1])[0])
    model.fit(X, targets + 100)  # a new network
    assert_allclose(model.predict_one(X[0]), model.predict(X[:1])[0])
    model.partial_fit(X, targets)
    assert_allclose(model.predict_one(X[0]), model.predict(X[:1])[0])


def test_one_row_is_checked() -> None:
    model = regressor()
    with pytest.raises(NotFittedError):
        model.predict_one(X[0])
    model.fit(X, REAL)
    for wrong in (X[0, :3], X[:1], X[0, :1]):
        with pytest.raises(ValueError, match=rf"x: found {len(wrong)} values, wanted a row of 4"):
            model.predict_one(wrong)
    for value in (np.nan, np.inf, -np.inf):
        row = X[0].copy()
        row[2] = value
        with pytest.raises(ValueError, match="found NaN or infinity"):
            model.predict_one(row)
    with pytest.raises(TypeError, match="x: found float, wanted a row of 4 numbers"):
        model.predict_one(1.0)
    with pytest.raises((TypeError, ValueError)):
        model.predict_one(["a", "b", "c", "d"])
    assert model.predict_one(X[0]) == model.predict(X[:1])[0]


@pytest.mark.parametrize(("sizes", "times"), [((64, 64), 3000), ((1200, 1200), 30)])
def test_threads_have_rows_of_their_own(sizes: Any, times: int) -> None:
    # The core runs large networks without the interpreter's lock.
    model = regressor(hidden_layer_sizes=sizes, max_iter=1).fit(X, REAL)
    expected = model.predict(X)
    wrong: list[Any] = []

    def ask(offset: int) -> None:
        try:
            for number in range(times):
                row = (number + offset) % 150
                if model.predict_one(X[row]) != expected[row]:
                    wrong.append(row)
                if number % 10 == 0 and model.predict(X)[row] != expected[row]:
                    wrong.append(row)
        except RuntimeError as error:
            wrong.append(error)

    threads = [threading.Thread(target=ask, args=(40 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Looks inside ---------------------------------------------------------------------------------


def differences(predict: Any, rows: Any) -> Any:
    steps = 1e-5 * np.eye(4)
    return np.stack([(predict(rows + s) - predict(rows - s)) / 2e-5 for s in steps], axis=-1)


@pytest.mark.parametrize("targets", [REAL, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize("loss", ["squared_error", "gaussian_nll", "quantile"])
def test_input_gradients_of_numbers(loss: str, targets: Any) -> None:
    model = regressor(loss=loss, activation="tanh", scale_inputs=True, scale_targets=True)
    model.fit(X * 10, targets)
    found = model.input_gradients(X[:9] * 10)
    assert_allclose(found, differences(model.predict, X[:9] * 10), rtol=1e-5, atol=1e-7)
    thin = scipy.sparse.csr_array(X[:9] * 10)
    assert_allclose(model.input_gradients(thin), found)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_input_gradients_of_probabilities(task: str) -> None:
    model = small(MLPClassifier, activation="tanh").fit(X, TARGETS[task])
    expected = differences(model.predict_proba, X[:9])
    if task == "binary":
        expected = expected[:, 1]
    assert_allclose(model.input_gradients(X[:9]), expected, rtol=1e-5, atol=1e-7)


def test_hidden_activations() -> None:
    plain = regressor(hidden_layer_sizes=(8, 6), activation=["tanh", "relu"]).fit(X, REAL)
    first = np.tanh(X @ plain.coefs_[0] + plain.intercepts_[0])
    second = np.maximum(first @ plain.coefs_[1] + plain.intercepts_[1], 0)
    for found, expected in zip(plain.hidden_activations(X), [first, second], strict=True):
        assert_allclose(found, expected)
    full = regressor(hidden_layer_sizes=(8, 6), layer_normalization=True, dropout=0.3,
                     scale_inputs=True).fit(X, REAL)  # fmt: skip
    hidden = full.hidden_activations(X)
    assert [h.shape for h in hidden] == [(150, 8), (150, 6)]
    assert_allclose(hidden[-1] @ full.coefs_[-1][:, 0] + full.intercepts_[-1], full.predict(X))
    assert regressor(hidden_layer_sizes=()).fit(X, REAL).hidden_activations(X) == []
