"""Derivatives along directions, of second order too, and their backward passes."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import ACTIVATIONS, NETWORKS, assert_close
from densecore import layers, reference
from test_derivatives import differences

RNG = np.random.default_rng(0)
X, D = RNG.normal(size=(7, 4)), RNG.normal(size=(7, 4))
SMOOTH = ["sigmoid", "tanh", "softplus", "silu", "gelu", "mish", "log_sigmoid", "exponential",
          "tanh_shrink", {"name": "gelu", "approximate": True}]  # fmt: skip
WITHOUT = {"softmax", "log_softmax"}  # of whole rows


def make(activation: Any = "tanh", last: str = "linear", others: bool = True) -> dc.Sequential:
    stack: list[Any] = [dc.Input(4)]
    if others:
        stack += [layers.Normalization(mean=0.5, variance=2.0)]
    stack += [dc.Dense(5, activation)]
    if others:
        block = [layers.LayerNormalization(), dc.Dense(5, activation)]
        stack += [layers.BatchNormalization(), layers.Residual(block), layers.Dropout(0.5)]
    model = dc.Sequential([*stack, dc.Dense(3, last)], dtype="float64", seed=1)
    for weights in model.weights[int(others) * 2 :]:
        weights += np.random.default_rng(2).uniform(0, 0.2, weights.shape)
    return model


def of(activation: Any) -> Any:
    if not isinstance(activation, dict):
        return activation
    options = dict(activation)
    return dc.activations.Activation(options.pop("name"), **options)


@pytest.mark.parametrize(("name", "parameters"), ACTIVATIONS)
def test_derivatives_of_activations(name: str, parameters: dict[str, Any], dtype: str) -> None:
    """Every activation of the core has them, and an oracle; but for those of whole rows."""
    core, values = dc.activations.Activation(name, **parameters)._kernel()
    z = np.linspace(-7.3, 7.1, 500).astype(dtype)
    found = NETWORKS[dtype].activation_derivatives(core, values, z)
    if name in WITHOUT:
        assert found is None
        return
    expected = reference.activation_derivatives(name, z.astype(np.float64), **parameters)
    # In float32 the last bit of a tanh near 1, which 1 - tanh² is made of, is 1.1e-4 of the largest
    # third derivative of gelu.
    for f, e in zip(found, expected, strict=True):
        assert_close(f, e, 1e-11 if dtype == "float64" else 1.5e-4)
    slope = reference.ACTIVATIONS[name].backward
    a = reference.ACTIVATIONS[name].forward(z, **parameters)
    assert_close(expected[0], slope(z, a, np.ones_like(z), **parameters), 1e-5)
    far = np.array([-1e3, -100, 100, 80], dtype)
    for f in NETWORKS[dtype].activation_derivatives(core, values, far):
        assert name == "exponential" or np.isfinite(f).all()
    nan = np.array([np.nan], dtype)
    for f in NETWORKS[dtype].activation_derivatives(core, values, nan)[1:]:
        assert np.isnan(f) or f == 0  # 0: of straight pieces


@pytest.mark.parametrize("last", ["linear", "softmax"])
@pytest.mark.parametrize("activation", [*SMOOTH, "elu"])
@pytest.mark.parametrize("others", [False, True])
def test_along_the_inputs(activation: Any, last: str, others: bool) -> None:
    model = make(of(activation), last, others)
    u, du, d2u = model.input_derivatives(X, D)
    assert_close(u, model.predict(X), 1e-14)
    assert_close(du, np.einsum("rui,ri->ru", model.jacobian(X), D), 1e-12)
    step = 1e-5

    def slope(s: float) -> Any:
        x = X + s * D
        return np.einsum("rui,ri->ru", model.jacobian(x), D)

    assert_close(d2u, (slope(step) - slope(-step)) / (2 * step), 1e-6)
    assert [a.tolist() for a in model.input_derivatives(X, D, 1)] == [u.tolist(), du.tolist()]


@pytest.mark.parametrize("last", ["linear", "softmax"])
@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("others", [False, True])
def test_the_way_back(activation: Any, last: str, others: bool) -> None:
    model, x = make(of(activation), last, others), X.copy()
    grads = np.random.default_rng(3).normal(size=(3, 7, 3))

    def loss() -> Any:
        return sum(float((g * v).sum()) for g, v in zip(grads, model.input_derivatives(x, D)))  # noqa: B905

    loss()
    dx = model.backward_derivatives(*grads, input_gradient=True)
    found = model.gradients.copy()
    assert_close(found, differences(loss, model.parameters), 1e-7)
    assert_close(dx, differences(loss, x).reshape(x.shape), 1e-7)
    loss()
    model.backward_derivatives(grad_d2u=grads[2])
    second = model.gradients.copy()
    model.backward_derivatives(grads[0], grads[1])
    assert_close(model.gradients + second, found, 1e-12)


def test_a_differential_equation_is_solved() -> None:
    """u'' = -u, u(0) = 0, u'(0) = 1: the sine."""
    model = dc.Sequential([dc.Input(1), dc.Dense(16, "tanh"), dc.Dense(1)], dtype="float64", seed=0)
    # At a constant rate Adam's steps jump up now and then to the end.
    model.compile(dc.optimizers.Adam(dc.schedules.CosineDecay(0.01, 2000)), "mse")
    x = np.linspace(0, 2, 33)[:, None]
    for _ in range(2000):
        u, du, d2u = model.input_derivatives(x, np.ones(1))
        residual = 2 * (u + d2u) / len(x)
        gu, gdu = residual.copy(), np.zeros_like(u)
        gu[0] += 2 * u[0]
        gdu[0] += 2 * (du[0] - 1)
        model.backward_derivatives(gu, gdu, residual)
        model.apply_gradients()
    assert np.abs(model.predict(x) - np.sin(x)).max() < 0.001


