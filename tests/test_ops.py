"""`densecore.ops` against `densecore.reference`: the same names, the same numbers."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import ops, reference

RNG = np.random.default_rng(0)
W = RNG.normal(size=(7, 5))
X = RNG.normal(size=(4, 5))
B = RNG.normal(size=7)
Z = RNG.normal(size=(4, 7))
G = RNG.normal(size=(4, 7))


def close(found: Any, expected: Any, dtype: str) -> None:
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=40 * float(np.finfo(dtype).eps))


def cast(dtype: str, *arrays: Any) -> list[Any]:
    return [array.astype(dtype) for array in arrays]


def test_matvec(dtype: str) -> None:
    w, x = cast(dtype, W, X[0])
    close(ops.matvec(w, x), W @ X[0], dtype)
    out = np.empty(7, dtype)
    assert ops.matvec(w, x, out=out) is out
    close(out, W @ X[0], dtype)
    # A transposed or strided W is read by its strides, with out too.
    close(ops.matvec(np.asfortranarray(w), x, out=out), W @ X[0], dtype)
    close(ops.matvec(w[::2], x), W[::2] @ X[0], dtype)


@pytest.mark.parametrize("name", [*dc.activations.names(), "identity"])
def test_dense(dtype: str, name: str) -> None:
    x, w, b = cast(dtype, X, W, B)
    for bias in (b, None):
        expected = reference.dense(x, w, bias, name)
        close(ops.dense(x, w, bias, name), expected, dtype)
        out = np.empty((4, 7), dtype)
        assert ops.dense(x, w, bias, name, out=out) is out
        close(out, expected, dtype)


@pytest.mark.parametrize("name", dc.activations.names())
@pytest.mark.parametrize("shape", [(28,), (4, 7), (2, 2, 7), (0,), (0, 3)])
def test_activation(dtype: str, name: str, shape: tuple[int, ...]) -> None:
    z = np.resize(Z, shape).astype(dtype)
    g = np.resize(G, shape).astype(dtype)
    a = ops.activation(name, z)
    assert a.shape == shape
    if z.size:
        close(a, reference.activation(name, z), dtype)
        close(
            ops.activation_gradient(name, z, a, g),
            reference.activation_gradient(name, z, a, g),
            dtype,
        )
    in_place = z.copy()
    assert ops.activation(name, in_place, out=in_place) is in_place
    np.testing.assert_array_equal(in_place, a)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_mse(dtype: str, reduction: str) -> None:
    a, y = cast(dtype, Z, G)
    expected = reference.mse(a, y, reduction)
    assert ops.mse(a, y, reduction) == pytest.approx(expected, rel=1e-6)
    slope = reference.mse_gradient(a, y, reduction)
    close(ops.mse_gradient(a, y, reduction), slope, dtype)
    out = np.empty_like(a)
    assert ops.mse_gradient(a, y, reduction, out=out) is out
    close(out, slope, dtype)
    assert ops.mse(a.T, y.T, reduction) == pytest.approx(expected, rel=1e-6)


def test_updates(dtype: str) -> None:
    p, g = cast(dtype, W, W[::-1])
    own, oracle = p.copy(), p.copy()
    ops.sgd_update(own, g.copy(), 0.1)
    reference.sgd_update(oracle, g.copy(), 0.1)
    close(own, oracle, dtype)
    m, v, m2, v2 = (np.zeros_like(p) for _ in range(4))
    for step in (1, 2, 3):
        ops.adam_update(own, g, m, v, step, learning_rate=0.01)
        reference.adam_update(oracle, g, m2, v2, step, learning_rate=0.01)
    close(own, oracle, dtype)
    close(m, m2, dtype)
    close(v, v2, dtype)


def test_dtype_is_the_widest_given() -> None:
    assert ops.matvec(W.astype("f4"), X[0].astype("f4")).dtype == "float32"
    assert ops.matvec(W.astype("f4"), X[0]).dtype == "float64"
    assert ops.matvec([[1, 2]], [3, 4]).tolist() == [11.0]
    assert ops.activation("relu", [-1, 2]).tolist() == [0.0, 2.0]


F4 = {"W": W.astype("f4"), "x": X[0].astype("f4")}
PARAMETER = np.zeros(3)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ops.matvec(W, X[0][:4]), ValueError, r"x: found shape \(4,\), wanted \(5\)"),
        (lambda: ops.matvec(W[0], X[0]), ValueError, r"W: found shape \(5,\), wanted \(n, m\)"),
        (lambda: ops.matvec("W", X[0]), TypeError, "W: found dtype <U1"),
        (lambda: ops.matvec(W * 1j, X[0]), TypeError, "W: found dtype complex128"),
        (lambda: ops.matvec(**F4, out=np.empty(7)), TypeError, "float32, wanted float64"),
        (lambda: ops.matvec(W, X[0], out=np.empty(6)), ValueError, r"out: found shape \(6,\)"),
        (lambda: ops.matvec(W, X[0], out=[0.0]), TypeError, "out: found list"),
        (lambda: ops.matvec(W, [1.0] * 5, out=np.empty(7)), TypeError, "x: found list, wanted"),
        (lambda: ops.matvec(W, np.ones(10)[::2], out=np.empty(7)), ValueError, "x: .*contiguous"),
        (
            lambda: ops.dense(X, W[:, :4], B),
            ValueError,
            r"W: found shape \(7, 4\), wanted",
        ),
        (lambda: ops.dense(X, W, B[:6]), ValueError, r"b: found shape \(6,\), wanted \(7\)"),
        (lambda: ops.dense(X, W, B, "rely"), ValueError, "unknown activation 'rely'.*known: lin"),
        (lambda: ops.activation(None, 5), ValueError, ""),
        (lambda: ops.activation_gradient("tanh", Z, Z[:3], G), ValueError, r"a: found shape \(3"),
        (lambda: ops.mse(Z, G[:3]), ValueError, r"y: found shape \(3, 7\), wanted \(4, 7\)"),
        (
            lambda: ops.mse(Z, G, "median"),
            ValueError,
            "reduction: found 'median'",
        ),
        (lambda: ops.mse([], []), ValueError, "found no elements"),
        (lambda: ops.sgd_update(PARAMETER, PARAMETER, 0), ValueError, "learning_rate: found 0"),
        (lambda: ops.sgd_update(PARAMETER, PARAMETER, -1), ValueError, "learning_rate: found -1"),
        (lambda: ops.sgd_update(PARAMETER, PARAMETER[:2], 1), ValueError, "gradient: found shape"),
        (lambda: ops.sgd_update([1.0], PARAMETER, 1), TypeError, "parameter: found list"),
        (lambda: ops.sgd_update(PARAMETER[1:], PARAMETER[:-1], 1), ValueError, "overlaps gradient"),
        (
            lambda: ops.adam_update(PARAMETER, np.ones(3), PARAMETER, np.zeros(3), 1),
            ValueError,
            "parameter: found memory that overlaps m, wanted memory of its own",
        ),
        (
            lambda: ops.sgd_update(PARAMETER, PARAMETER.astype("f4"), 1),
            TypeError,
            "gradient: found dtype float32, wanted float64",
        ),
        (
            lambda: ops.adam_update(PARAMETER, PARAMETER, PARAMETER, PARAMETER, 0),
            ValueError,
            "step: found 0",
        ),
    ],
)
def test_errors_say_what_is_wanted(call: Any, error: type[Exception], text: str) -> None:
    if text == "":
        assert call() == 5  # None is linear, and a number is an array without dimensions
        return
    with pytest.raises(error, match=text):
        call()


def test_read_only_arrays() -> None:
    w, x = W.copy(), X[0].copy()
    for array in (w, x):
        array.flags.writeable = False
    close(ops.matvec(w, x, out=np.empty(7)), W @ X[0], "float64")
    with pytest.raises(ValueError, match="read-only"):
        ops.activation("relu", W, out=w)


def test_arguments_are_those_of_keras() -> None:
    """By place and by name: NumPy's third argument of a sum is a dtype, of an absolute `out`."""
    for name in ("sum", "mean", "max", "amin", "std", "var", "prod", "any", "argmax", "nansum"):
        function, expected = getattr(ops, name), getattr(np, name)
        np.testing.assert_array_equal(function(X, -1, True), expected(X, axis=-1, keepdims=True))
        np.testing.assert_array_equal(function(x=X, axis=0), expected(X, axis=0))
    np.testing.assert_array_equal(ops.clip(X, x_min=-0.5, x_max=0.5), np.clip(X, -0.5, 0.5))
    np.testing.assert_array_equal(ops.reshape(X, newshape=(5, 4)), X.reshape(5, 4))
    np.testing.assert_array_equal(ops.quantile(X, 0.5, 0, "lower"),
                                  np.quantile(X, 0.5, axis=0, method="lower"))  # fmt: skip
    np.testing.assert_array_equal(ops.tile(X, repeats=(2, 1)), np.tile(X, (2, 1)))
    np.testing.assert_array_equal(ops.where(X > 0, x1=X, x2=0.0), np.where(X > 0, X, 0.0))
    np.testing.assert_array_equal(ops.where(X > 0), np.where(X > 0))
    np.testing.assert_array_equal(ops.expand_dims(X, axis=1), X[:, None])
    np.testing.assert_array_equal(ops.unique([3, 1, 3], True), [1, 3])
    np.testing.assert_array_equal(ops.arange(5), np.arange(5))
    np.testing.assert_array_equal(ops.arange(1, 9, step=3), np.arange(1, 9, 3))
    np.testing.assert_array_equal(ops.take_along_axis(X, np.array([3, 0])), X.ravel()[[3, 0]])
    np.testing.assert_allclose(ops.lstsq(W, B), np.linalg.lstsq(W, B, rcond=None)[0])
    for found in (ops.zeros((2,)), ops.ones(2), ops.eye(2), ops.full((2,), 3), ops.linspace(0, 1)):
        assert found.dtype == dc.backend.floatx()
    assert ops.zeros(2, "int32").dtype == "int32"


