"""densecore.sklearn: scikit-learn's checks, and its numbers, step by step."""

import ast
import copy
import inspect
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", minversion="1.7")  # whose parameters these are

import scipy.sparse
import sklearn
import sklearn.neural_network as theirs
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

import densecore as dc
import densecore.sklearn as ours
from densecore.sklearn import KerasClassifier, MLPClassifier, MLPRegressor, from_sklearn

ESTIMATORS = ["MLPClassifier", "MLPRegressor"]
unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 5))
REAL = np.sin(X[:, 0]) + X[:, 1]
TARGETS: dict[str, Any] = {
    "binary": np.where(REAL > 0, "yes", "no"),
    "multiclass": np.digitize(REAL, [-1, 1]) * 10,
    "multilabel": np.c_[REAL > 0, X[:, 2] > 0, X[:, 3] > 1].astype(int),
    "one output": REAL,
    "three outputs": np.c_[REAL, X[:, 2] ** 2, X[:, 3]],
    "counts": rng.poisson(np.exp(0.3 * X[:, 0])).astype(float),
}
WEIGHTS = rng.uniform(0.5, 2, len(X))


def pair(task: str, **settings: Any) -> tuple[Any, Any, Any]:
    """scikit-learn's estimator, ours, and targets for them."""
    y = TARGETS[task]
    name = ESTIMATORS[0 if task in ("binary", "multiclass", "multilabel") else 1]
    if task == "counts":
        settings["loss"] = "poisson"
    settings = {"random_state": 3, "hidden_layer_sizes": (8, 6), "alpha": 0.1, **settings}
    return getattr(theirs, name)(**settings), getattr(ours, name)(**settings), y


def outputs(estimator: Any, rows: Any = X) -> Any:
    predict = getattr(estimator, "predict_proba", estimator.predict)
    return predict(rows)


