"""Training by SciPy's L-BFGS."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import callbacks, layers

pytest.importorskip("scipy")


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (200, 2))
    return x, np.sin(3 * x[:, :1]) * x[:, 1:]


def make(*others: Any, dtype: str = "float64", **options: Any) -> dc.Sequential:
    model = dc.Sequential(
        [dc.Input(2), dc.Dense(12, "tanh", **options), *others, dc.Dense(1)], dtype=dtype, seed=1
    )
    model.compile(dc.optimizers.Adam(0.01), "mse", ["mae"])
    return model


def frozen() -> dc.Sequential:
    model = make()
    model.trainable = False
    return model


def loss_of(model: dc.Sequential) -> float:
    return float(model.evaluate(*data(), return_dict=True)["loss"])  # type: ignore[call-overload,index]


def test_gets_further_than_adam(dtype: str) -> None:
    x, y = data()
    solved, stepped = make(dtype=dtype), make(dtype=dtype)
    history = solved.fit(x, y, epochs=200, verbose=0, solver="lbfgs").history
    stepped.fit(x, y, epochs=200, verbose=0)
    assert history["loss"][-1] < 0.3 * loss_of(stepped)
    assert len(history["loss"]) == len(history["mae"]) <= 200
    assert all(b <= a * 1.001 for a, b in zip(history["loss"], history["loss"][1:], strict=False))
    assert loss_of(solved) == pytest.approx(history["loss"][-1], rel=1e-6)


def test_a_linear_model_is_solved() -> None:
    x, _ = data()
    y = x @ [[2.0], [-3.0]] + 0.5 + 0.1 * np.random.default_rng(1).normal(size=(200, 1))
    weight = np.random.default_rng(2).integers(1, 4, 200)
    model = dc.Sequential([dc.Input(2), dc.Dense(1)], dtype="float64", seed=0)
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=100, verbose=0, sample_weight=weight, solver="lbfgs")
    root = np.sqrt(weight)[:, None]
    design = np.column_stack([x, np.ones(200)]) * root
    expected = np.linalg.lstsq(design, y * root, rcond=None)[0].ravel()
    np.testing.assert_allclose(model.parameters, expected, atol=1e-5)


def test_frozen_weights_penalties_callbacks_and_validation() -> None:
    x, y = data()
    model = make(dc.Dense(5, "tanh", trainable=False), kernel_regularizer="l2")
    frozen = model.layers[1].kernel.copy()
    stop = callbacks.EarlyStopping("val_loss", patience=3)
    history = model.fit(
        x, y, epochs=50, verbose=0, validation_split=0.2, callbacks=[stop], solver="lbfgs"
    )
    assert (model.layers[1].kernel == frozen).all()
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}
    assert history.epoch == list(range(len(history.epoch)))
    more = model.fit(x, y, epochs=60, initial_epoch=50, verbose=0, solver="lbfgs")
    assert more.epoch[0] == 50
    assert len(more.epoch) <= 10


def test_an_exception_keeps_what_was_learnt() -> None:
    def fail(epoch: int, logs: Any) -> None:
        if epoch == 5:
            raise ZeroDivisionError("mine")

    x, y = data()
    model = make()
    with pytest.raises(ZeroDivisionError, match="mine"):
        model.fit(
            x, y, epochs=50, verbose=0, solver="lbfgs",
            callbacks=[callbacks.LambdaCallback(on_epoch_end=fail)],
        )  # fmt: skip
    assert model.history is not None
    assert loss_of(model) <= model.history.history["loss"][-1]


def test_an_interrupted_search_is_where_its_last_iteration_was() -> None:
    """Between two iterations the parameters are trials."""
    calls = [0]

    def tanh(x: Any) -> Any:
        calls[0] += 1
        if calls[0] == 60:
            raise ZeroDivisionError("mine")
        return np.tanh(x)

    x, y = data()
    model = make(layers.Activation((tanh, lambda x, a: 1 - a * a)))
    with pytest.raises(ZeroDivisionError, match="mine"):
        model.fit(x, y, epochs=500, verbose=0, solver="lbfgs")
    assert model.history is not None
    assert loss_of(model) == model.history.history["loss"][-1]


def test_hooks_of_epochs_come_in_pairs() -> None:
    begun, ended = [], []
    watch = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: begun.append(epoch),
        on_epoch_end=lambda epoch, logs: ended.append(epoch),
    )
    make().fit(*data(), epochs=7, verbose=0, solver="lbfgs", callbacks=[watch])
    assert begun == ended == list(range(7))


def test_a_loss_that_is_not_finite() -> None:
    x, y = data()
    with pytest.warns(RuntimeWarning, match="solver='lbfgs': the loss is nan, from where it makes"):
        history = make().fit(x * np.nan, y, epochs=5, verbose=0, solver="lbfgs")
    assert history.epoch == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: make().fit(*data(), solver="newton"), r"unknown solver 'newton'.*known: lbfgs"),
        (lambda: make(layers.Dropout(0.1)).fit(*data(), solver="lbfgs"), "found the layer dropout"),
        (lambda: make().fit([data()], solver="lbfgs"), "found batches, wanted all rows"),
        (lambda: frozen().fit(*data(), solver="lbfgs"), "found no layer that is trained"),
    ],
)
def test_errors(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
