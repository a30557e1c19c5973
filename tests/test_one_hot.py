"""A dense layer of numbers and categories, beside one of numbers and indicators."""

import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.layers import OneHotDense
from test_export import run_headers
from test_export_programs import needs

CATEGORIES = [5, 30]


def data(rows: int = 200, numbers: int = 3, dtype: str = "float64") -> Any:
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, count, rows) for count in CATEGORIES])
    x = rng.normal(size=(rows, numbers))
    indicators = [np.eye(count)[codes[:, place]] for place, count in enumerate(CATEGORIES)]
    y = rng.normal(size=(rows, 2))
    together = np.concatenate([x, codes], axis=1), np.concatenate([x, *indicators], axis=1)
    return (*(array.astype(dtype) for array in together), y.astype(dtype))


def model_of(numbers: int = 3, dtype: str = "float64", rule: Any = "sgd", **options: Any) -> Any:
    layer = OneHotDense(8, CATEGORIES, "tanh", **options)
    model = dc.Sequential(
        [dc.Input(numbers + len(CATEGORIES)), layer, dc.Dense(2)], dtype=dtype, seed=1
    )
    model.compile(rule, "mse")
    return model


@pytest.mark.parametrize("numbers", [0, 3])
@pytest.mark.parametrize("use_bias", [False, True])
def test_it_is_a_dense_layer_of_indicators(numbers: int, use_bias: bool) -> None:
    """The same outputs, loss, gradients and steps of a rule that decays no moments."""
    x, hot, y = data(numbers=numbers)
    ours = model_of(numbers, use_bias=use_bias, bias_initializer="ones", kernel_regularizer="l2")
    theirs = dc.Sequential(
        [dc.Input(hot.shape[1]),
         dc.Dense(8, "tanh", use_bias=use_bias, bias_initializer="ones", kernel_regularizer="l2"),
         dc.Dense(2)], dtype="float64", seed=1,
    )  # fmt: skip
    layer = ours.layers[0]
    whole = np.concatenate([*([layer.kernel] if numbers else []), *layer.tables])
    assert whole.shape == theirs.layers[0].kernel.shape
    assert np.abs(whole).max() <= np.sqrt(6 / (len(whole) + 8))
    assert np.abs(whole).max() > 0.8 * np.sqrt(6 / (len(whole) + 8))
    theirs.layers[0].kernel[...] = whole
    theirs.layers[1].set_weights(ours.layers[1].get_weights())
    theirs.compile("sgd", "mse")
    np.testing.assert_allclose(ours.predict(x), theirs.predict(hot), rtol=1e-12, atol=1e-14)
    for model, inputs in ((ours, x), (theirs, hot)):
        model.fit(inputs, y, epochs=3, batch_size=32, shuffle=False, verbose=0)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(hot), rtol=1e-10, atol=1e-12)
    found = np.concatenate([*([layer.kernel] if numbers else []), *layer.tables])
    np.testing.assert_allclose(found, theirs.layers[0].kernel, rtol=1e-10, atol=1e-12)
    if use_bias:
        np.testing.assert_allclose(layer.bias, theirs.layers[0].bias, rtol=1e-10)


def test_saved_resumed_pickled_and_in_an_ensemble(dtype: str, tmp_path: Path) -> None:
    x, _, y = data(dtype=dtype)
    options = {"batch_size": 32, "verbose": 0}
    whole = model_of(dtype=dtype, rule="adamw")
    whole.fit(x, y, epochs=4, **options)
    half = model_of(dtype=dtype, rule="adamw")
    half.fit(x, y, epochs=2, **options)
    half.save(tmp_path / "half.safetensors")
    for model in (dc.load_model(tmp_path / "half.safetensors"), pickle.loads(pickle.dumps(half))):
        model.fit(x, y, initial_epoch=2, epochs=4, **options)
        assert model.parameters.tobytes() == whole.parameters.tobytes()
        assert model.layers[0].get_config() == whole.layers[0].get_config()
    ensemble = dc.Ensemble(model_of(dtype=dtype, rule="adamw"), seeds=[1, 2])
    ensemble.fit(x, y, epochs=4, **options)
    assert ensemble.member(0).parameters.tobytes() == whole.parameters.tobytes()
    assert np.asarray(whole.freeze()(x)).tobytes() == whole.predict(x).tobytes()


def test_any_number_of_threads() -> None:
    x, _, y = data(2000, dtype="float32")
    before, found = dc.get_num_threads(), []
    try:
        for threads in (1, 2):
            dc.set_num_threads(threads)
            model = model_of(dtype="float32", rule="adam")
            model.fit(x, y, epochs=2, batch_size=1000, verbose=0)
            found.append(model.parameters.tobytes())
    finally:
        dc.set_num_threads(before)
    assert found[0] == found[1]


def test_missing_and_unseen_categories() -> None:
    x = data(4)[0]
    x[1, -1] = 30
    with pytest.raises(ValueError, match="30"):
        model_of().predict(x)
    model = model_of(missing=True)
    first = x.copy()
    first[1, -1] = 0
    assert model.predict(x).tobytes() == model.predict(first).tobytes()


def test_c(tmp_path: Path) -> None:
    x = data(dtype="float32")[0]
    model = model_of(dtype="float32")
    model.name = "net"
    model.export(tmp_path / "net.h")
    text = (tmp_path / "net.h").read_text()
    (found,) = run_headers({"net": text}, [x], needs("gcc"), tmp_path)
    np.testing.assert_allclose(found, model.predict(x), rtol=1e-5, atol=1e-6)


def test_multipliers_are_of_the_whole_kernel() -> None:
    options = {
        "learning_rate_multiplier": {"kernel": "1/sqrt(fan_in)", "bias": 0.5},
        "weight_decay_multiplier": {"kernel": 2.0},
    }
    model = model_of(1, **options)
    multipliers = [spec["multipliers"] for spec in model._plan().specs if "multipliers" in spec]
    assert multipliers == [[[1 / 6, 2.0], [0.5, 1.0]], [[1 / 6, 2.0]], [[1 / 6, 2.0]]]
    assert model.layers[0].get_config()["learning_rate_multiplier"]["bias"] == 0.5


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: OneHotDense(2, []), "OneHotDense: categories: found none"),
        (lambda: OneHotDense(0, [2]), "OneHotDense: units: found 0"),
        (
            lambda: dc.Sequential([dc.Input(1), OneHotDense(2, [2, 3])]),
            r"found rows of shape \(1,\), wanted vectors of numbers and of 2 categories",
        ),
        (
            lambda: OneHotDense(2, [2], learning_rate_multiplier={"tables": 2}),
            "wanted names among kernel, bias",
        ),
        (
            lambda: dc.Sequential([dc.Input(3), dc.Dense(3), OneHotDense(2, [2])]),
            "found an input that a layer computes, wanted that of the model",
        ),
    ],
)
def test_what_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.measures
def test_zeros_take_no_time() -> None:
    """2000 indicators cost about as much as none."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(4000, 4)), rng.integers(0, 2000, 4000)]).astype("f4")
    seconds = []
    for layer in (OneHotDense(64, [2000]), dc.Dense(64)):
        model = dc.Sequential([dc.Input(5), layer, dc.Dense(1)], seed=0)
        model.predict(x, verbose=0)
        times = []
        for _ in range(9):
            begin = time.perf_counter()
            model.predict(x, verbose=0)
            times.append(time.perf_counter() - begin)
        seconds.append(min(times))
    assert seconds[0] < 10 * seconds[1]