# The contract ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_scikit_learn_is_content(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_checks_that_the_suite_leaves_out(name: str) -> None:
    pytest.importorskip("pandas")
    check_dataframe_column_names_consistency(name, getattr(ours, name)())
    check_param_validation(name, getattr(ours, name)())


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        MLPClassifier(solver="lbfgs", max_iter=50),
        MLPRegressor(solver="lbfgs", max_iter=50),
        MLPClassifier(solver="sgd", learning_rate_init=0.1),
    ]
)
def test_other_solvers_pass_too(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_parameters_are_theirs(name: str) -> None:
    def signature(kind: Any) -> list[Any]:
        parameters = inspect.signature(kind).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    found, wanted = signature(getattr(ours, name)), signature(getattr(theirs, name))
    assert found[: len(wanted)] == wanted
    # What there is besides is off.
    assert {default for _, _, default in found[len(wanted) :]} <= {None, False}  # or 0.0


@unconverged
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("task", TARGETS)
def test_fitted_attributes_are_theirs(task: str, solver: str, early: bool) -> None:
    a, b, y = pair(task, solver=solver, early_stopping=early, max_iter=3)
    for estimator in (a, b):
        estimator.fit(X, y)
    # With several outputs theirs divides the sum of the penalties by other numbers; see
    # test_lbfgs_finds_what_theirs_finds.
    close = {"three outputs": 0.02, "counts": 1e-4}.get(task, 1e-6)
    for name in [n for n in dir(a) if n.endswith("_") and not n.startswith("_")]:
        assert hasattr(b, name), name
        expected, found = getattr(a, name), getattr(b, name)
        number = isinstance(expected, float) and isinstance(found, float)  # NumPy's or Python's
        assert number or type(found) is type(expected), name
        if name in ("coefs_", "intercepts_"):
            assert [w.shape for w in found] == [w.shape for w in expected]
        elif name in ("loss_curve_", "validation_scores_") and expected is not None:
            assert_allclose(found, expected, rtol=close)
        elif number and name != "_random_state":
            assert_allclose(found, expected, rtol=close, err_msg=name)
        elif isinstance(expected, int | str):
            assert found == expected, name
        elif name == "classes_":
            assert_array_equal(found, expected)


@pytest.mark.slow
@unconverged
def test_it_works_in_scikit_learns_machinery(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(max_iter=30, random_state=0))
    grid = {"mlpclassifier__alpha": [1e-4, 30.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(pipeline, grid, n_jobs=2, cv=3).fit(X, TARGETS["binary"])
    assert search.best_params_ == {"mlpclassifier__alpha": 1e-4}
    assert search.best_score_ > 0.8
    best = search.best_estimator_
    joblib.dump(best, tmp_path / "best")
    assert_array_equal(joblib.load(tmp_path / "best").predict_proba(X), best.predict_proba(X))
    loaded = joblib.load(tmp_path / "best", mmap_mode="r")
    assert_array_equal(loaded.predict_proba(X), best.predict_proba(X))
    unfitted = clone(best)[-1]
    assert not hasattr(unfitted, "coefs_")
    with pytest.raises(NotFittedError):
        unfitted.predict(X)


# The numbers ----------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "adam"},
        {"solver": "adam", "epsilon": 0.1, "early_stopping": True},
        {"solver": "sgd", "learning_rate_init": 0.02},
        {"solver": "sgd", "nesterovs_momentum": False},
        {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.3},
        {
            "solver": "sgd",
            "learning_rate": "adaptive",
            "learning_rate_init": 0.1,
            "tol": 1e-2,
            "n_iter_no_change": 2,
            "max_iter": 100,
        },
        {"solver": "sgd", "early_stopping": True, "batch_size": 27, "n_iter_no_change": 3},
    ],
)
def test_steps_are_theirs(task: str, settings: dict[str, Any]) -> None:
    # Batches of 35, 35, 35 and 15 rows, shuffled.
    defaults = {"activation": "tanh", "batch_size": 35, "max_iter": 25}
    a, b, y = pair(task, **{**defaults, **settings})
    for estimator in (a, b):
        estimator.fit(X, y)
    # Poisson's loss has Keras's small number in its logarithm.
    tolerance = 1e-5 if task == "counts" else 1e-9
    assert_allclose(outputs(b), outputs(a), rtol=tolerance, atol=tolerance)
    for ws, vs in ((a.coefs_, b.coefs_), (a.intercepts_, b.intercepts_)):
        for w, v in zip(ws, vs, strict=True):
            assert_allclose(v, w, rtol=tolerance, atol=tolerance)
    assert b.n_iter_ == a.n_iter_
    # With several outputs the mean of an epoch's penalties is estimated.
    close = 5e-3 if task == "three outputs" else tolerance
    assert_allclose(b.loss_curve_, a.loss_curve_, rtol=close)
    if b.early_stopping:
        assert_allclose(b.validation_scores_, a.validation_scores_, rtol=1e-6)
        assert_allclose(b.best_validation_score_, a.best_validation_score_, rtol=1e-6)
        assert b.best_loss_ is None
    else:
        assert_allclose(b.best_loss_, a.best_loss_, rtol=close)
        assert b.validation_scores_ is None
        assert b.best_validation_score_ is None


@unconverged
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", TARGETS)
def test_lbfgs_finds_what_theirs_finds(task: str, weighted: bool) -> None:
    a, b, y = pair(task, solver="lbfgs", activation="tanh", max_iter=20)
    for estimator in (a, b):
        estimator.fit(X, y, sample_weight=WEIGHTS if weighted else None)
    if task in ("three outputs", "counts"):
        # Theirs hands over the mean's value and the sum's gradient, which lead elsewhere; and so
        # does Keras's small number in the logarithm of Poisson's loss.
        assert b.loss_ < a.loss_ * 1.01
        return
    assert b.n_iter_ == a.n_iter_
    assert_allclose(b.loss_, a.loss_, rtol=1e-8)
    assert_allclose(outputs(b), outputs(a), rtol=1e-6, atol=1e-8)


@unconverged
@pytest.mark.parametrize("task", TARGETS)
def test_weights_are_their_weights(task: str) -> None:
    settings = {"solver": "sgd", "learning_rate_init": 0.02, "activation": "tanh", "max_iter": 20}
    a, b, y = pair(task, batch_size=len(X), **settings)
    for estimator in (a, b):
        estimator.fit(X, y, sample_weight=WEIGHTS)
    tolerance = 1e-5 if task == "counts" else 1e-9
    assert_allclose(outputs(b), outputs(a), rtol=tolerance, atol=tolerance)
    if task != "three outputs":
        assert_allclose(b.loss_curve_, a.loss_curve_, rtol=1e-6)


@unconverged
def test_class_weights_are_weights() -> None:
    y = TARGETS["multiclass"]
    counts = {c: (y == c).sum() for c in np.unique(y)}
    balanced = {c: len(y) / (3 * count) for c, count in counts.items()}
    made = [
        MLPClassifier(random_state=0, max_iter=5, class_weight=weight)
        for weight in ("balanced", balanced, None)
    ]
    for model in made[:2]:
        model.fit(X, y)
    made[2].fit(X, y, sample_weight=np.array([balanced[c] for c in y]))
    for other in made[1:]:
        assert_allclose(outputs(other), outputs(made[0]), rtol=1e-12)
    plain = MLPClassifier(random_state=0, max_iter=5).fit(X, y)
    assert abs(outputs(plain) - outputs(made[0])).max() > 1e-3


@pytest.mark.slow
@unconverged
@pytest.mark.parametrize(
    ("load", "kind"),
    [(load_digits, "MLPClassifier"), (load_breast_cancer, "MLPClassifier"),
     (load_diabetes, "MLPRegressor")],
)  # fmt: skip
def test_as_good_as_theirs(load: Any, kind: str) -> None:
    rows, y = load(return_X_y=True)
    rows, y = StandardScaler().fit_transform(rows)[:700], y[:700]
    if kind == "MLPRegressor":
        y = (y - y.mean()) / y.std()

    def score(module: Any) -> float:
        estimator = getattr(module, kind)(random_state=0, max_iter=60)
        return float(np.mean(cross_val_score(estimator, rows, y, cv=3)))

    assert score(ours) > score(theirs) - 0.02


# Going on -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["multiclass", "three outputs"])
def test_partial_fits_are_epochs(task: str) -> None:
    classes = {"classes": [0, 10, 20]} if task == "multiclass" else {}
    a, b, y = pair(task, activation="tanh")
    rows = [slice(0, 120), slice(0, 50), slice(60, 120), slice(0, 120)]
    for number, part in enumerate(rows):
        for estimator in (a, b):
            estimator.partial_fit(X[part], y[part], **(classes if number == 0 else {}))
        # Other batches have another penalty; Adam's moments and steps stay.
        assert_allclose(outputs(b), outputs(a), rtol=1e-9)
        b = pickle.loads(pickle.dumps(b))
    assert b.t_ == a.t_
    assert len(b.loss_curve_) == len(rows)


@unconverged
def test_partial_fits_are_a_fit() -> None:
    y = TARGETS["binary"]
    # Shuffled by the same integer, each would begin with the same order, as in scikit-learn.
    settings = {"random_state": 0, "batch_size": 16, "shuffle": False}
    whole = MLPClassifier(max_iter=6, **settings).fit(X, y)
    parts = MLPClassifier(**settings)
    for _ in range(6):
        parts.partial_fit(X, y, classes=["no", "yes"])
    assert_array_equal(outputs(parts), outputs(whole))
    assert parts.loss_curve_ == whole.loss_curve_


def test_partial_fit_is_for_batches() -> None:
    for kind in (MLPClassifier, MLPRegressor):
        assert hasattr(kind(), "partial_fit")
        assert not hasattr(kind(solver="lbfgs"), "partial_fit")
    y = TARGETS["binary"]
    with pytest.raises(ValueError, match="classes must be passed"):
        MLPClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="does not support early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, y, classes=["no", "yes"])
    model = MLPClassifier().partial_fit(X, y, classes=["no", "yes"])
    with pytest.raises(ValueError, match="has classes not in"):
        model.partial_fit(X, np.where(y == "no", "never", "yes"))


@unconverged
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_warm_start_goes_on(solver: str) -> None:
    a, b, y = pair("binary", solver=solver, activation="tanh", max_iter=4, warm_start=True)
    for _ in range(3):
        for estimator in (a, b):
            estimator.fit(X, y)
        assert_allclose(outputs(b), outputs(a), rtol=1e-6)
    if solver == "sgd":
        assert len(b.loss_curve_) == 12
        b.set_params(early_stopping=True).fit(X, y)
        assert len(b.validation_scores_) == 4
    b.set_params(solver="adam", early_stopping=False).partial_fit(X, y)
    assert b.model_.optimizer.name == "adam"
    b.fit(X, y)
    with pytest.raises(ValueError, match="same classes"):
        b.fit(X[y == "no"], y[y == "no"])
    with pytest.raises(ValueError, match=r"found layers of \[5, 3, 1\]"):
        b.set_params(hidden_layer_sizes=3).fit(X, y)


def test_the_end_of_training_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    y = TARGETS["one output"]
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\)") as seen:
        MLPRegressor(max_iter=3).fit(X, y)
    assert seen[0].filename == __file__
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge") as seen:
        MLPRegressor(solver="lbfgs", max_iter=3).fit(X, y)
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match="found 500, more than the 120 rows"):
        MLPRegressor(batch_size=500, tol=10, n_iter_no_change=2).fit(X, y)
    # Without a warning: it has converged.
    model = MLPRegressor(tol=10, n_iter_no_change=2, verbose=True).fit(X, y)
    assert model.n_iter_ == 4
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"Iteration 1, loss = {model.loss_curve_[0]:.8f}"
    assert said[-1].startswith("Training loss did not improve more than tol=10.000000 for 2")


