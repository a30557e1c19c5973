"""densecore.sklearn: what scikit-learn promises of its perceptrons, and its machinery."""

import copy
import os
import pickle
import re
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", minversion="1.7")

import sklearn.neural_network as theirs
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import densecore as dc
import densecore.sklearn as ours
from densecore.models.fit import FitArguments, fit
from densecore.sklearn import MLPClassifier, MLPRegressor, from_sklearn
from densecore.sklearn._base import CallArguments

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
KINDS = ["MLPClassifier", "MLPRegressor"]
DIGITS = load_digits(n_class=3, return_X_y=True)
DIGITS = (DIGITS[0][:300] / 16, DIGITS[1][:300])
TWO = (DIGITS[0][DIGITS[1] < 2], DIGITS[1][DIGITS[1] < 2])
IRIS = load_iris(return_X_y=True)


# The same random state, the same training -----------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_the_same_seed_gives_the_same_fit(kind: str, early: bool, activation: str) -> None:
    settings = {"random_state": 7, "batch_size": 64, "max_iter": 12, "activation": activation}
    a, b = (getattr(m, kind)(early_stopping=early, **settings).fit(*DIGITS) for m in (theirs, ours))
    assert_allclose(b.loss_curve_, a.loss_curve_, rtol=1e-10)
    assert_allclose(b.predict(DIGITS[0]), a.predict(DIGITS[0]), rtol=1e-8, atol=1e-10)
    if early:
        assert_allclose(b.validation_scores_, a.validation_scores_)


def test_a_random_state_goes_on_from_fit_to_fit() -> None:
    a, b = (
        m.MLPClassifier(random_state=np.random.RandomState(1), batch_size=50, max_iter=3)
        for m in (theirs, ours)
    )
    a.fit(*DIGITS)
    b.fit(*DIGITS)
    first = list(b.loss_curve_)
    assert_allclose(b.fit(*DIGITS).loss_curve_, a.fit(*DIGITS).loss_curve_, rtol=1e-10)
    assert b.loss_curve_ != first


def test_batches_that_callbacks_see_come_in_the_same_order() -> None:
    import densecore as dc

    class Watch(dc.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

    seen: list[int] = []
    plain = MLPClassifier(random_state=0, max_iter=3).fit(*DIGITS)
    watched = MLPClassifier(random_state=0, max_iter=3).fit(*DIGITS, callbacks=Watch())
    assert len(seen) == 6
    assert_array_equal(watched.model_.parameters, plain.model_.parameters)


def test_numbers_that_are_no_rows_are_refused() -> None:
    model = MLPClassifier(random_state=0, max_iter=1).fit(*DIGITS).model_
    for order in (np.full(300, 300), np.full(300, -1)):
        with pytest.raises(ValueError, match="wanted numbers of the 300 rows"):
            fit(model, FitArguments(*DIGITS, verbose=0, row_order=order))
    with pytest.raises(ValueError, match="row_order: found shape"):
        fit(model, FitArguments(*DIGITS, verbose=0, row_order=np.arange(299)))
    fit(model, FitArguments(*DIGITS, verbose=0))  # its order does not stay


# What scikit-learn's own tests demand ---------------------------------------------------------


def test_a_larger_penalty_makes_smaller_weights() -> None:
    sizes = []
    for alpha in (0.0, 1.0, 10.0, 100.0):
        made = MLPClassifier((10,), alpha=alpha, random_state=1, max_iter=50).fit(*DIGITS)
        sizes.append(sum(abs(w).sum() for w in made.coefs_))
        assert all(layer.kernel_regularizer is None for layer in made.model_.layers) == (alpha == 0)
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("data", [TWO, DIGITS], ids=["binary", "multiclass"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_lbfgs_learns(data: Any, activation: str) -> None:
    made = MLPClassifier(50, activation, solver="lbfgs", max_iter=150, random_state=1).fit(*data)
    assert made.score(*data) > 0.95
    assert (
        MLPRegressor("squared_error", 50, activation, solver="lbfgs", max_iter=150, random_state=1)
        .fit(*data)
        .score(*data)
        > 0.85
    )


@pytest.mark.parametrize("kind", KINDS)
def test_max_fun_limits_lbfgs(kind: str) -> None:
    made = getattr(ours, kind)(solver="lbfgs", max_iter=150, max_fun=10, random_state=1)
    with pytest.warns(UserWarning, match="TOTAL NO. OF"):
        made.fit(*DIGITS)
    assert made.n_iter_ <= 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_warm_start_makes_all_its_epochs(kind: str, solver: str) -> None:
    made = getattr(ours, kind)(solver=solver, warm_start=True, early_stopping=False, max_iter=5,
                               n_iter_no_change=5, random_state=0)  # fmt: skip
    for _ in range(2):
        made.fit(*DIGITS)
        assert made.n_iter_ == 5


@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 3], [0, 1, 2, 3]])
def test_a_warm_start_wants_the_same_classes(classes: list[int]) -> None:
    made = MLPClassifier((2,), warm_start=True, max_iter=2, random_state=0).fit(*IRIS)
    y = np.resize(classes, 150)
    text = f"call to fit. Previously got [0 1 2], `y` has {np.unique(y)}"
    with pytest.raises(ValueError, match=re.escape(text)):
        made.fit(IRIS[0], y)


