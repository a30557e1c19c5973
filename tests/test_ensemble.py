"""Many networks at once: each has the bits of an ordinary model that is trained alone."""

import copy
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc

ROWS = 50


@pytest.fixture(autouse=True)
def restore_threads() -> Iterator[None]:
    before = dc.get_num_threads()
    yield
    dc.set_num_threads(before)


def layers_of(kind: str, outputs: int, last: str | None) -> list[Any]:
    tall: dict[str, list[Any]] = {
        "dense": [dc.Dense(20, "tanh"), dc.Dense(7, "relu")],
        "dropout": [dc.Dense(12, "relu"), dc.layers.Dropout(0.3)],
        "norms": [dc.Dense(9, "gelu"), dc.layers.BatchNormalization(),
                  dc.layers.LayerNormalization()],
        "residual": [dc.Dense(6), dc.layers.Residual([dc.Dense(6, "silu")])],
        "penalty": [dc.Dense(6, "tanh", kernel_regularizer="l2")],
        "frozen": [dc.Dense(6, "tanh", trainable=False)],
        "wide": [dc.Dense(300, "relu"), dc.Dense(250, "relu")],
    }  # fmt: skip
    return [dc.Input(5), *tall[kind], dc.Dense(outputs, last)]


def model_of(
    kind: str = "dense",
    seed: int = 11,
    dtype: str = "float32",
    loss: str = "mse",
    optimizer: Any = "sgd",
    metrics: Any = (),
) -> dc.Sequential:
    outputs, last = (3, "softmax") if "categorical" in loss else (2, None)
    model = dc.Sequential(layers_of(kind, outputs, last), dtype=dtype, seed=seed)
    model.compile(optimizer, loss, list(metrics))
    return model


def data_of(loss: str = "mse", dtype: str = "float32", rows: int = ROWS) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, 5)).astype(dtype)
    if loss.startswith("sparse"):
        return x, rng.integers(0, 3, rows)
    if "categorical" in loss:
        return x, np.eye(3, dtype=dtype)[rng.integers(0, 3, rows)]
    return x, rng.normal(size=(rows, 2)).astype(dtype)


def assert_same(ensemble: dc.Ensemble, i: int, model: dc.Sequential) -> None:
    assert ensemble.parameters[i].tobytes() == model.parameters.tobytes(), f"member {i}"
    member = ensemble.member(i)
    for (name, found), (_, wanted) in zip(
        member._tensors().items(), model._tensors().items(), strict=True
    ):
        assert found.tobytes() == wanted.tobytes(), f"member {i}: {name}"
    assert member.progress == model.progress


def check_alone(
    make: Callable[[int], dc.Sequential],
    n: int,
    fit: Callable[[Any, int | None], Any],
    ensemble: dc.Ensemble | None = None,
) -> dc.Ensemble:
    """Train an ensemble and each member alone; `fit` gets the model, and a member's number."""
    if ensemble is None:
        ensemble = dc.Ensemble(make(0), seeds=[make(i).seed for i in range(n)])
    history = fit(ensemble, None)
    for i in range(n):
        model = make(i)
        alone = fit(model, i).history
        assert_same(ensemble, i, model)
        assert history.member(i).history == alone
        for name, values in alone.items():
            assert history[name][:, i].tolist() == values
    return ensemble


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(
    "kind", ["dense", "dropout", "norms", "residual", "penalty", "frozen", "wide"]
)
def test_layers(kind: str, threads: int, dtype: str) -> None:
    dc.set_num_threads(threads)
    x, y = data_of(dtype=dtype)
    check_alone(
        lambda i: model_of(kind, 100 + 7 * i, dtype),
        4,
        lambda m, i: m.fit(x, y, 8, epochs=2, verbose=0, validation_split=0.2),
    )