def test_other_arguments_are_refused_and_nothing_is_overwritten() -> None:
    given, other = X.copy(), X + 1
    for call, text in (
        (lambda: ops.abs(given, other), r"found 2 arguments, wanted abs\(x\)"),
        (lambda: ops.add(given, other, given), r"found 3 arguments, wanted add\(x1, x2\)"),
        (lambda: ops.sum(given, x=given), r"found x twice, wanted sum\(x, axis=None"),
        (lambda: ops.clip(given, 0), r"found no x_max, wanted clip\(x, x_min, x_max\)"),
    ):
        with pytest.raises(TypeError, match=text):
            call()
    np.testing.assert_array_equal(given, X)
    np.testing.assert_array_equal(other, X + 1)


def test_keras_arguments_in_a_loss_whose_gradient_is_derived() -> None:
    def loss(y: Any, a: Any) -> Any:
        scaled = a / (ops.sum(ops.abs(a), 1, True) + 1.0)
        return ops.mean(ops.square(y - scaled), -1)

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    model = dc.Sequential([dc.Input(3), dc.Dense(2)], dtype="float64", seed=0)
    model.compile("sgd", loss)
    model.loss_and_gradients(x, y)
    found = model.gradients.copy()
    for place in range(model.parameters.size):
        before, losses = model.parameters[place], []
        for step in (1e-6, -1e-6):
            model.parameters[place] = before + step
            losses.append(model.loss_and_gradients(x, y))
        model.parameters[place] = before
        assert found[place] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("shift", [0, 1])