@pytest.mark.parametrize("rows", [1, 300])
@pytest.mark.parametrize("wide", [6, 300])
def test_bits_do_not_depend_on_the_number_of_threads(rows: int, wide: int) -> None:
    model = dc.Sequential(
        [dc.Input(4), dc.Dense(wide, "tanh"), dc.Dense(wide, "silu"), dc.Dense(2)], seed=0
    )
    rng = np.random.default_rng(4)
    x, d = rng.normal(size=(2, rows, 4)).astype("float32")
    results = []
    before = dc.get_num_threads()
    for threads in (1, 2, 3):
        dc.set_num_threads(threads)
        u, du, d2u = model.input_derivatives(x, d)
        model.backward_derivatives(u, du, d2u)
        results.append([*(a.tobytes() for a in (u, du, d2u)), model.gradients.tobytes()])
    dc.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_products_with_jacobians() -> None:
    model = make("silu", "softmax")
    v = np.random.default_rng(5).normal(size=len(model.parameters))
    g = np.random.default_rng(6).normal(size=(7, 3))
    by_inputs, by_parameters = model.jacobian(X), model.parameter_jacobian(X)
    assert_close(model.jvp(X, D), np.einsum("rui,ri->ru", by_inputs, D), 1e-12)
    assert_close(model.jvp(X, D[0]), by_inputs @ D[0], 1e-12)
    assert_close(model.parameter_jvp(X, v), by_parameters @ v, 1e-12)
    dx, dp = model.vjp(X, g)
    assert_close(dx, np.einsum("ru,rui->ri", g, by_inputs), 1e-12)
    assert_close(dp, np.einsum("ru,rup->p", g, by_parameters), 1e-12)


@pytest.mark.parametrize("others", [False, True])
def test_second_derivatives_along_the_parameters(others: bool) -> None:
    """What a geodesic step of Levenberg–Marquardt asks for."""
    model = make("silu", "softmax", others)
    v = np.random.default_rng(5).normal(size=len(model.parameters))
    before, step = model.parameters.copy(), 1e-5
    found = model._network.jets_forward(X, None, v, 2)[2]

    def slope(s: float) -> Any:
        model.parameters[:] = before + s * v
        return model.parameter_jvp(X, v)

    assert_close(found, (slope(step) - slope(-step)) / (2 * step), 1e-7)


CURVED = [
    ("mse", "tanh", {}),
    ("mse", "softmax", {}),
    ("huber", "linear", {"delta": 0.5}),
    ("log_cosh", "linear", {}),
    ("binary_crossentropy", "sigmoid", {"label_smoothing": 0.1}),
    ("binary_crossentropy", "linear", {"from_logits": True}),
    ("categorical_crossentropy", "softmax", {"label_smoothing": 0.1}),
    ("sparse_categorical_crossentropy", "softmax", {}),
]


@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum", "sum_over_outputs"]
)
@pytest.mark.parametrize(("name", "last", "options"), CURVED)
def test_hessian_vector_product(
    name: str, last: str, options: dict[str, Any], reduction: str
) -> None:
    rng = np.random.default_rng(7)
    frozen = dc.Dense(5, "sigmoid", trainable=False)
    model = dc.Sequential(
        [dc.Input(4), dc.Dense(5, "tanh", kernel_regularizer="l2"), frozen,
         layers.LayerNormalization(), dc.Dense(3, last)], dtype="float64", seed=1,
    )  # fmt: skip
    model.compile("sgd", dc.losses.get({"name": name, "reduction": reduction, **options}))
    y = rng.integers(0, 3, 7) if name.startswith("sparse") else rng.dirichlet(np.ones(3), 7)
    weight, v = rng.uniform(0.5, 1, 7), rng.normal(size=len(model.parameters))
    before, step = model.parameters.copy(), 1e-5
    trained = np.ones(len(v), bool)
    trained[5 * 5 : 5 * 5 + 30] = False

    def slope(s: float) -> Any:
        model.parameters[:] = before + s * v * trained
        model.loss_and_gradients(X, y, weight)
        return model.gradients.copy()

    expected = (slope(step) - slope(-step)) / (2 * step)
    model.parameters[:] = before
    found = model.hessian_vector_product(X, y, v, weight)
    assert_close(found, expected, 1e-7)
    assert (found[~trained] == 0).all()
    product = model.gauss_newton_vector_product(X, y, v, weight)
    assert v[trained] @ product[trained] >= 0


