"""densecore.sklearn: optimizers, schedules, what goes on, when it ends, and bad data."""

import io
import time
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", minversion="1.7")

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import densecore as dc
from densecore.sklearn import MLPClassifier, MLPRegressor

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 5))
REAL = np.sin(X[:, 0]) + X[:, 1]
SEVERAL = np.c_[REAL, X[:, 2], X[:, 3]]
PAIR = np.where(REAL > 0, "yes", "no")


def small(kind: Any = MLPRegressor, **settings: Any) -> Any:
    return kind(**{"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 5, **settings})


def trained(model: Any, optimizer: Any, y: Any, epochs: int = 5) -> Any:
    """What densecore makes of an unfitted estimator's network, with its own loss."""
    start = clone(model).set_params(solver="sgd", learning_rate_init=1e-300, max_iter=1)
    start.set_params(clipnorm=None, weight_decay=None).fit(X, y)
    network = start.model_
    network.compile(optimizer, start.model_.loss)
    network.fit(X, np.reshape(y, (len(X), -1)), batch_size=120, epochs=epochs, verbose=0)
    return network


# Optimizers -----------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("name", dc.optimizers.names())
def test_optimizers_by_name(name: str) -> None:
    model = small(solver=name, learning_rate_init=0.02, max_iter=20).fit(X, REAL)
    assert type(model.model_.optimizer) is type(dc.optimizers.get(name))
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert small(MLPClassifier, solver=name).fit(X, PAIR).predict(X).shape == (120,)
    model.partial_fit(X, REAL)
    assert model.model_.progress["steps"] == 21


@unconverged
@pytest.mark.parametrize("y", [REAL, SEVERAL], ids=["one", "several"])
def test_steps_are_those_of_the_optimizer(y: Any) -> None:
    # scikit-learn's squared error is half of densecore's, and a sum over the outputs.
    scale = np.size(y) / len(y) / 2
    rows = {"alpha": 0.0, "shuffle": False}
    adamw = small(solver="adamw", weight_decay=0.1, beta_1=0.8, beta_2=0.9, epsilon=1e-3, **rows)
    expected = dc.optimizers.AdamW(0.001, 0.1, 0.8, 0.9, 1e-3 / scale)
    assert_allclose(
        adamw.fit(X, y).model_.parameters, trained(adamw, expected, y).parameters, rtol=1e-12
    )
    sgd = small(solver="sgd", weight_decay=0.2, clipnorm=0.05, learning_rate_init=0.1, **rows)
    expected = dc.optimizers.SGD(0.1 * scale, 0.9, True, clipnorm=0.05 / scale,
                                 weight_decay=0.2 / scale)  # fmt: skip
    assert_allclose(
        sgd.fit(X, y).model_.parameters, trained(sgd, expected, y).parameters, rtol=1e-12
    )
    own = dc.optimizers.SGD(0.1, clipvalue=0.01)
    model = small(solver=own, **rows).fit(X, y)
    assert_allclose(model.model_.parameters, trained(model, own, y).parameters, rtol=1e-12)
    assert model.model_.optimizer is not own


@unconverged
def test_rates_follow_a_schedule() -> None:
    schedule = dc.schedules.ExponentialDecay(0.1, 10, 0.5)
    for solver, factor in (("sgd", 1.5), ("adam", 1.0)):
        model = small(solver=solver, learning_rate_init=schedule, batch_size=40).fit(X, SEVERAL)
        rate = model.model_.optimizer.schedule
        assert rate(7) == pytest.approx(factor * schedule(7))
        again = dc.optimizers.get(model.model_.optimizer.get_config())
        assert again.schedule(7) == rate(7)
        constant = small(solver=solver, learning_rate_init=0.1, batch_size=40).fit(X, SEVERAL)
        assert abs(constant.predict(X) - model.predict(X)).max() > 1e-3
    with pytest.raises(ValueError, match="learning_rate: found 'adaptive' with a schedule"):
        small(solver="sgd", learning_rate="adaptive", learning_rate_init=schedule).fit(X, REAL)


def test_settings_that_exclude_each_other() -> None:
    with pytest.raises(ValueError, match=r"clipnorm, clipvalue: found 2, wanted at most one"):
        small(clipnorm=1.0, clipvalue=1.0).fit(X, REAL)
    own = dc.optimizers.Adam()
    with pytest.raises(ValueError, match=r"weight_decay: found besides solver=Adam\(.* argument"):
        small(solver=own, weight_decay=0.1).fit(X, REAL)
    with pytest.raises(ValueError, match="clipnorm: found solver='lbfgs', which takes all rows"):
        small(solver="lbfgs", clipnorm=1.0).fit(X, REAL)
    with pytest.raises(ValueError, match=r"'solver' parameter .*'rmsprop'"):
        small(solver="rmspop").fit(X, REAL)


# Going on -------------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_warm_start_keeps_the_solver(kind: Any) -> None:
    y = PAIR if kind is MLPClassifier else REAL
    # Each fit with the same integer begins with the same order of rows, as in scikit-learn.
    settings = {"batch_size": 30, "shuffle": False}
    settings["learning_rate_init"] = dc.schedules.CosineDecay(0.05, 40)
    whole = small(kind, max_iter=9, **settings).fit(X, y)
    parts = small(kind, max_iter=3, warm_start="solver", **settings)
    for _ in range(3):
        parts.fit(X, y)
    assert_array_equal(parts.model_.parameters, whole.model_.parameters)
    assert parts.loss_curve_ == whole.loss_curve_
    anew = small(kind, max_iter=3, warm_start=True, **settings)
    for _ in range(3):
        anew.fit(X, y)
    assert abs(anew.model_.parameters - whole.model_.parameters).max() > 1e-4


# The end --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.measures
@pytest.mark.parametrize("members", [None, 2])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_training_ends_with_the_time(solver: str, members: int | None) -> None:
    seconds = 0.2 if solver == "adam" else 0.02  # before it converges
    rows = rng.normal(size=(400, 20))
    y = np.sin(rows @ rng.normal(size=20))
    endless = {"max_iter": 10**6, "max_fun": 10**8, "tol": 0.0, "n_iter_no_change": 10**6}
    model = small(hidden_layer_sizes=(64, 64), solver=solver, n_members=members, **endless)
    model.set_params(time_budget=seconds)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an end that was asked for is no ConvergenceWarning
        model.fit(rows, y)
    assert seconds < time.perf_counter() - began < 5
    assert 1 <= model.n_iter_ < 10**6
    assert np.isfinite(model.predict(rows)).all()
    for member in model._members():
        assert member.n_iter_ == len(member.loss_curve_) if solver == "adam" else member.loss_ < 1


@unconverged
def test_callbacks_see_the_estimators_losses() -> None:
    seen: list[dict[str, float]] = []
    listener = dc.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    model = small().fit(X, SEVERAL, X_val=X, y_val=SEVERAL, callbacks=listener)
    assert [logs["loss"] for logs in seen] == model.loss_curve_
    assert [logs["val_loss"] for logs in seen] == model.validation_loss_curve_
    assert [logs["val_score"] for logs in seen] == model.validation_scores_
    stop = dc.callbacks.EarlyStopping("val_loss", min_delta=10.0, patience=1)
    assert small().fit(X, REAL, X_val=X, y_val=REAL, callbacks=[stop]).n_iter_ == 2


@unconverged
def test_a_bar_shows_the_progress(monkeypatch: Any, capsys: Any) -> None:
    pytest.importorskip("tqdm")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    model = small(verbose="bar").fit(X, REAL, X_val=X, y_val=REAL)
    assert "5/5" in terminal.getvalue()
    assert f"val_loss={model.validation_loss_curve_[-1]:.4f}" in terminal.getvalue()
    assert "Iteration" not in terminal.getvalue()
    said = small(verbose=True, n_members=2, max_iter=1)
    monkeypatch.setattr("sys.stdout", log := io.StringIO())
    said.fit(X, REAL)
    lines = log.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "Member 1 of 2", "Iteration 1", "Member 2 of 2", "Iteration 1"]  # fmt: skip


# Bad data -------------------------------------------------------------------------------------


@unconverged
def test_constant_targets_are_told() -> None:
    with pytest.warns(UserWarning, match=r"y: found 3.0 in all 120 rows") as seen:
        small().fit(X, np.full(120, 3.0))
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match="y: found 'yes' in all 120 rows"):
        small(MLPClassifier).fit(X, ["yes"] * 120)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().partial_fit(X, np.full(120, 3.0))  # a batch may be
        warnings.simplefilter("ignore", ConvergenceWarning)
        small().fit(X, np.c_[REAL, np.ones(120)])