def test_out_may_not_overlap_what_is_read(shift: int) -> None:
    """A kernel reads numbers that it has written already; the same array is another matter."""
    memory = RNG.normal(size=64)
    square, later = memory[:16].reshape(4, 4), memory[shift : shift + 16].reshape(4, 4)
    w, x = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))
    calls = {
        "x": lambda: ops.dense(square, w, None, "relu", out=later),
        "W": lambda: ops.dense(x, square, out=later),
        "b": lambda: ops.dense(x, w, memory[3:7], out=later),
    }
    calls["x "] = lambda: ops.matvec(w, memory[:4], out=memory[shift : shift + 4])
    calls["W "] = lambda: ops.matvec(square, x[0], out=memory[shift : shift + 4])
    if shift:
        calls["z"] = lambda: ops.activation("softmax", square, out=later)
        calls["z "] = lambda: ops.activation_gradient("tanh", square, x, x, out=later)
        calls["a"] = lambda: ops.activation_gradient("tanh", x, square, x, out=later)
        calls["grad"] = lambda: ops.activation_gradient("tanh", x, x, square, out=later)
    before = memory.copy()
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"out: found memory that overlaps {name.strip()},"):
            call()
    np.testing.assert_array_equal(memory, before)
    ops.dense(memory[32:48].reshape(4, 4), w, out=memory[48:].reshape(4, 4))  # beside each other


@pytest.mark.parametrize("name", dc.activations.names())
def test_out_may_be_an_argument_of_an_activation(name: str) -> None:
    expected = ops.activation(name, Z)
    z = Z.copy()
    np.testing.assert_array_equal(ops.activation(name, z, out=z), expected)
    gradient = ops.activation_gradient(name, Z, expected, G)
    for place in range(3):
        arrays = [Z.copy(), expected.copy(), G.copy()]
        found = ops.activation_gradient(name, *arrays, out=arrays[place])
        np.testing.assert_array_equal(found, gradient)