@pytest.mark.filterwarnings("ignore:epoch")
def test_a_diverged_model_is_refused() -> None:
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        MLPRegressor(solver="sgd", learning_rate_init=1e4, max_iter=20).fit(X * 1e3, REAL)


def test_interrupted_training_keeps_the_best() -> None:
    class Interrupt(dc.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 7:
                raise KeyboardInterrupt

    model = MLPClassifier(random_state=0, early_stopping=True)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X, TARGETS["binary"], callbacks=Interrupt())
    assert model.n_iter_ == len(model.validation_scores_) == 7


# Data -----------------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_rows_are_rows(solver: str, early: bool) -> None:
    thin = np.where(abs(X) < 0.7, 0, X)
    settings = {"solver": solver, "early_stopping": early, "max_iter": 4, "random_state": 0}
    dense = MLPClassifier(**settings).fit(thin, TARGETS["multiclass"])
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_array):
        found = MLPClassifier(**settings).fit(kind(thin), TARGETS["multiclass"])
        assert_array_equal(outputs(found, kind(thin)), outputs(dense, thin))


@unconverged
def test_sparse_labels_are_labels() -> None:
    labels = TARGETS["multilabel"]
    dense = MLPClassifier(random_state=0, max_iter=20).fit(X, labels)
    found = clone(dense).fit(X, scipy.sparse.csr_array(labels))
    assert_array_equal(found.predict(X), dense.predict(X))
    assert found.score(X, labels) == dense.score(X, labels) > 0.2