@pytest.mark.parametrize("batch", [1, 16, 1000])
@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd", "adam", "rmsprop", "lion",
        {"name": "sgd", "momentum": 0.9, "weight_decay": 0.1},
        {"name": "adam", "clipnorm": 0.1, "use_ema": True, "ema_overwrite_frequency": 3},
        {"name": "adamw", "gradient_accumulation_steps": 3},
    ],
)  # fmt: skip
def test_optimizers(optimizer: Any, batch: int) -> None:
    x, y = data_of()
    check_alone(
        lambda i: model_of(seed=i, optimizer=dc.optimizers.get(optimizer)),
        3,
        lambda m, i: m.fit(x, y, batch, epochs=2, verbose=0),
    )


@pytest.mark.parametrize("loss", ["mae", "categorical_crossentropy",
                                  "sparse_categorical_crossentropy"])  # fmt: skip
def test_losses_metrics_and_weights(loss: str, dtype: str) -> None:
    x, y = data_of(loss, dtype)
    weight = np.random.default_rng(1).uniform(0, 2, ROWS)
    metrics = ["mae"] if loss == "mae" else ["accuracy"]
    check_alone(
        lambda i: model_of("dense", i, dtype, loss, "adam", metrics),
        3,
        lambda m, i: m.fit(x, y, 8, epochs=2, verbose=0, sample_weight=weight,
                           validation_data=(x, y)),
    )  # fmt: skip


def test_optimizers_of_ones_own() -> None:
    chosen = [dc.optimizers.SGD(0.1), dc.optimizers.Adam(0.01), "rmsprop",
              dc.optimizers.SGD(0.01, momentum=0.5)]  # fmt: skip
    x, y = data_of()
    ensemble = dc.Ensemble(model_of(seed=3), optimizers=chosen)
    assert len(ensemble) == 4
    assert ensemble.seeds == [3, 4, 5, 6]
    check_alone(
        lambda i: model_of(seed=3 + i, optimizer=dc.optimizers.get(chosen[i])),
        4,
        lambda m, i: m.fit(x, y, 8, epochs=2, verbose=0),
        ensemble,
    )
    # Nothing is shared with what was given, nor among the members.
    assert ensemble.optimizers[0] is not chosen[0]


def test_settings_change_at_any_time() -> None:
    x, y = data_of()
    ensemble = dc.Ensemble(model_of(), 3, learning_rates=[0.1, 0.01, 0.001])
    assert [o.learning_rate for o in ensemble.optimizers] == [0.1, 0.01, 0.001]
    ensemble.optimizers[1].learning_rate = 0.05
    ensemble.fit(x, y, 8, verbose=0)
    for i, rate in enumerate([0.1, 0.05, 0.001]):
        model = model_of(seed=11 + i, optimizer=dc.optimizers.SGD(rate))
        model.fit(x, y, 8, verbose=0)
        assert_same(ensemble, i, model)


def test_schedules_run_from_any_thread() -> None:
    dc.set_num_threads(3)
    x, y = data_of()

    def make(i: int) -> dc.Sequential:
        return model_of(seed=i, optimizer=dc.optimizers.SGD(lambda step: 0.1 / (1 + step)))

    check_alone(make, 6, lambda m, i: m.fit(x, y, 8, epochs=3, verbose=0))


def test_what_a_schedule_raises_ends_the_training() -> None:
    dc.set_num_threads(2)
    x, y = data_of()

    def schedule(step: int) -> float:
        if step >= 1024:
            raise ZeroDivisionError("late")
        return 0.01

    ensemble = dc.Ensemble(model_of(optimizer=dc.optimizers.SGD(schedule)), 6)
    with pytest.raises(ZeroDivisionError, match="late"):
        ensemble.fit(x, y, 1, epochs=40, verbose=0)
    assert all(steps <= 1024 for steps in ensemble.progress["steps"])
    assert max(ensemble.progress["steps"]) == 1024


def test_metrics_that_are_functions() -> None:
    def largest(truth: Any, outputs: Any) -> float:
        return float(abs(truth - outputs).max())

    x, y = data_of()
    check_alone(
        lambda i: model_of(seed=i, metrics=[largest]),
        3,
        lambda m, i: m.fit(x, y, 8, epochs=2, verbose=0),
    )