@pytest.mark.filterwarnings("ignore:epoch")
@unconverged
def test_a_model_that_diverges_is_as_before() -> None:
    wide = X * [1, 1, 1e6, 1, 1]
    settings = {"solver": "sgd", "learning_rate_init": 1e4, "activation": "identity"}
    model = small(**settings)
    with pytest.raises(ValueError, match=r"diverged: .*column 2 has values up to .*scale_inputs"):
        model.fit(wide, REAL)
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.set_params(learning_rate_init=0.01).fit(X, REAL)
    before = model.predict(X)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        model.partial_fit(X * 1e160, REAL)
    assert_array_equal(model.predict(X), before)
    assert model.partial_fit(X, REAL).loss_ < 1
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(wide, columns=list("abcde"))
    with pytest.raises(ValueError, match=r"column 2 \('c'\)"):
        small(**settings).fit(frame, REAL)


# Levenberg–Marquardt --------------------------------------------------------------------------


@pytest.mark.skipif("lm" not in dc.solvers.SOLVERS, reason="the core has no such solver")
def test_levenberg_marquardt_goes_far() -> None:
    settings = {"activation": "tanh", "alpha": 1e-3, "scale_targets": True}
    weights = rng.uniform(0.5, 2, 120)
    for y in (REAL, SEVERAL):
        found = small(solver="lm", max_iter=100, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found.fit(X, y, weights)
            far = small(solver="lbfgs", max_iter=300, tol=1e-9, **settings).fit(X, y, weights)
        assert found.loss_ < far.loss_ * 1.2
        assert found.n_iter_ == len(found.loss_curve_)
        assert found.loss_curve_[-1] == found.loss_ < found.loss_curve_[0]
        assert found.predict(X).shape == y.shape
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)"):
        two = small(solver="lm", max_iter=2, alpha=0.3).fit(X, SEVERAL)
    penalty = 0.3 / 2 / 120 * sum((w**2).sum() for w in two.coefs_)
    squares = np.mean((two.predict(X) - SEVERAL) ** 2) / 2
    assert two.loss_ == pytest.approx(squares + penalty)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ended = small(solver="lm", max_iter=10**6, time_budget=1e-3).fit(X, REAL)
    assert ended.n_iter_ < 10
    with pytest.raises(ValueError, match="loss: found 'mae' with solver='lm'"):
        small(solver="lm", loss="mae").fit(X, REAL)
    with pytest.raises(ValueError, match="'solver' parameter"):
        small(MLPClassifier, solver="lm").fit(X, PAIR)
    assert not hasattr(small(solver="lm"), "partial_fit")