def test_gauss_newton_vector_product() -> None:
    model = make("tanh")
    model.compile("sgd", "mse")
    rng = np.random.default_rng(8)
    y, v = rng.normal(size=(7, 3)), rng.normal(size=len(model.parameters))
    weight = rng.uniform(0.5, 1, 7)
    jacobian = model.parameter_jacobian(X)
    expected = np.einsum("r,rup,ru->p", weight, jacobian, jacobian @ v)
    expected *= 2 / 3 / len(X)
    assert_close(model.gauss_newton_vector_product(X, y, v, weight), expected, 1e-12)


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy", "mae"])
def test_sample_gradients(loss: str) -> None:
    rng = np.random.default_rng(9)
    model = make("tanh", "softmax")
    model.compile("sgd", loss)
    x = rng.normal(size=(1100, 4))
    sparse = loss.startswith("sparse")
    y = rng.integers(0, 3, 1100) if sparse else rng.normal(size=(1100, 3))
    found = model.sample_gradients(x, y)
    assert found.shape == (1100, len(model.parameters))
    for row in (0, 31, 32, 1023, 1024, 1099):
        u = model.predict(x[row : row + 1])
        if sparse:
            expected = -model.parameter_jacobian(x[row : row + 1])[0, y[row]] / u[0, y[row]]
        else:
            g = 2 * (u - y[row]) / 3 if loss == "mse" else np.sign(u - y[row]) / 3
            expected = model.vjp(x[row : row + 1], g)[1]
        assert_close(found[row], expected, 1e-11)


def test_errors() -> None:
    model = make()
    with pytest.raises(RuntimeError, match="backward_derivatives: found no forward pass"):
        model.backward_derivatives(np.zeros((7, 3)))
    with pytest.raises(ValueError, match="order: found 3, wanted 1 or 2"):
        model.input_derivatives(X, D, 3)
    with pytest.raises(ValueError, match=r"direction: found shape \(3,\), wanted \(4,\)"):
        model.input_derivatives(X, np.ones(3))
    with pytest.raises(ValueError, match=r"vector: found shape \(2,\)"):
        model.parameter_jvp(X, np.ones(2))
    with pytest.raises(ValueError, match=r"'log_softmax', wanted one with second.*softmax.*tanh"):
        make("tanh", "log_softmax").input_derivatives(X, D)
    own = make((np.tanh, lambda x, a: 1 - a * a))
    with pytest.raises(ValueError, match="found a Python function"):
        own.input_derivatives(X, D)
    model.input_derivatives(X, D, 1)
    with pytest.raises(ValueError, match="grad_d2u: found an array, wanted None"):
        model.backward_derivatives(None, None, np.zeros((7, 3)))
    with pytest.raises(ValueError, match="grad_u"):
        model.backward_derivatives(np.zeros((6, 3)))
    v = np.zeros(len(model.parameters))
    with pytest.raises(RuntimeError, match="not compiled"):
        model.hessian_vector_product(X, np.zeros((7, 3)), v)
    model.compile("sgd", "poisson")
    with pytest.raises(ValueError, match=r"loss: found 'poisson', wanted.*log_cosh"):
        model.hessian_vector_product(X, np.zeros((7, 3)), v)
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match="from_logits=True"):
        model.hessian_vector_product(X, np.zeros((7, 3)), v)


def test_another_product_in_between_does_not_close_the_pass() -> None:
    model = make()
    model.compile("sgd", "mse")
    u, du, _ = model.input_derivatives(X, D)
    model.backward_derivatives(u, du)
    expected = model.gradients.copy()
    model.input_derivatives(X, D)
    model.hessian_vector_product(X[:3], np.zeros((3, 3)), np.ones(len(model.parameters)))
    model.backward_derivatives(u, du)
    assert (model.gradients == expected).all()


def test_against_jax() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    model = make(others=False)
    model.compile("sgd", "mse")
    (w1, b1, w2, _), y = model.get_weights(), np.zeros((7, 3))
    sizes = np.cumsum([w1.size, b1.size, w2.size])

    def outputs(p: Any, x: Any) -> Any:
        a, b, c, d = jnp.split(p, sizes)
        return jnp.tanh(x @ a.reshape(w1.shape) + b) @ c.reshape(w2.shape) + d

    p, v = jnp.array(model.parameters), np.random.default_rng(1).normal(size=len(model.parameters))

    def slope(x: Any) -> Any:
        return jax.jvp(lambda x: outputs(p, x), (x,), (D,))[1]

    assert_close(model.input_derivatives(X, D)[2], jax.jvp(slope, (X,), (D,))[1], 1e-12)
    gradient = jax.grad(lambda p: ((outputs(p, X) - y) ** 2).mean())
    assert_close(model.hessian_vector_product(X, y, v), jax.jvp(gradient, (p,), (v,))[1], 1e-12)
