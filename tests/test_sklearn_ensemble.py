"""densecore.sklearn: members of an ensemble are trained side by side, as if each were alone."""

import signal
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("sklearn", minversion="1.7")

import densecore as dc
from densecore.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 5))
REAL = np.sin(X[:, 0]) + X[:, 1]
CLASSES = np.array(["a", "b", "c"])[np.digitize(REAL, [-1, 1])]


def small(kind: Any = MLPRegressor, **settings: Any) -> Any:
    defaults = {"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 6, "n_members": 4}
    return kind(**{**defaults, **settings})


@pytest.fixture
def threads_of_members(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The thread that each member was trained in."""
    seen: list[str] = []
    compile_ = dc.Sequential.compile

    def spy(model: Any, *args: Any, **named: Any) -> None:
        seen.append(threading.current_thread().name)
        compile_(model, *args, **named)

    monkeypatch.setattr(dc.Sequential, "compile", spy)
    monkeypatch.setattr("densecore.sklearn._ensemble.get_num_threads", lambda: 3)
    return seen


@pytest.mark.parametrize(
    "settings",
    [
        {"bootstrap": True},
        {"early_stopping": True, "max_iter": 50, "n_iter_no_change": 2},
        {"early_stopping": True, "early_stopping_metric": "r2"},
        {"solver": "sgd", "learning_rate": "adaptive", "batch_size": 16},
        {"dropout": 0.3, "batch_normalization": True},
        {"scale_targets": True, "loss": "gaussian_nll"},
    ],
    ids=str,
)
def test_members_side_by_side_are_members_one_by_one(
    settings: dict[str, Any], threads_of_members: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = small(**settings).fit(X, REAL)
    assert len(threads_of_members) == 4
    assert all(name.startswith("densecore-member") for name in threads_of_members)
    monkeypatch.setattr("densecore.sklearn._ensemble.get_num_threads", lambda: 1)
    alone = small(**settings).fit(X, REAL)
    assert set(threads_of_members[4:]) == {"MainThread"}
    assert_array_equal(together.predict(X), alone.predict(X))
    for a, b in zip(together.estimators_, alone.estimators_, strict=True):
        assert a.loss_curve_ == b.loss_curve_
        assert a.random_state == b.random_state
        assert_array_equal(a.model_.parameters, b.model_.parameters)


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "lbfgs"},
        {"verbose": True},
        {"early_stopping": True, "early_stopping_metric": lambda estimator, rows, y: 0.5},
    ],
    ids=["lbfgs", "verbose", "callable metric"],
)
def test_what_members_share_is_used_by_one_at_a_time(
    settings: dict[str, Any], threads_of_members: list[str]
) -> None:
    small(**settings).fit(X, REAL)
    small().fit(X, REAL, callbacks=dc.callbacks.LambdaCallback())
    assert set(threads_of_members) == {"MainThread"}


def test_partial_fits_side_by_side(threads_of_members: list[str]) -> None:
    parts = small(MLPClassifier, shuffle=False)
    for _ in range(6):
        parts.partial_fit(X, CLASSES, classes=["a", "b", "c"])
    assert_array_equal(
        parts.predict_proba(X), small(MLPClassifier, shuffle=False).fit(X, CLASSES).predict_proba(X)
    )


@pytest.mark.filterwarnings("ignore:epoch")
def test_a_member_that_diverges_ends_the_others(threads_of_members: list[str]) -> None:
    model = small(solver="sgd", learning_rate_init=1e4, max_iter=1000)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        model.fit(X * 1e3, REAL)
    assert not hasattr(model, "estimators_")


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_keeps_what_members_have_learnt(
    threads: int, threads_of_members: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("densecore.sklearn._ensemble.get_num_threads", lambda: threads)
    endless = {"max_iter": 10**6, "tol": 0.0, "n_iter_no_change": 10**6}
    timer = threading.Timer(0.5, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    began = time.perf_counter()
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = small(**endless).fit(X, REAL)
    assert time.perf_counter() - began < 10
    assert len(model.estimators_) == threads
    assert all(member.n_iter_ == len(member.loss_curve_) > 0 for member in model.estimators_)
    assert np.isfinite(model.predict(X)).all()


def test_members_warn_of_the_batch_once() -> None:
    with pytest.warns(UserWarning, match="found 500, more than the 120 rows") as seen:
        small(batch_size=500).fit(X, REAL)
    mine = [each for each in seen if "500" in str(each.message)]
    assert [each.filename for each in mine] == [__file__]


@pytest.mark.slow
@pytest.mark.measures
def test_the_time_is_shared(threads_of_members: list[str]) -> None:
    endless = {"max_iter": 10**6, "tol": 0.0, "n_iter_no_change": 10**6}
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = small(time_budget=0.4, **endless).fit(X, REAL)
    assert 0.2 < time.perf_counter() - began < 8
    assert [member.time_budget for member in model.estimators_] == [0.2] * 4  # two rounds of 3
    assert all(member.n_iter_ > 0 for member in model.estimators_)