@unconverged
def test_frames_have_names() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = MLPClassifier(max_iter=3).fit(frame, pandas.Series(TARGETS["binary"]))
    assert list(model.feature_names_in_) == list("abcde")
    assert set(model.predict(frame)) <= {"yes", "no"}
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("edcba")])


@unconverged
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_dtype_is_that_of_the_data(solver: str) -> None:
    for dtype in (np.float32, np.float64):
        rows = X.astype(dtype)
        model = MLPRegressor(solver=solver, max_iter=3).fit(rows, REAL)
        assert model.coefs_[0].dtype == model.predict(rows).dtype == dtype
        assert model.model_.dtype == np.dtype(dtype).name


@unconverged
def test_a_pipeline_hands_on_what_is_asked_for() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPRegressor(max_iter=3, random_state=0).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model).fit(X, REAL, sample_weight=WEIGHTS)
    scaled = StandardScaler().fit_transform(X)
    alone = clone(model).fit(scaled, REAL, sample_weight=WEIGHTS)
    assert_array_equal(pipeline.predict(X), alone.predict(scaled))


@unconverged
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_validation_set_of_ones_own(name: str) -> None:
    y = TARGETS["binary" if name == "MLPClassifier" else "one output"]
    held_out = {"X_val": X[80:], "y_val": y[80:]}
    model = getattr(ours, name)(random_state=0, max_iter=30).fit(X[:80], y[:80], **held_out)
    assert len(model.validation_scores_) == model.n_iter_ == 30
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[80:], y[80:]))
    assert model.best_loss_ == min(model.loss_curve_)
    model.set_params(early_stopping=True, tol=0.5, n_iter_no_change=4)
    model.fit(X[:80], y[:80], **held_out)
    assert model.n_iter_ < 30
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.score(X[80:], y[80:]) == pytest.approx(model.best_validation_score_)
    with pytest.raises(ValueError, match="wanted both or none"):
        model.fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="it has no epochs"):
        model.set_params(solver="lbfgs").fit(X, y, **held_out)