def test_partial_fits_see_new_classes() -> None:
    made = MLPClassifier(random_state=0).partial_fit([[1], [2], [3]], ["a", "b", "c"],
                                                     classes=["a", "b", "c", "d"])  # fmt: skip
    made.partial_fit([[4]], ["d"])
    assert made.score([[4]], ["d"]) >= 0


def test_shuffling_changes_the_training() -> None:
    a, b, c = (
        MLPClassifier((3,), batch_size=50, max_iter=2, random_state=0, shuffle=s).fit(*DIGITS)
        for s in (True, True, False)
    )
    assert_array_equal(a.coefs_[0], b.coefs_[0])
    assert abs(a.coefs_[0] - c.coefs_[0]).max() > 1e-4


@pytest.mark.parametrize("number", [2, 5, 10, 50, 100])
def test_patience_is_counted(number: int) -> None:
    made = MLPClassifier(tol=0.01, max_iter=3000, solver="sgd", n_iter_no_change=number,
                         random_state=0).fit(*TWO)  # fmt: skip
    assert made._no_improvement_count == number + 1
    assert 3000 > made.n_iter_ > number


def test_endless_patience() -> None:
    made = MLPClassifier(tol=1e9, max_iter=40, n_iter_no_change=np.inf, random_state=0).fit(*TWO)
    assert made.n_iter_ == 40
    assert made._no_improvement_count == 39


def test_early_stopping_is_stratified_and_wants_rows() -> None:
    with pytest.raises(ValueError, match="least populated class"):
        MLPClassifier(early_stopping=True).fit([[1, 2], [2, 3], [3, 4], [4, 5]], [0, 0, 0, 1])
    with pytest.raises(ValueError, match="The validation set is too small"):
        MLPRegressor(early_stopping=True).fit(np.arange(8.0).reshape(4, 2), np.arange(4.0))


def test_early_stopping_takes_words_for_classes() -> None:
    names = np.array(["zero", "one", "two"])
    made = MLPClassifier(early_stopping=True, random_state=0, max_iter=20)
    numbers = clone(made).fit(*DIGITS)
    words = made.fit(DIGITS[0], names[DIGITS[1]])
    assert max(words.validation_scores_) > 0.5
    right = words.score(DIGITS[0], names[DIGITS[1]])
    assert numbers.score(*DIGITS) == pytest.approx(right, abs=0.2)


def test_the_verbose_lines_are_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1e-5,
                "tol": 1.0, "n_iter_no_change": 1, "verbose": True, "random_state": 0}  # fmt: skip
    said = []
    for module in (theirs, ours):
        module.MLPClassifier(**settings).fit(*TWO)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


