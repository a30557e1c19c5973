"""Training by Levenberg–Marquardt."""

import builtins
import itertools
import os
import signal
import threading
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import assert_close
from densecore import callbacks, layers
from densecore.solvers import LevenbergMarquardt, levenberg_marquardt


def data() -> tuple[Any, Any]:
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    return x, np.sin(3 * x[:, :1]) * x[:, 1:]


def make(*others: Any, dtype: str = "float64", outputs: int = 1, **options: Any) -> dc.Sequential:
    model = dc.Sequential(
        [dc.Input(2), dc.Dense(12, "tanh", **options), *others, dc.Dense(outputs)],
        dtype=dtype, seed=1,
    )  # fmt: skip
    model.compile(dc.optimizers.Adam(0.01), "mse", ["mae"])
    return model


def loss_of(model: dc.Sequential, *rows: Any) -> float:
    return float(model.evaluate(*(rows or data()), return_dict=True)["loss"])  # type: ignore[call-overload,index]


@pytest.mark.parametrize("steps", ["plain", "geodesic"])
def test_gets_further_than_lbfgs(steps: str, dtype: str) -> None:
    x, y = data()
    solved = make(dtype=dtype)
    history = solved.fit(x, y, epochs=60, verbose=0, solver=LevenbergMarquardt(steps))
    losses = history.history["loss"]
    assert len(losses) == len(history.history["mae"]) <= 60
    assert all(b <= a for a, b in itertools.pairwise(losses))
    assert loss_of(solved) == pytest.approx(losses[-1], rel=1e-12)
    assert losses[-1] < 2e-5
    pytest.importorskip("scipy")
    other = make(dtype=dtype)
    other.fit(x, y, epochs=300, verbose=0, solver="lbfgs")
    assert losses[-1] < 0.5 * loss_of(other)


