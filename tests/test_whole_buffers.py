"""Calls on all parameters or gradients: target networks, noise, clipping; and Keras's calls with
arrays of any kind."""

from typing import Any

import numpy as np
import pytest

import densecore as dc


def stack(dtype: str = "float32", seed: int = 0, units: int = 6) -> Any:
    model = dc.Sequential(
        [
            dc.Input(4),
            dc.Dense(units, "relu"),
            dc.layers.BatchNormalization(),
            dc.Dense(3, name="last"),
        ],
        dtype=dtype,
        seed=seed,
    )
    model.compile(dc.optimizers.Adam(0.01), "mse")
    return model


def graph(dtype: str = "float32", seed: int = 0) -> Any:
    x = dc.Input(4)
    trunk = dc.Dense(8, "tanh")(x)
    model = dc.Model(x, [dc.Dense(2)(trunk), dc.Dense(1)(trunk)], dtype=dtype, seed=seed)
    model.compile(dc.optimizers.Adam(0.01), "mse")
    return model


def data(dtype: str = "float32") -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 4)).astype(dtype), rng.normal(size=(20, 3)).astype(dtype)


@pytest.mark.parametrize("make", [stack, graph])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blend(make: Any, dtype: str) -> None:
    model, target = make(dtype), make(dtype, seed=1)
    model.fit(data(dtype)[0], [data(dtype)[1][:, :n] for n in (2, 1)] if make is graph
              else data(dtype)[1], epochs=2, verbose=0)  # fmt: skip
    before, other = target.get_weights(), model.get_weights()
    target.blend_from(model, 0.1)
    limit = 1e-6 if dtype == "float32" else 1e-15
    for now, old, new in zip(target.get_weights(), before, other, strict=True):
        assert not np.array_equal(old, new)
        np.testing.assert_allclose(now, old + 0.1 * (new - old), rtol=limit, atol=limit)
    for now, same in zip(model.get_weights(), other, strict=True):
        np.testing.assert_array_equal(now, same)
    now = target.get_weights()
    target.blend_from(model, 0)
    for one, two in zip(target.get_weights(), now, strict=True):
        np.testing.assert_array_equal(one, two)
    target.blend_from(model, 1)
    for one, two in zip(target.get_weights(), other, strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(
        target.predict(data(dtype)[0])[0], model.predict(data(dtype)[0])[0]
    )
    model.blend_from(model, 0.5)
    for one, two in zip(model.get_weights(), other, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_forward_pass_of_before_is_refused() -> None:
    model, target = stack(), stack(seed=1)
    out = target.forward(data()[0])
    target.blend_from(model, 0.5)
    with pytest.raises(RuntimeError, match="found no forward pass"):
        target.backward(out)


@pytest.mark.parametrize(
    ("other", "error", "text"),
    [
        (
            lambda: stack(units=7),
            ValueError,
            r"layers\.0\.kernel \(layer .*\(4, 7\), wanted \(4, 6\)",
        ),
        (lambda: stack("float64"), ValueError, "found a model of float64, wanted float32"),
        (graph, ValueError, "found shape|found a model"),
        (lambda: stack().freeze(), TypeError, "blend_from: found .*wanted a model"),
        (lambda: None, TypeError, "found None"),
    ],
)
def test_other_models_are_refused(other: Any, error: type[Exception], text: str) -> None:
    model = stack()
    before = model.get_weights()
    with pytest.raises(error, match=text):
        model.blend_from(other(), 0.5)
    for one, two in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, two)
    for tau in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="tau: found"):
            model.blend_from(stack(), tau)


def test_constraints_and_shared_layers_hold() -> None:
    def make(seed: int) -> Any:
        kernel = dc.constraints.MaxNorm(0.5)
        model = dc.Sequential([dc.Input(4), dc.Dense(3, kernel_constraint=kernel)], seed=seed)
        model.compile("sgd", "mse")
        return model

    model, target = make(0), make(1)
    model.layers[0].kernel[:] = 5
    target.blend_from(model, 1)
    assert np.linalg.norm(target.layers[0].kernel, axis=0).max() < 0.51
    target.add_noise(5, seed=0)
    assert np.linalg.norm(target.layers[0].kernel, axis=0).max() < 0.51
    # A layer of two models: what one takes, the other has.
    one, two = graph(), graph(seed=1)
    part = dc.Model(one.input, one.layers[1].output)
    expected = part.predict(data()[0])
    assert not np.array_equal(
        expected, dc.Model(two.input, two.layers[1].output).predict(data()[0])
    )
    one.blend_from(two, 1)
    np.testing.assert_array_equal(
        part.predict(data()[0]), dc.Model(two.input, two.layers[1].output).predict(data()[0])
    )