@pytest.mark.parametrize("kind", KINDS)
def test_names_survive_early_stopping(kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(DIGITS[0][:, :3], columns=list("abc"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "Stochastic Optimizer")
        model = getattr(ours, kind)(early_stopping=True, max_iter=3).fit(frame, DIGITS[1])
        model.predict(frame)
    assert list(model.feature_names_in_) == ["a", "b", "c"]


def test_a_poisson_network_is_a_generalised_linear_model() -> None:
    from sklearn.linear_model import PoissonRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = rng.poisson(np.exp(0.5 * X[:, 0] - 0.2 * X[:, 1] + 0.1)).astype(float)
    exact = PoissonRegressor(alpha=0, tol=1e-10).fit(X, y)
    made = MLPRegressor("poisson", (1,), "identity", alpha=0, solver="lbfgs", tol=1e-9,
                        random_state=1, max_iter=500).fit(X, y)  # fmt: skip
    assert_allclose(made.predict(X), exact.predict(X), rtol=1e-4)


# One row --------------------------------------------------------------------------------------


def test_plain_rows_are_checked_as_all_others() -> None:
    made = MLPClassifier(max_iter=2, random_state=0).fit(*DIGITS)
    row = DIGITS[0][:1]
    assert_array_equal(made.predict_proba(row.copy()), made.predict_proba(row.tolist()))
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
            made.predict(np.full((1, 64), wrong))
    with pytest.raises(ValueError, match="contains infinity"), np.errstate(invalid="ignore"):
        made.predict(np.where(np.arange(64) % 2, np.inf, -np.inf)[None])
    with pytest.raises(ValueError, match="X has 63 features, but MLPClassifier is expecting 64"):
        made.predict(row[:, :63])
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        made.predict(row[0])
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        made.predict(row[:0])
    # The sum of these overflows.
    assert np.isfinite(MLPRegressor(max_iter=1).fit(*DIGITS).predict(row * 0 + 1e307)).all()


def test_rows_without_names_are_warned_of() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(DIGITS[0][:, :3], columns=list("abc"))
    made = MLPRegressor(max_iter=2).fit(frame, DIGITS[1])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        made.predict(DIGITS[0][:, :3].copy())


# To and from scikit-learn ---------------------------------------------------------------------

rng = np.random.default_rng(3)
X = rng.normal(size=(90, 4))
LABELS = make_multilabel_classification(90, 4, n_classes=3, random_state=0)[1]
TASKS: dict[str, tuple[str, Any]] = {
    "binary": ("MLPClassifier", np.where(X[:, 0] > 0, "yes", "no")),
    "multiclass": ("MLPClassifier", np.digitize(X[:, 0], [-0.5, 0.5]) * 10),
    "multilabel": ("MLPClassifier", LABELS),
    "one output": ("MLPRegressor", X[:, 0] + X[:, 1] ** 2),
    "two outputs": ("MLPRegressor", np.c_[X[:, 0], X[:, 1] ** 2]),
    "counts": ("MLPRegressor", rng.poisson(2, 90).astype(float)),
}
SOLVERS: list[dict[str, Any]] = [
    {"solver": "adam"},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.05},
    {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.02},
    {"solver": "lbfgs"},
]


def outputs(estimator: Any) -> Any:
    return getattr(estimator, "predict_proba", estimator.predict)(X)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("task", TASKS)
def test_estimators_go_there_and_back(task: str, solver: dict[str, Any], activation: str) -> None:
    kind, y = TASKS[task]
    settings = {"random_state": 0, "max_iter": 5, "activation": activation, "batch_size": 40}
    settings |= solver | ({"loss": "poisson"} if task == "counts" else {})
    mine = getattr(ours, kind)(hidden_layer_sizes=(6,), **settings).fit(X, y)
    made = mine.to_sklearn()
    assert type(made) is getattr(theirs, kind)
    assert_allclose(outputs(made), outputs(mine), rtol=1e-9, atol=1e-12)
    assert_array_equal(np.shape(made.predict(X)), np.shape(mine.predict(X)))
    if kind == "MLPClassifier":
        assert_array_equal(made.predict(X), mine.predict(X))
    assert made.get_params().items() <= mine.get_params().items()
    back = from_sklearn(made)
    assert_allclose(outputs(back), outputs(mine), rtol=1e-12)
    if solver["solver"] == "lbfgs":
        return
    # All three go on with what the solver had accumulated.
    tolerance = 1e-5 if task == "counts" else 1e-8
    for _ in range(3):
        for estimator in (mine, made, back):
            estimator.partial_fit(X, y)
    for estimator in (made, back):
        assert_allclose(outputs(estimator), outputs(mine), rtol=tolerance, atol=tolerance)
        assert estimator.t_ == mine.t_
        assert len(estimator.loss_curve_) == len(mine.loss_curve_)


@pytest.mark.parametrize("task", TASKS)
def test_a_warm_start_goes_on_after_the_conversion(task: str) -> None:
    kind, y = TASKS[task]
    settings = {"loss": "poisson"} if task == "counts" else {}
    fitted = getattr(theirs, kind)(max_iter=4, random_state=1, warm_start=True, **settings)
    fitted.fit(X, y)
    taken = from_sklearn(fitted)
    tolerance = 1e-5 if task == "counts" else 1e-8
    assert_allclose(outputs(taken.fit(X, y)), outputs(fitted.fit(X, y)), rtol=tolerance)


def test_a_conversion_is_a_copy() -> None:
    mine = MLPClassifier(max_iter=3, random_state=0).fit(*DIGITS)
    made = mine.to_sklearn()
    before = mine.predict_proba(DIGITS[0])
    made.coefs_[0][:] = 0
    made.loss_curve_.append(0.0)
    assert_array_equal(mine.predict_proba(DIGITS[0]), before)
    assert len(mine.loss_curve_) == 3
    assert pickle.loads(pickle.dumps(made)).n_iter_ == 3


def test_what_scikit_learn_has_no_place_for() -> None:
    with pytest.raises(NotFittedError):
        MLPClassifier().to_sklearn()
    made = MLPClassifier(max_iter=2, random_state=0).fit(*DIGITS)
    with pytest.raises(ValueError, match="wanted Dense with a bias and tanh"):
        copy.copy(made).set_params(activation="tanh").to_sklearn()
    with pytest.raises(ValueError, match="to_sklearn: found what scikit-learn does not know"):
        copy.copy(made).set_params(alpha=-1).to_sklearn()

    class Wider(MLPClassifier):
        def __init__(self, extra: float = 0.0, max_iter: int = 2) -> None:
            super().__init__(max_iter=max_iter)
            self.extra = extra

    assert Wider().fit(*DIGITS).to_sklearn().n_iter_ == 2
    with pytest.raises(ValueError, match=r"to_sklearn: found extra=0\.5, wanted 0\.0"):
        Wider(0.5).fit(*DIGITS).to_sklearn()


# Machinery ------------------------------------------------------------------------------------


def test_calibration_and_inspection() -> None:
    made = MLPClassifier((8,), solver="lbfgs", max_iter=100, random_state=0)
    calibrated = CalibratedClassifierCV(made, cv=2).fit(*IRIS)
    assert_allclose(calibrated.predict_proba(IRIS[0]).sum(axis=1), 1)
    made.fit(*IRIS)
    importance = permutation_importance(made, *IRIS, n_repeats=2, random_state=0)
    assert importance.importances_mean.argmax() in (2, 3)
    assert partial_dependence(made, IRIS[0], [2])["average"].shape[0] == 3


def test_frames_come_out_of_transformers() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(IRIS[0], columns=list("abcd"))
    columns = ColumnTransformer([("scale", StandardScaler(), ["a", "b"])], remainder="passthrough")
    columns.set_output(transform="pandas")
    made = make_pipeline(columns, MLPClassifier((8,), solver="lbfgs", random_state=0))
    assert made.fit(frame, IRIS[1]).score(frame, IRIS[1]) > 0.9
    assert list(made[-1].feature_names_in_) == ["scale__a", "scale__b", "remainder__c",
                                                "remainder__d"]  # fmt: skip
    assert cross_val_score(made, frame, IRIS[1], cv=3).mean() > 0.9


def test_requests_of_metadata() -> None:
    made = MLPClassifier()
    assert set(made.get_metadata_routing().fit.requests) >= {"sample_weight"}
    assert set(made.get_metadata_routing().partial_fit.requests) == {"sample_weight", "classes"}
    assert "sample_weight" in MLPRegressor().get_metadata_routing().score.requests


@pytest.mark.slow
def test_workers_share_the_processors() -> None:
    # Two workers of loky's on four processors have two threads each; none takes all of them.
    code = (
        "import numpy as np, warnings; warnings.simplefilter('ignore')\n"
        "import joblib, joblib.externals.loky as loky\n"
        "from joblib import Parallel, delayed\n"
        "import densecore as dc\n"
        "def count():\n    import densecore\n    return densecore.get_num_threads()\n"
        "print(dc.get_num_threads(), *Parallel(n_jobs=2)(delayed(count)() for _ in range(2)))"
    )
    environment = {key: value for key, value in os.environ.items() if "NUM_THREADS" not in key}
    environment["LOKY_MAX_CPU_COUNT"] = "2"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env=environment)  # fmt: skip
    assert done.stdout.split()[1:] == ["1", "1"]