@unconverged
def test_wrong_targets_are_refused() -> None:
    several = MLPClassifier(max_iter=2).partial_fit(X, TARGETS["multilabel"], classes=[0, 1, 2])
    with pytest.raises(ValueError, match="wanted multilabel targets"):
        several.partial_fit(X, TARGETS["multiclass"] // 10)
    for wrong in (TARGETS["multilabel"] * 2 + 1, TARGETS["multilabel"] + [0, 1, 2]):
        with pytest.raises(ValueError, match=r"wanted classes \(rows,\) or labels"):
            MLPClassifier().fit(X, wrong)
    with pytest.raises(ValueError, match="wanted targets >= 0"):
        MLPRegressor("poisson").fit(X, REAL)
    with pytest.raises(ValueError, match=r"(?i)weight.*(zero|above zero)"):
        MLPRegressor().fit(X, REAL, sample_weight=np.zeros(len(X)))
    for sizes in [(3, 0), (2.5,), ((1, 2), (3, 4))]:
        with pytest.raises(ValueError, match="hidden_layer_sizes must be"):
            MLPRegressor(hidden_layer_sizes=sizes).fit(X, REAL)


# Models ---------------------------------------------------------------------------------------


@unconverged
def test_the_model_is_densecores() -> None:
    model = MLPRegressor(max_iter=3, hidden_layer_sizes=(4, 3)).fit(X, REAL)
    assert isinstance(model.model_, dc.Sequential)
    assert_array_equal(model.model_.predict(X)[:, 0], model.predict(X))
    # The arrays are the model's own, and may be written to or set.
    before = model.predict(X)
    model.intercepts_[-1][0] += 1
    assert_allclose(model.predict(X), before + 1)
    model.coefs_ = [np.zeros_like(w) for w in model.coefs_]
    model.intercepts_ = [np.full_like(b, 2) for b in model.intercepts_]
    assert_array_equal(model.predict(X), np.full(len(X), 2))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.intercepts_[-1][0] = 5
        assert twin.predict(X)[0] == 5
        assert model.predict(X)[0] == 2


@unconverged
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("task", TARGETS)
def test_from_sklearn_predicts_the_same(task: str, solver: str) -> None:
    fitted, _, y = pair(task, solver=solver, max_iter=10, activation="logistic")
    fitted.fit(X, y)
    found = from_sklearn(fitted)
    assert type(found).__module__.startswith("densecore")
    assert_allclose(outputs(found), outputs(fitted), rtol=1e-6, atol=1e-9)
    if isinstance(found, MLPClassifier):
        assert_array_equal(found.predict(X), fitted.predict(X))
        assert found.predict(X).dtype == fitted.predict(X).dtype
    assert found.get_params().items() >= fitted.get_params().items()
    assert found.n_features_in_ == 5
    assert (found.n_iter_, found.loss_) == (fitted.n_iter_, fitted.loss_)
    assert found.score(X, y) == pytest.approx(fitted.score(X, y))
    if solver == "adam":
        before = fitted.loss_curve_[:]
        found.partial_fit(X, y)
        assert len(found.loss_curve_) == len(fitted.loss_curve_) + 1
        assert fitted.loss_curve_ == before


def test_from_sklearn_wants_a_fitted_network() -> None:
    with pytest.raises(NotFittedError):
        from_sklearn(theirs.MLPRegressor())
    with pytest.raises(TypeError, match="found StandardScaler, wanted a fitted MLPClassifier"):
        from_sklearn(StandardScaler())


@pytest.mark.slow
def test_scikit_learn_is_wanted_by_name() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None; import densecore\n"
        "try:\n    densecore.sklearn\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'densecore[sklearn]'" in done.stdout


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, KerasClassifier])
def test_docstrings_say_the_defaults(kind: Any) -> None:
    listed = kind.__doc__.partition("Parameters")[2].partition("Attributes")[0]
    said: dict[str, str] = {}
    for names, default in re.findall(r"^    (\w[\w, ]*) : .*, default (.*)$", listed, re.M):
        names, values = names.split(", "), default.split(", ")
        values = [default] if len(names) == 1 else values * (len(names) // len(values))
        said.update(zip(names, values, strict=True))
    parameters = list(inspect.signature(kind).parameters.values())
    for parameter in parameters:
        if parameter.default is not inspect.Parameter.empty and parameter.name != "model":
            assert ast.literal_eval(said[parameter.name]) == parameter.default, parameter.name


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_public_names_have_docstrings(kind: Any) -> None:
    parameters = set(inspect.signature(kind).parameters)
    listed = kind.__doc__.partition("Parameters")[2].partition("Attributes")[0]
    assert not [name for name in parameters if name not in listed]
    for name, method in vars(kind).items():
        assert name.startswith("_") or inspect.getdoc(method), name