def test_noise() -> None:
    model, same = stack(), stack()
    model.layers[2].trainable = False
    same.layers[2].trainable = False
    before = model.get_weights()
    model.add_noise(0.1, seed=3)
    same.add_noise(0.1, seed=3)
    np.testing.assert_array_equal(model.parameters, same.parameters)
    after = model.get_weights()
    assert not np.array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[-1], before[-1])  # not trainable
    same.add_noise(0.1, seed=4)
    wide = dc.Sequential([dc.Input(100), dc.Dense(100, kernel_initializer="zeros")])
    wide.add_noise(0.5, 0)
    assert abs(np.std(wide.parameters) - 0.5) < 0.01
    model.add_noise(0)
    np.testing.assert_array_equal(model.get_weights()[0], after[0])
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="stddev"):
            model.add_noise(wrong)


def test_clip_gradients() -> None:
    model = graph("float64")
    x, y = data("float64")
    model.forward(x)
    model.backward([y[:, :2], y[:, :1]])
    gradient = model.gradients.copy()
    norm = np.linalg.norm(gradient)
    assert model.clip_gradients() == pytest.approx(norm, rel=1e-12)
    assert model.clip_gradients(2 * norm) == pytest.approx(norm)
    np.testing.assert_array_equal(model.gradients, gradient)
    assert model.clip_gradients(norm / 2) == pytest.approx(norm)
    np.testing.assert_allclose(model.gradients, gradient / 2, rtol=1e-12)
    model.clip_gradients(value=0.01)
    np.testing.assert_allclose(model.gradients, (gradient / 2).clip(-0.01, 0.01))
    model.gradients[0] = np.nan
    assert np.isnan(model.clip_gradients(1e-3))
    np.testing.assert_allclose(model.gradients[1:], (gradient / 2).clip(-0.01, 0.01)[1:])
    for wrong in ({"max_norm": 0}, {"value": -1}):
        with pytest.raises(ValueError, match="found"):
            model.clip_gradients(**wrong)


def test_gradients_by_layer() -> None:
    model = stack()
    model.loss_and_gradients(*data())
    found = model.layer_gradients()
    assert list(found) == [layer.name for layer in model.layers]
    assert list(found["last"]) == ["kernel", "bias"]
    flat = np.concatenate([view.ravel() for views in found.values() for view in views.values()])
    np.testing.assert_array_equal(np.sort(flat), np.sort(model.gradients))
    found["last"]["bias"][:] = 7
    assert (model.gradients == 7).sum() == 3
    block = dc.layers.Residual([dc.Dense(4, name="inner")])
    deep = dc.Sequential([dc.Input(4), block, dc.Dense(3, name="outer")], seed=0)
    deep.compile("sgd", "mse")
    deep.loss_and_gradients(*data())
    assert list(deep.layer_gradients()) == ["inner", "outer"]


# Keras's calls ------------------------------------------------------------------------------------


def other_kinds() -> list[tuple[str, Any, Any]]:
    x, y = data()
    pad = np.zeros((20, 9), np.float32)
    pad[:, 1:9:2] = x
    return [
        ("float64", x.astype(float), y.astype(float)),
        ("lists", x.tolist(), y.tolist()),
        ("strided", pad[:, 1:9:2], np.asfortranarray(y)),
        ("byte order", x.astype(">f4"), y.astype(">f4")),
    ]


@pytest.mark.parametrize(("name", "x", "y"), other_kinds())
def test_arrays_of_any_kind_are_converted(name: str, x: Any, y: Any) -> None:
    model, same = stack(), stack()
    weight = np.linspace(0.5, 1, 20)
    for _ in range(3):
        one = model.train_on_batch(x, y)
        two = same.train_on_batch(*data())
        assert one == two, name
    assert model.train_on_batch(x, y, weight) == same.train_on_batch(*data(), weight.astype("f4"))
    np.testing.assert_array_equal(model.parameters, same.parameters)
    np.testing.assert_array_equal(model.predict_on_batch(x), same.predict_on_batch(data()[0]))
    assert model.test_on_batch(x, y) == same.test_on_batch(*data())
    assert set(model.train_on_batch(x, y, return_dict=True)) == {"loss"}