@pytest.mark.slow
def test_a_search_with_two_workers() -> None:
    alone, shared = (
        GridSearchCV(MLPClassifier((8,), max_iter=20, random_state=0), {"alpha": [1e-4, 10]}, cv=2,
                     n_jobs=jobs).fit(*DIGITS)
        for jobs in (1, 2)
    )  # fmt: skip
    assert_array_equal(shared.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


# scikit-learn's callbacks ---------------------------------------------------------------------

callback = pytest.mark.skipif(
    not hasattr(MLPClassifier, "set_callbacks"), reason="scikit-learn has no callbacks yet"
)


class Witness:
    """Follows scikit-learn's protocol of callbacks."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.seen: list[tuple[str, str]] = []
        self.scores: list[float] = []
        self.stop_after = stop_after

    def setup(self, estimator: Any, context: Any) -> None:
        self.seen.append(("setup", context.task_name))

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.seen.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator: Any, context: Any, *, X: Any, y: Any,
                        fitted_estimator: Any) -> bool:  # fmt: skip
        self.seen.append(("end", context.task_name))
        self.scores.append(fitted_estimator.score(X, y))
        return len(self.scores) >= self.stop_after

    def teardown(self, estimator: Any, context: Any) -> None:
        self.seen.append(("teardown", context.task_name))


@callback
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_scikit_learns_callbacks_follow_a_fit(kind: str, solver: str) -> None:
    witness = Witness()
    made = getattr(ours, kind)(solver=solver, max_iter=4, random_state=0).set_callbacks(witness)
    made.fit(*DIGITS)
    name = "iteration" if solver == "lbfgs" else "epoch"
    assert witness.seen[:3] == [("setup", "fit"), ("begin", "fit"), ("begin", name)]
    assert witness.seen[-2:] == [("end", "fit"), ("teardown", "fit")]
    assert witness.seen.count(("end", name)) == made.n_iter_ == 4
    assert witness.scores[-1] == made.score(*DIGITS)
    assert witness.scores[0] != witness.scores[2]
    plain = getattr(ours, kind)(solver=solver, max_iter=4, random_state=0).fit(*DIGITS)
    assert_array_equal(plain.model_.parameters, made.model_.parameters)


@callback
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_scikit_learns_callbacks_stop_a_fit(solver: str) -> None:
    made = MLPClassifier(solver=solver, random_state=0).set_callbacks(Witness(stop_after=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made.fit(*DIGITS).n_iter_ == 3


@callback
def test_scikit_learns_own_callbacks() -> None:
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    made = MLPClassifier(max_iter=3, random_state=0).set_callbacks(monitor).fit(*DIGITS)
    scores = [entry["accuracy"] for entry in monitor.get_logs().data]
    assert len(scores) == 4  # the epochs and the fit
    assert scores[-1] == made.score(*DIGITS)
    with pytest.raises(TypeError, match="FitCallback"):
        made.set_callbacks(object())


# What a call costs ----------------------------------------------------------------------------

STEPS: list[dict[str, Any]] = [
    {},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    {"dropout": 0.3, "batch_normalization": True},
    {"alpha": 10.0, "clipnorm": 0.1, "solver": "adamw"},
    {"random_state": np.random.RandomState(3)},
    {"scale_inputs": True, "activation": ["tanh"]},
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", STEPS, ids=str)
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "two outputs", "counts"])
def test_a_step_is_an_epoch_of_one_batch(task: str, settings: dict[str, Any], dtype: Any) -> None:
    kind, y = TASKS[task]
    given = {"hidden_layer_sizes": (6,), "random_state": 0, **copy.deepcopy(settings)}
    given |= {"loss": "poisson"} if task == "counts" else {}
    weights = np.linspace(0.1, 2, 90)
    step, epoch = getattr(ours, kind)(**given), getattr(ours, kind)(**copy.deepcopy(given))
    # A custom callback makes it an ordinary fit of one epoch.
    listener = dc.callbacks.LambdaCallback()
    for number in range(4):
        rows = slice(0, 90 - 20 * number)
        part = (X[rows].astype(dtype), y[rows], weights[rows] if number % 2 else None)
        classes = None
        if kind == "MLPClassifier":
            classes = np.unique(y) if np.ndim(y) == 1 else np.arange(3)
        arguments = CallArguments(True, classes, callbacks=listener)
        if classes is not None and number == 0:
            step.partial_fit(*part, classes=classes)
        else:
            step.partial_fit(*part)
        epoch._fit(*part, arguments)
        assert_array_equal(step.model_.parameters, epoch.model_.parameters)
        assert step.model_.parameters.dtype == dtype
    for name in ("loss_curve_", "best_loss_", "t_", "n_iter_"):
        assert getattr(step, name) == getattr(epoch, name), name
    assert step.model_.progress == epoch.model_.progress == {"steps": 4, "epochs": 4}


def calls(function: Any, *arguments: Any) -> int:
    """Functions that Python calls meanwhile: the cost of a call, whatever the machine."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    function(*arguments)
    sys.setprofile(profile)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("task", ["binary", "multiclass", "one output"])
def test_calls_cost_little_besides_their_rows(task: str) -> None:
    # scikit-learn's checks of what is plain already would make it 2000, and 100.
    kind, y = TASKS[task]
    made = getattr(ours, kind)((8,) if kind == "MLPClassifier" else "squared_error").fit(X, y)
    assert calls(made.partial_fit, X, y) < 300
    assert calls(made.partial_fit, X, y, np.ones(90)) < 340
    assert calls(made.predict, X[:1]) < 25
    assert calls(made.predict_one, X[0]) < 20
    if kind == "MLPClassifier":
        assert calls(made.predict_proba, X[:7]) < 25


@pytest.mark.parametrize(
    ("rows", "y"),
    [
        (np.full((9, 4), np.nan), np.zeros(9)),
        (np.full((9, 4), np.inf), np.zeros(9)),
        (X[:9, :3], np.zeros(9)),
        (X[:9], np.full(9, np.nan)),
        (X[:9], np.full(9, np.inf)),
        (X[:9], np.zeros(8)),
        (X[:0], np.zeros(0)),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_steps_refuse_what_fits_refuse(kind: str, rows: Any, y: Any) -> None:
    made = getattr(ours, kind)(max_iter=2).fit(X, np.arange(90) % 2)
    before = made.model_.parameters.copy()
    with pytest.raises(ValueError):  # noqa: PT011 - scikit-learn's words, which differ
        getattr(theirs, kind)(max_iter=2).fit(X, np.arange(90) % 2).partial_fit(rows, y)
    with pytest.raises(ValueError):  # noqa: PT011
        made.partial_fit(rows, y)
    assert_array_equal(made.model_.parameters, before)


@pytest.mark.parametrize("weights", [-np.ones(90), np.full(90, np.nan), np.zeros(90), np.ones(89)])
def test_steps_refuse_weights_that_fits_refuse(weights: Any) -> None:
    made = MLPRegressor(max_iter=2).fit(X, X[:, 0])
    before = made.model_.parameters.copy()
    with pytest.raises(ValueError, match=r"(?i)weight"):
        made.partial_fit(X, X[:, 0], weights)
    assert_array_equal(made.model_.parameters, before)