# Data -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_indices_of_any_length(loss: str, batch: int) -> None:
    rng = np.random.default_rng(0)
    x, y = data_of(loss)
    indices = [rng.integers(ROWS, size=size) for size in (50, 30, 1, 30)]
    held_out = [rng.integers(ROWS, size=size) for size in (3, 20, 5, 20)]

    def fit(model: Any, i: int | None) -> Any:
        if i is None:
            return model.fit(x, y, batch, epochs=2, verbose=0, indices=indices,
                             validation_indices=held_out)  # fmt: skip
        rows, rest = indices[i], held_out[i]
        return model.fit(x[rows], y[rows], batch, epochs=2, verbose=0,
                         validation_data=(x[rest], y[rest]))  # fmt: skip

    check_alone(lambda i: model_of(seed=i, loss=loss), 4, fit)


def test_bootstrap_follows_from_the_seed() -> None:
    x, y = data_of()
    weight = np.arange(1.0, ROWS + 1)
    first = dc.Ensemble(model_of(), 3)
    history = first.fit(x, y, 8, verbose=0, bootstrap=True, validation_data="rest",
                        sample_weight=weight)  # fmt: skip
    assert history.indices is not None
    assert {len(rows) for rows in history.indices} == {ROWS}
    assert len({rows.tobytes() for rows in history.indices}) == 3
    for i, rows in enumerate(history.indices):
        rest = np.setdiff1d(np.arange(ROWS), rows)
        model = model_of(seed=11 + i)
        alone = model.fit(x[rows], y[rows], 8, verbose=0, sample_weight=weight[rows],
                          validation_data=(x[rest], y[rest], weight[rest]))  # fmt: skip
        assert_same(first, i, model)
        assert history.member(i).history == alone.history
    again = dc.Ensemble(model_of(), 3)
    again.fit(x, y, 8, verbose=0, bootstrap=True, sample_weight=weight)
    assert again.parameters.tobytes() == first.parameters.tobytes()


@pytest.mark.parametrize("as_list", [True, False])
@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_arrays_of_ones_own(loss: str, as_list: bool) -> None:
    x, y = data_of(loss)
    xs = [x + i for i in range(3)]
    ys = [np.roll(y, i, axis=0) for i in range(3)]
    given = (xs, ys) if as_list else (np.stack(xs), np.stack(ys))

    def fit(model: Any, i: int | None) -> Any:
        data = given if i is None else (xs[i], ys[i])
        return model.fit(*data, 8, epochs=2, verbose=0, validation_split=0.3)

    ensemble = check_alone(lambda i: model_of(seed=i, loss=loss), 3, fit)
    found = ensemble.evaluate(*given)
    members = [ensemble.member(i) for i in range(3)]
    assert found.tolist() == [m.evaluate(xs[i], ys[i]) for i, m in enumerate(members)]
    if as_list:
        uneven = [x[:10], x[:20], x[:30]], [y[:10], y[:20], y[:30]]
        found = ensemble.evaluate(*uneven)
        assert found.tolist() == [
            m.evaluate(a, b) for m, a, b in zip(members, *uneven, strict=True)
        ]


def test_targets_of_ones_own_for_shared_rows() -> None:
    x, _ = data_of()
    targets = np.random.default_rng(2).normal(size=(3, ROWS)).astype(np.float32)
    model = dc.Sequential([dc.Input(5), dc.Dense(4, "tanh"), dc.Dense(1)], seed=1)
    model.compile("adam", "mse")
    ensemble = dc.Ensemble(model, 3)
    ensemble.fit(x, targets, 8, verbose=0)
    for i in range(3):
        alone = dc.Sequential([dc.Input(5), dc.Dense(4, "tanh"), dc.Dense(1)], seed=1 + i)
        alone.compile("adam", "mse")
        alone.fit(x, targets[i], 8, verbose=0)
        assert_same(ensemble, i, alone)


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("rows", [1, 6])
def test_train_on_batch(rows: int, each: bool, loss: str, dtype: str) -> None:
    x, y = data_of(loss, dtype, 3 * rows)
    weight = np.linspace(0.5, 1.5, 3 * rows).astype(dtype)
    if each:
        x, weight = x.reshape(3, rows, 5), weight.reshape(3, rows)
        y = y.reshape(3, rows) if y.ndim == 1 else y.reshape(3, rows, 2)
    else:
        x, y, weight = x[:rows], y[:rows], weight[:rows]
    ensemble = dc.Ensemble(model_of(seed=0, dtype=dtype, loss=loss), 3)
    losses = [ensemble.train_on_batch(x, y, w) for w in (None, weight, None)]
    for i in range(3):
        model = model_of(seed=i, dtype=dtype, loss=loss)
        own_x, own_y, own_w = (x[i], y[i], weight[i]) if each else (x, y, weight)
        for step, w in enumerate((None, own_w, None)):
            assert losses[step][i] == model.train_on_batch(own_x, own_y, w)
        assert_same(ensemble, i, model)