def test_integers_and_columns_of_one() -> None:
    model = dc.Sequential([dc.Input(3), dc.Dense(1, "sigmoid")], seed=0)
    model.compile("adam", "binary_crossentropy")
    x = np.arange(12).reshape(4, 3)
    assert np.isfinite(model.train_on_batch(x, np.ones(4)))
    assert np.isfinite(model.train_on_batch(x, np.ones((4, 1), int)))
    assert model.predict_on_batch(x.astype(np.uint8)).shape == (4, 1)


@pytest.mark.parametrize(
    ("x", "y", "error", "text"),
    [
        (1j * np.ones((2, 4)), np.ones((2, 3)), TypeError, "x: found dtype complex128"),
        (np.full((2, 4), "a"), np.ones((2, 3)), TypeError, "x: found text"),
        (np.full((2, 4), 1e300), np.ones((2, 3)), ValueError, r"x: found 1e\+300, which overflows"),
        (np.ones((2, 4)), np.full((2, 3), 1e300), ValueError, r"y: found 1e\+300, which overflows"),
        (np.ones((2, 5)), np.ones((2, 3)), ValueError, r"x: found shape \(2, 5\)"),
        (np.ones((2, 4)), np.ones((3, 3)), ValueError, r"y: found shape \(3, 3\), wanted \(2, 3\)"),
        (np.ones((2, 4)), np.full((2, 3), np.nan), ValueError, "y: found nan"),
        (np.ones((0, 4)), np.ones((0, 3)), ValueError, "x: found no rows"),
        (None, np.ones((2, 3)), ValueError, "x: found"),
    ],
)
def test_what_would_lose_its_meaning_is_refused(
    x: Any, y: Any, error: type[Exception], text: str
) -> None:
    model = stack()
    before = model.parameters.copy()
    with pytest.raises(error, match=text):
        model.train_on_batch(x, y)
    np.testing.assert_array_equal(model.parameters, before)
    assert model.progress["steps"] == 0
    if text.startswith("x") and "rows" not in text:
        with pytest.raises(error, match=text):
            model.predict_on_batch(x)


def test_calls_without_copies_stay_strict() -> None:
    """Those that are densecore's own: a loop would copy again and again without knowing it."""
    model, (x, y) = stack(), data()
    wide = x.astype(float)
    out = np.empty((20, 3), np.float32)
    for call in (
        lambda: model.forward(wide),
        lambda: model.make_train_step(wide, y),
        lambda: model.make_predictor(wide, out),
        lambda: model.predict_on_batch(wide, out),
        lambda: model.predict_on_batch(wide, out=out),
        lambda: model.freeze()(wide),
    ):
        with pytest.raises(TypeError, match="x: found dtype float64, wanted float32"):
            call()
    with pytest.raises(ValueError, match="out: found shape"):
        model.predict_on_batch(x, out[:5])
    model.forward(x)
    with pytest.raises(TypeError, match="grad_output: found dtype float64"):
        model.backward(y.astype(float))


def test_calls_during_a_conversion_are_converted_too() -> None:
    """Of another thread, say: here of the array that is being converted."""
    model, (x, y) = stack(), data()
    seen = []

    class Slow:
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
            seen.append(model.predict_on_batch(x.tolist()))
            return x.astype(float)

    assert np.isfinite(model.train_on_batch(Slow(), y))
    assert seen


def test_a_call_outlives_its_model() -> None:
    model = stack()
    train, (x, y) = model.train_on_batch, data()
    del model
    assert np.isfinite(train(x, y))
    with pytest.raises(TypeError, match="x: found dtype float64"):
        train(x.astype(float), y)


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 1e30), ("float32", 3e38), ("float64", 1e300)]
)
def test_clip_gradients_whose_squares_overflow(dtype: str, size: float) -> None:
    """Their norm came out infinite, and they stayed as they were."""
    model = dc.Sequential([dc.Input(4), dc.Dense(3)], dtype=dtype, seed=0)
    model.gradients[:] = size
    assert model.clip_gradients(1.0) == pytest.approx(size * np.sqrt(15), rel=1e-6)
    np.testing.assert_allclose(model.gradients, 1 / np.sqrt(15), rtol=1e-6)
    model.gradients[0] = np.inf
    assert model.clip_gradients(1.0) == np.inf


def test_noise_leaves_the_weights_finite() -> None:
    model = dc.Sequential([dc.Input(4), dc.Dense(3)], seed=0)
    with pytest.raises(ValueError, match="stddev: found 1e"):
        model.add_noise(1e39)
    model.add_noise(1e30)
    assert np.isfinite(model.parameters).all()