@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum", "sum_over_outputs"]
)
def test_a_linear_model_is_solved_in_a_step(reduction: str) -> None:
    """With weights, a penalty and two outputs: ridge regression."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    weight = rng.uniform(0.5, 2, 50)
    model = dc.Sequential(
        [dc.Input(3), dc.Dense(2, kernel_regularizer=dc.regularizers.L2(0.1))],
        dtype="float64", seed=0,
    )  # fmt: skip
    model.compile("sgd", dc.losses.MeanSquaredError(reduction=reduction))
    solver = LevenbergMarquardt("plain", damping=1e-12)
    history = model.fit(x, y, epochs=5, verbose=0, sample_weight=weight, solver=solver)
    per_square = {
        "sum_over_batch_size": 1 / (2 * 50),
        "mean_with_sample_weight": 1 / (2 * weight.sum()),
        "sum": 1 / 2,
        "sum_over_outputs": 1.0,
    }[reduction]
    design = np.column_stack([x, np.ones(50)]) * np.sqrt(weight)[:, None]
    ridge = np.diag([0.1 / per_square] * 3 + [0])
    expected = np.linalg.solve(design.T @ design + ridge, design.T @ (y * np.sqrt(weight)[:, None]))
    assert_close(model.layers[0].kernel, expected[:3], 1e-8)
    assert_close(model.layers[0].bias, expected[3], 1e-8)
    assert history.message.split(": ")[1] in {"ftol", "gtol", "xtol"}
    assert len(history.epoch) < 5


def stack(kind: str) -> dc.Sequential:
    block = [layers.LayerNormalization(), dc.Dense(5, "silu")]
    stacks: dict[str, list[Any]] = {
        "plain": [dc.Dense(5, "tanh"), dc.Dense(4, "relu"), dc.Dense(3)],
        "others": [layers.Normalization(mean=0.1, variance=2.0), dc.Dense(5),
                   layers.Residual(block), dc.Dense(3, "softmax")],
        "function": [dc.Dense(5, (np.tanh, lambda x, a: 1 - a * a)), dc.Dense(3)],
        "wide": [dc.Dense(400, "tanh", trainable=False), dc.Dense(200, trainable=False),
                 dc.Dense(2, "sigmoid"), dc.Dense(3)],
    }  # fmt: skip
    model = dc.Sequential([dc.Input(2), *stacks[kind]], dtype="float64", seed=2)
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("kind", "rows"),
    [*((kind, rows) for kind in ("plain", "others", "function") for rows in (1, 33, 2500)),
     ("wide", 33)],
)  # fmt: skip
def test_normal_equations(kind: str, rows: int) -> None:
    model, rng = stack(kind), np.random.default_rng(3)
    x, y = rng.normal(size=(rows, 2)), rng.normal(size=(rows, 3))
    weight = rng.uniform(0, 2, rows)
    where = np.concatenate([np.arange(a, b) for a, b, _, _ in model._network.trained()])
    matrix, vector = np.empty((len(where), len(where))), np.empty(len(where))
    found = model._network.normal_equations(x, y, weight, matrix, vector)
    root = np.sqrt(weight)[:, None]
    residuals = (model.predict(x) - y) * root
    jacobian = (model.parameter_jacobian(x) * root[..., None]).reshape(3 * rows, -1)[:, where]
    assert found == pytest.approx(float((residuals**2).sum()), rel=1e-12)
    assert_close(np.tril(matrix), np.tril(jacobian.T @ jacobian), 1e-12)
    assert_close(vector, jacobian.T @ residuals.ravel(), 1e-11)


def test_bits_do_not_depend_on_the_number_of_threads(dtype: str) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(900, 2)), rng.normal(size=(900, 2))
    found, before = [], dc.get_num_threads()
    for threads in (1, 2, 3):
        dc.set_num_threads(threads)
        model = make(dc.Dense(12, "tanh"), dtype=dtype, outputs=2)
        model.fit(x, y, epochs=4, verbose=0, solver="lm")
        found.append(model.parameters.tobytes())
    dc.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_frozen_weights_penalties_callbacks_and_validation() -> None:
    x, y = data()
    model = make(dc.Dense(5, "tanh", trainable=False), kernel_regularizer="l2")
    frozen = model.layers[1].kernel.copy()
    stop = callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    history = model.fit(
        x, y, epochs=100, verbose=0, validation_split=0.2, callbacks=[stop], solver="lm"
    )
    assert (model.layers[1].kernel == frozen).all()
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}
    assert history.epoch == list(range(len(history.epoch)))
    assert loss_of(model, x[160:], y[160:]) == pytest.approx(min(history.history["val_loss"]))
    more = make().fit(x, y, epochs=60, initial_epoch=50, verbose=0, solver="lm")
    assert more.epoch == list(range(50, 60))
    assert more.message == "solver='lm': all epochs were made"


def test_what_it_stops_for() -> None:
    x, y = data()

    def message(**options: Any) -> str:
        history = make().fit(x, y, epochs=200, verbose=0, solver=LevenbergMarquardt(**options))
        assert len(history.epoch) < 200
        return history.message

    assert "ftol: the loss does not fall" in message(ftol=0.1)
    assert "xtol: the steps have become too short" in message(xtol=0.05, ftol=0)
    assert "gtol: the residuals are orthogonal" in message(gtol=0.1)
    stop = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", True)
    )
    model = make()
    history = model.fit(x, y, epochs=9, verbose=0, solver="lm", callbacks=[stop])
    assert history.message == "solver='lm': a callback stopped it"
    assert history.epoch == [0]
    assert model.fit(x, y, verbose=0).message == ""


def test_hooks_of_epochs_come_in_pairs() -> None:
    begun, ended = [], []
    watch = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: begun.append(epoch),
        on_epoch_end=lambda epoch, logs: ended.append(epoch),
    )
    x, y = data()
    model = dc.Sequential([dc.Input(2), dc.Dense(1)], dtype="float64", seed=0)
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=50, verbose=0, solver="lm", callbacks=[watch])
    assert begun == ended == list(range(len(begun)))
    assert 0 < len(begun) < 50


def test_an_exception_keeps_what_was_learnt() -> None:
    def fail(epoch: int, logs: Any) -> None:
        if epoch == 5:
            raise ZeroDivisionError("mine")

    model = make()
    with pytest.raises(ZeroDivisionError, match="mine"):
        model.fit(
            *data(), epochs=50, verbose=0, solver="lm",
            callbacks=[callbacks.LambdaCallback(on_epoch_end=fail)],
        )  # fmt: skip
    assert model.history is not None
    assert loss_of(model) == model.history.history["loss"][-1]


def test_an_interrupted_trial_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0]
    reached = levenberg_marquardt._Problem.reached

    def interrupted(problem: Any, step: Any) -> float:
        cost = reached(problem, step)
        calls[0] += 1
        if calls[0] == 7:
            raise ZeroDivisionError("mine")
        return cost

    monkeypatch.setattr(levenberg_marquardt._Problem, "reached", interrupted)
    model = make()
    with pytest.raises(ZeroDivisionError, match="mine"):
        model.fit(*data(), epochs=500, verbose=0, solver="lm")
    assert model.history is not None
    assert loss_of(model) == model.history.history["loss"][-1]


def test_ctrl_c_keeps_what_was_learnt() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(5000, 2)), rng.normal(size=(5000, 1))
    model = make(dc.Dense(20, "tanh"))
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    start = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: timer.start() if epoch == 1 else None
    )
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            x, y, epochs=10**6, verbose=0, callbacks=[start],
            solver=LevenbergMarquardt(ftol=0, xtol=0, gtol=0),
        )  # fmt: skip
    timer.join()
    assert model.history is not None
    losses = model.history.history["loss"]
    assert losses
    assert loss_of(model, x, y) <= losses[-1]


def test_without_scipy_numpy_solves(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = data()
    usual = make().fit(x, y, epochs=20, verbose=0, solver="lm").history["loss"]
    whole = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return whole(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    without = make().fit(x, y, epochs=20, verbose=0, solver="lm").history["loss"]
    assert_close(without, usual, 1e-6)


def test_a_loss_that_is_not_finite() -> None:
    model = make()
    model.parameters[:] = np.nan
    with pytest.warns(RuntimeWarning, match="solver='lm': the loss is not finite: the data"):
        history = model.fit(*data(), epochs=5, verbose=0, solver="lm")
    assert history.message == "solver='lm': the loss is not finite"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: make(layers.Dropout(0.1)).fit(*data(), solver="lm"), "found the layer dropout"),
        (lambda: make(layers.BatchNormalization()).fit(*data(), solver="lm"),
         "found the layer batch_normalization"),
        (lambda: make().fit([data()], solver="lm"), "solver='lm': found batches, wanted all rows"),
        (lambda: make(kernel_regularizer="l1").fit(*data(), solver="lm"), "found an l1 penalty"),
        (lambda: make(dc.Dense(99)).fit(*data(), solver=LevenbergMarquardt(memory_limit=10**6)),
         r"found 1423 parameters, whose two matrices take 31 MiB, wanted at most memory_limit = 1"),
        (lambda: make(dc.Dense(3, "log_softmax")).fit(*data(), solver="lm"),
         "found 'log_softmax', wanted one with second derivatives"),
        (lambda: LevenbergMarquardt("bent"), "unknown steps 'bent'.*known: geodesic, plain"),
        (lambda: LevenbergMarquardt(damping=0), "damping: found 0, wanted a finite number > 0"),
        (lambda: LevenbergMarquardt(ftol=-1), "ftol: found -1, wanted a finite number >= 0"),
    ],
)  # fmt: skip
def test_errors(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()


def test_other_errors() -> None:
    x, y = data()
    model = make()
    model.compile("adam", "mae")
    before = model.parameters.copy()
    with pytest.raises(ValueError, match="found the loss 'mean_absolute_error', wanted 'mean_sq"):
        model.fit(x, y, solver="lm")
    model.compile("adam", lambda y_true, y_pred: (0.0, y_pred))
    with pytest.raises(ValueError, match="a loss that is a Python function"):
        model.fit(x, y, solver="lm")
    with pytest.raises(TypeError, match="solver: found int, wanted a name"):
        make().fit(x, y, solver=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="ftol: found 'small', wanted a finite number"):
        LevenbergMarquardt(ftol="small")  # type: ignore[arg-type]
    frozen = make()
    frozen.trainable = False
    with pytest.raises(ValueError, match="found no layer that is trained"):
        frozen.fit(x, y, solver="lm")
    assert (model.parameters == before).all()
    late = dc.Sequential([dc.Dense(9, kernel_regularizer="l1"), dc.Dense(1)], dtype="float64")
    late.compile("adam", "mse")
    with pytest.raises(ValueError, match="found an l1 penalty"):
        late.fit(x, y, solver="lm")