def test_predictions() -> None:
    x, y = data_of()
    ensemble = dc.Ensemble(model_of("norms"), 5)
    ensemble.fit(x, y, 8, verbose=0)
    outputs = ensemble.predict(x)
    assert outputs.shape == (5, ROWS, 2)
    for i in range(5):
        assert outputs[i].tobytes() == ensemble.member(i).predict(x).tobytes()
    one = np.ascontiguousarray(x[:1])
    assert ensemble.predict(one).tobytes() == np.ascontiguousarray(outputs[:, :1]).tobytes()
    each = np.stack([x[:7] + i for i in range(5)])
    out = np.empty((5, 7, 2), np.float32)
    assert ensemble.predict_on_batch(each, out) is out
    for i in range(5):
        assert out[i].tobytes() == ensemble.member(i).predict(each[i]).tobytes()
    wide = outputs.astype(np.float64)
    np.testing.assert_allclose(ensemble.predict(x, "mean"), wide.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(ensemble.predict(x, "std"), wide.std(axis=0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(ensemble.predict(x, "median"), np.median(wide, 0), rtol=1e-6)
    quantiles = ensemble.predict(x, (0.1, 0.9))
    np.testing.assert_allclose(quantiles, np.quantile(wide, [0.1, 0.9], axis=0), rtol=1e-6)


# Members, copies, files -------------------------------------------------------------------------


def test_parameters_are_one_contiguous_view() -> None:
    ensemble = dc.Ensemble(model_of(), 4)
    assert ensemble.parameters.shape == (4, model_of().count_params())
    assert ensemble.parameters.flags.c_contiguous
    assert not ensemble.parameters.flags.owndata
    ensemble.parameters[2] = 0
    assert not ensemble.member(2).parameters.any()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_member_goes_on_as_the_ensemble_does(optimizer: str) -> None:
    x, y = data_of()
    ensemble = dc.Ensemble(model_of("norms", optimizer=optimizer), 3)
    ensemble.fit(x, y, 8, verbose=0)
    member = ensemble.member(-1)
    assert member.seed == 13
    member.fit(x, y, 8, epochs=2, verbose=0)
    ensemble.fit(x, y, 8, epochs=2, verbose=0)
    assert_same(ensemble, 2, member)


def test_a_model_in_a_members_place() -> None:
    x, y = data_of()
    ensemble = dc.Ensemble(model_of("norms", optimizer="adam"), 3)
    ensemble.fit(x, y, 8, verbose=0)
    first = ensemble.member(0)
    other = model_of("norms", 77, optimizer=dc.optimizers.Adam(0.03))
    other.fit(x, y, 8, verbose=0)
    ensemble.set_member(1, other)
    assert_same(ensemble, 0, first)
    assert_same(ensemble, 1, other)
    for model in (first, other, ensemble):
        model.fit(x, y, 8, epochs=2, verbose=0)
    assert_same(ensemble, 0, first)
    assert_same(ensemble, 1, other)
    with pytest.raises(ValueError, match="wanted the ensemble's architecture"):
        ensemble.set_member(0, model_of("dense"))
    with pytest.raises(ValueError, match="keeps the same arrays"):
        ensemble.set_member(0, model_of("norms", optimizer="sgd"))


def saved(ensemble: dc.Ensemble, folder: Path) -> dc.Ensemble:
    ensemble.save(folder / "many.safetensors")
    return dc.Ensemble.load(folder / "many.safetensors")


@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy"])
@pytest.mark.parametrize("kind", ["dense", "norms"])
def test_copies_go_on_to_the_bit(kind: str, way: str, tmp_path: Path) -> None:
    x, y = data_of()
    chosen = ["adam", dc.optimizers.SGD(0.1), dc.optimizers.Adam(0.1, clipnorm=1.0)]
    ensemble = dc.Ensemble(model_of(kind, metrics=["mae"]), optimizers=chosen)
    ensemble.fit(x, y, 8, epochs=2, verbose=0)
    other = {
        "file": lambda: saved(ensemble, tmp_path),
        "pickle": lambda: pickle.loads(pickle.dumps(ensemble)),
        "deepcopy": lambda: copy.deepcopy(ensemble),
    }[way]()
    assert other.progress == ensemble.progress
    assert other.metrics_names == ["loss", "mae"]
    assert repr(other.optimizers) == repr(ensemble.optimizers)
    before = ensemble.parameters.copy()
    other.fit(x, y, 8, epochs=2, verbose=0)
    assert (ensemble.parameters == before).all()
    ensemble.fit(x, y, 8, epochs=2, verbose=0)
    for i in range(3):
        assert_same(other, i, ensemble.member(i))


def test_uncompiled_copies(tmp_path: Path) -> None:
    model = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=4)
    ensemble = dc.Ensemble(model, 3)
    for other in (saved(ensemble, tmp_path), pickle.loads(pickle.dumps(ensemble))):
        assert other.parameters.tobytes() == ensemble.parameters.tobytes()
        assert other.loss is None
    with pytest.raises(RuntimeError, match="not compiled"):
        ensemble.fit(np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(RuntimeError, match="not compiled"):
        ensemble.train_on_batch(np.zeros((2, 3), "f"), np.zeros((2, 2), "f"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    model_of().save(tmp_path / "one.safetensors")
    with pytest.raises(ValueError, match="not an ensemble"):
        dc.Ensemble.load(tmp_path / "one.safetensors")
    path = tmp_path / "many.safetensors"
    dc.Ensemble(model_of(optimizer="adam"), 2).save(path)
    with pytest.raises(ValueError, match="Ensemble"):
        dc.load_model(path)
    whole = path.read_bytes()
    for old, new in (
        (b'\\"seeds\\": [11, 12]', b'\\"seeds\\": [11, -2]'),
        (b'\\"optimizer_of\\": [0, 0]', b'\\"optimizer_of\\": [0, 9]'),
        (b'\\"steps\\": [0, 0]', b'\\"steps\\": [0,-1]'),
        (b'\\"units\\": 20', b'\\"units\\": 21'),
    ):
        assert old in whole, old
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(ValueError, match=r"many.safetensors"):
            dc.Ensemble.load(path)


def test_damaged_compilations_are_refused(tmp_path: Path) -> None:
    """Of an entry that only what is compiled looks at: the same error as of all others."""
    path = tmp_path / "many.safetensors"
    dc.Ensemble(model_of(optimizer="adam"), 2).save(path)
    whole = path.read_bytes()
    for old, new in (
        (b'\\"name\\": \\"seq', b'\\"mane\\": \\"seq'),
        (b'\\"loss\\": {', b'\\"loos\\": {'),
        (b'\\"batch_reduction\\"', b'\\"batch_redaction\\"'),
        (b'\\"metrics\\": []', b'\\"metrics\\": {}'),
        (b'\\"metrics\\": []', b'\\"metrics\\": 17'),
        (b'\\"beta_1\\": 0.9', b'\\"beta_1\\": "x"'),
    ):
        assert old in whole, (old, whole[:3000])
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(ValueError, match=r"many.safetensors: .*damaged"):
            dc.Ensemble.load(path)


# Errors -----------------------------------------------------------------------------------------


def x_y() -> tuple[Any, Any]:
    return data_of()


def fit_with(**arguments: Any) -> Callable[[], Any]:
    x, y = data_of()
    given = {"x": x, "y": y, "verbose": 0, **arguments}
    return lambda: dc.Ensemble(model_of(), 3).fit(**given)


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: dc.Ensemble(model_of()), ValueError, "n: found None"),
    (lambda: dc.Ensemble(model_of(), 0), ValueError, "n: found 0"),
    (lambda: dc.Ensemble("model", 3), TypeError, "model: found str"),  # type: ignore[arg-type]
    (lambda: dc.Ensemble(model_of(), 3, seeds=[1, 2]), ValueError, "seeds: found 2, wanted one"),
    (lambda: dc.Ensemble(model_of(), 2, seeds=[1, -2]), ValueError, "seed"),
    (lambda: dc.Ensemble(model_of(), 2, optimizers=["sgd", "sdg"]), ValueError, "member 1: .*sdg"),
    (lambda: dc.Ensemble(model_of(), 2, learning_rates=[1, -1]), ValueError,
     "member 1: .*learning_rate"),
    (lambda: dc.Ensemble(dc.Sequential([dc.Dense(2)]), 2), RuntimeError, "number of inputs"),
    (fit_with(x=np.zeros((ROWS, 4))), ValueError, r"x: found shape \(50, 4\), wanted \(rows, 5\)"),
    (fit_with(y=np.zeros((ROWS, 3))), ValueError, r"y: found shape \(50, 3\), wanted \(50, 2\)"),
    (fit_with(x=[np.zeros((ROWS, 5))] * 2), ValueError, "x: found 2 arrays, wanted one for each"),
    (fit_with(x=[np.zeros((ROWS, 5))] * 2 + [np.zeros((ROWS, 4))]), ValueError,
     r"member 2: x: found shape \(50, 4\)"),
    (fit_with(y=np.full((ROWS, 2), np.nan)), ValueError, "y: found nan"),
    (fit_with(indices=[[0], [1]]), ValueError, "indices: found 2 arrays"),
    (fit_with(indices=[[0], [1], [50]]), ValueError, "found row 50 for member 2, wanted 0 to 49"),
    (fit_with(indices=[[0], [1], []]), (TypeError, ValueError), "for member 2"),
    (fit_with(indices=[[0], [1], [0.5]]), TypeError, "for member 2"),
    (fit_with(indices=[[0]] * 3, bootstrap=True), ValueError, "together with indices"),
    (fit_with(validation_data="rest"), ValueError, "without indices or bootstrap"),
    (fit_with(validation_data="all"), ValueError, "found 'all'"),
    (fit_with(validation_data=(1,)), ValueError, "validation_data: found .*, wanted"),
    (fit_with(validation_data=data_of(), validation_split=0.1), ValueError, "several"),
    (fit_with(validation_split=0.999), ValueError, "too few"),
    (fit_with(epochs=-1), ValueError, "epochs"),
    (fit_with(batch_size=0), ValueError, "batch_size"),
    (fit_with(verbose=-1), ValueError, "verbose"),
    (lambda: dc.Ensemble(model_of(), 2).predict(np.zeros((2, 5)), "mode"), ValueError, "'mode'"),
    (lambda: dc.Ensemble(model_of(), 2).predict(np.zeros((2, 5)), 1.5), ValueError, "1.5"),
    (lambda: dc.Ensemble(model_of(), 2).predict(np.zeros((3, 2, 5))), ValueError,
     r"x: found shape \(3, 2, 5\), wanted \(2, any, 5\)"),
    (lambda: dc.Ensemble(model_of(), 2).member(2), IndexError, "found 2, wanted 0 to 1"),
    (lambda: dc.Ensemble(model_of(), 2).compile("sgd", lambda a, b: (0, a)), TypeError, "function"),
    (lambda: dc.Ensemble(model_of(), 2).compile(["sgd"], "mse"), ValueError, "optimizer: found 1"),
    (lambda: dc.Ensemble(model_of(), 2).compile("sgd"), ValueError, "found no loss"),
    (lambda: dc.Ensemble(model_of(), 2).train_on_batch(np.zeros((2, 5)), np.zeros((2, 2))),
     TypeError, "found dtype float64, wanted float32"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS)
def test_errors(call: Callable[[], Any], kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_what_needs_python_is_refused() -> None:
    function = dc.layers.Activation((np.tanh, lambda z, a: 1 - a * a))
    model = dc.Sequential([dc.Input(3), dc.Dense(2), function], seed=0)
    with pytest.raises(TypeError, match="layer that is a Python function"):
        dc.Ensemble(model, 2)
    model = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=0)
    model.compile("sgd", lambda truth, found: (0.0, truth - found))
    with pytest.raises(TypeError, match="loss that is a Python function"):
        dc.Ensemble(model, 2)


def test_divergence_is_said() -> None:
    x, y = data_of()
    ensemble = dc.Ensemble(model_of(), 3, learning_rates=[0.01, 1e30, 0.01])
    with pytest.warns(RuntimeWarning, match=r"1 of 3 members is not finite \(members 1\)"):
        history = ensemble.fit(x, y, 8, epochs=4, verbose=0)
    assert history.best("loss") != 1
    assert len(history.member(1).history["loss"]) == 4


def test_history(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = data_of()
    ensemble = dc.Ensemble(model_of(metrics=["mae"]), 3)
    history = ensemble.fit(x, y, 8, epochs=2, validation_split=0.2)
    assert capsys.readouterr().out.startswith("3 members, 2 epochs; last: loss=")
    assert history is ensemble.history
    assert list(history.history) == ["loss", "mae", "val_loss", "val_mae"]
    assert history["loss"].shape == (2, 3)
    assert history.best() == history["val_loss"][-1].argmin()
    with pytest.raises(KeyError, match="known: loss, mae"):
        history["accuracy"]
    frame = pytest.importorskip("pandas") and history.to_pandas()
    assert frame.loc[(1, 2), "val_mae"] == history["val_mae"][1, 2]
    ensemble.fit(x, y, epochs=0, verbose=0)
    ensemble.summary()
    assert "3 members: " in capsys.readouterr().out
    assert "n=3" in repr(ensemble)


# Threads, signals, processes --------------------------------------------------------------------


def run_script(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


LONG = """
    import os, signal, threading, time
    import numpy as np, densecore as dc
    signal.signal(signal.SIGINT, signal.default_int_handler)
    dc.set_num_threads({threads})
    rng = np.random.default_rng(0)
    rows = 200_000
    x = rng.normal(size=(rows, 5)).astype("f")
    y = rng.uniform(size=(rows, 2)).astype("f")
    def model(seed=0):
        m = dc.Sequential([dc.Input(5), dc.Dense({width}, "tanh"), dc.Dense(2)], seed=seed)
        m.compile(dc.optimizers.SGD(0.01), "mse")
        return m
    many = dc.Ensemble(model(), {members})
    sent = []
    def interrupt():
        time.sleep({seconds})
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt).start()
    try:
        many.fit(x, y, {batch}, epochs=1000, verbose=0, shuffle=False)
        print("not interrupted")
    except KeyboardInterrupt:
        late = time.perf_counter() - sent[0]
    steps = many.progress["steps"]
    for i in range({members}):
        alone = model(i)
        data = np.arange(steps[i] * {batch}) % rows
        if steps[i]:
            alone.fit(x[data], y[data], {batch}, verbose=0, shuffle=False)
        assert alone.parameters.tobytes() == many.parameters[i].tobytes(), i
    print(late < 0.5, max(steps) > 0)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("threads", "width", "members", "batch"),
    # A vector of members; the caller waits for the last one of two threads; members alone.
    [(1, 4, 16, 1), (2, 4, 16, 1), (2, 40, 2, 50), (2, 40, 3, 50)],
)
def test_interrupts_leave_each_member_after_a_whole_step(
    threads: int, width: int, members: int, batch: int
) -> None:
    numbers = {"threads": threads, "width": width, "members": members, "batch": batch}
    done = run_script(LONG.format(**numbers, seconds=0.4))
    assert done.stdout.strip() == "True True", done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.measures  # after how many seconds training has begun
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupts_while_only_another_thread_works() -> None:
    """The first member is soon done; the calling thread then waits for the second."""
    script = LONG.format(threads=2, width=40, members=2, batch=50, seconds=1.0)
    script = script.replace("verbose=0, shuffle=False)\n        print", "verbose=0, shuffle=False, "
                            "indices=[range(500), range(rows)])\n        print")  # fmt: skip
    script = script[: script.index("    steps = ")] + "    print(late < 0.5, many.progress)\n"
    done = run_script(script)
    found, _, progress = done.stdout.partition(" ")
    assert found == "True", done.stdout + done.stderr
    assert "'epochs': [1000, " in progress


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_leaves_both_processes_working() -> None:
    done = run_script(
        """
        import os, warnings
        import numpy as np, densecore as dc
        warnings.simplefilter("ignore")
        dc.set_num_threads(2)
        x = np.random.default_rng(0).normal(size=(300, 5)); y = x[:, :2]
        model = dc.Sequential([dc.Input(5), dc.Dense(20, "tanh"), dc.Dense(2)], seed=0)
        model.compile("adam", "mse")
        many = dc.Ensemble(model, 20)
        many.fit(x, y, 8, verbose=0)
        other = dc.Ensemble(model, 20)
        pid = os.fork()
        other.fit(x, y, 8, verbose=0)
        same = other.parameters.tobytes() == many.parameters.tobytes()
        if pid == 0:
            os._exit(0 if same else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), same)
        """
    )
    assert done.stdout.strip() == "0 True", done.stderr


def test_one_thread_at_a_time() -> None:
    """A second thread is told, and not let in."""
    import threading

    x, y = data_of()
    ensemble = dc.Ensemble(model_of("wide"), 8)
    found: list[str] = []

    def evaluate() -> None:
        while not found and training.is_alive():
            try:
                ensemble.evaluate(x, y)
            except RuntimeError as error:
                found.append(str(error))

    def train() -> None:
        try:
            ensemble.fit(x, y, 8, epochs=40, verbose=0)
        except RuntimeError as error:  # the evaluation was first
            found.append(str(error))

    training = threading.Thread(target=train)
    training.start()
    evaluate()
    training.join()
    assert not found or "in use by another thread" in found[0]


class Scaled(dc.layers.Layer):
    """A custom layer with one that adapts within."""

    def __init__(self, **general: Any) -> None:
        super().__init__(**general)
        self.scale = dc.layers.Normalization()

    def call(self, x: Any) -> Any:
        return self.scale(x)


def test_members_have_what_a_layer_learnt_from_data() -> None:
    """`adapt` is of the data, not an initial value: each member has it, before and after files."""
    x = np.random.default_rng(0).normal(50, 3, (100, 3)).astype(np.float32)
    scale = dc.layers.Normalization()
    scale.adapt(x)
    model = dc.Sequential([dc.Input(3), scale, dc.Dense(2)], seed=1)
    model.compile("sgd", "mse")
    late = dc.Sequential([dc.Input(3), dc.layers.Normalization(), dc.Dense(2)], seed=1)
    late.build()
    late.compile("sgd", "mse")
    late.layers[0].adapt(x)
    inner = Scaled()
    inner.scale.adapt(x)
    own = dc.Sequential([dc.Input(3), inner, dc.Dense(2)], seed=1)
    own.compile("sgd", "mse")
    for given in (model, late, own):
        ensemble = dc.Ensemble(given, seeds=[1, 2])
        found = ensemble.predict(x)
        assert found[0].tobytes() == model.predict(x).tobytes()
        assert ensemble.member(0).predict(x).tobytes() == found[0].tobytes()
        assert np.abs(ensemble.member(1).predict(x)).max() < 50
