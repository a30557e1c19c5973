"""The NumPy reference against central differences, hand-worked numbers and its own contract."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from conftest import ACTIVATIONS as WITH_PARAMETERS
from conftest import CLASS_NUMBERS
from densecore import reference as ref

Array = npt.NDArray[Any]

ACTIVATIONS = sorted(ref.ACTIVATIONS)
# Those of the note, as outputs of every loss.
OUTPUT_ACTIVATIONS = ["linear", "relu", "sigmoid", "softmax", "tanh"]
LOSSES = sorted(ref.LOSSES)
DTYPES = [np.float32, np.float64]
# Every loss with every reduction it has.
LOSS_REDUCTIONS = [(loss, reduction) for loss in LOSSES for reduction in ref.NETWORK_REDUCTIONS[:3]]
LOSS_REDUCTIONS += [("mean_squared_error", "sum_over_outputs")]

BATCH, INPUTS, HIDDEN, OUTPUTS = 4, 5, 6, 4


def relative_error(found: Array, wanted: Array) -> float:
    # Signs may cancel to nothing: of a gradient of 0 only the rounding is left.
    return float(np.linalg.norm(found - wanted) / max(np.linalg.norm(wanted), 1e-3))


def targets(loss: str) -> Array:
    rng = np.random.default_rng(7)
    if loss in CLASS_NUMBERS:
        return rng.integers(0, OUTPUTS, BATCH)
    if loss == "gaussian_nll":  # two outputs for each target
        return rng.uniform(0.1, 0.9, (BATCH, OUTPUTS // 2))
    # Rows that do not add up to 1, so that the factor sum(y) of the fused form matters.
    return rng.uniform(0.1, 0.9, (BATCH, OUTPUTS))


def network(hidden: str, output: str, dtype: Any = np.float64) -> ref.Network:
    rng = np.random.default_rng(3)
    W1 = rng.normal(0, 0.5, (HIDDEN, INPUTS)).astype(dtype)
    W2 = rng.normal(0, 0.1, (OUTPUTS, HIDDEN)).astype(dtype)
    # Biases of 0.5 keep unbounded outputs away from the edges of the clipped logarithms.
    return ref.Network(
        [
            (W1, rng.normal(0, 0.5, HIDDEN).astype(dtype), hidden),
            (W2, np.full(OUTPUTS, 0.5, dtype), output),
        ]
    )


def inputs(dtype: Any = np.float64) -> Array:
    return np.random.default_rng(5).normal(0, 1, (BATCH, INPUTS)).astype(dtype)


def flatten(gradients: ref.Gradients) -> list[Array]:
    return [g for pair in gradients for g in pair if g is not None]


# Gradients.


@pytest.mark.parametrize(("name", "parameters"), WITH_PARAMETERS)
def test_activation_gradient_agrees_with_central_differences(
    name: str, parameters: dict[str, Any]
) -> None:
    rng = np.random.default_rng(1)
    z = rng.uniform(0.2, 2.0, (3, 4)) * np.where(np.arange(12).reshape(3, 4) % 3, 1, -1)
    g = rng.normal(size=(3, 4))
    f = ref.ACTIVATIONS[name]
    found = f.backward(z, f.forward(z, **parameters), g, **parameters)
    wanted = ref.numerical_gradient(lambda p: float(np.sum(g * f.forward(p, **parameters))), z)
    assert relative_error(found, wanted) < 1e-7


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_gradient_agrees_with_central_differences(loss: str) -> None:
    rng = np.random.default_rng(2)
    a, y = rng.uniform(0.2, 0.8, (BATCH, OUTPUTS)), targets(loss)
    value, gradient = ref.LOSSES[loss].value, ref.LOSSES[loss].gradient
    wanted = ref.numerical_gradient(lambda p: float(np.sum(value(p, y))), a)
    assert relative_error(gradient(a, y), wanted) < 1e-7


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "reduction"), LOSS_REDUCTIONS)
@pytest.mark.parametrize("output", OUTPUT_ACTIVATIONS)
def test_backward_agrees_with_central_differences(
    output: str, loss: str, reduction: str, weighted: bool
) -> None:
    net, x, y = network("tanh", output), inputs(), targets(loss)
    weight = np.array([0.5, 2.0, 0.0, 1.25]) if weighted else None

    def C(_: Array) -> float:
        return net.loss(x, y, loss, reduction, weight)

    net.forward(x)
    found = flatten(net.backward(y, loss, reduction, weight))
    assert len(found) == len(net.parameters) == 4
    for gradient, parameter in zip(found, net.parameters, strict=True):
        assert gradient.shape == parameter.shape
        assert relative_error(gradient, ref.numerical_gradient(C, parameter)) < 1e-7


@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_backward_from_agrees_with_central_differences(hidden: str) -> None:
    net, x = network(hidden, "sigmoid"), inputs()
    g = np.random.default_rng(11).normal(size=(BATCH, OUTPUTS))

    def C(_: Array) -> float:
        return float(np.sum(g * net.forward(x)))

    net.forward(x)
    gradients, dx = net.backward_from(g)
    for gradient, parameter in zip(flatten(gradients), net.parameters, strict=True):
        assert relative_error(gradient, ref.numerical_gradient(C, parameter)) < 1e-7
    assert relative_error(dx, ref.numerical_gradient(C, x)) < 1e-7


def test_backward_from_the_loss_gradient_is_backward() -> None:
    net, x, y = network("relu", "tanh"), inputs(), targets("mse")
    a = net.forward(x)
    wanted = flatten(net.backward(y))
    found = flatten(net.backward_from(ref.mse_gradient(a, y))[0])
    for f, w in zip(found, wanted, strict=True):
        np.testing.assert_allclose(f, w, rtol=1e-13)


@pytest.mark.parametrize("loss", [name for name in LOSSES if ref.LOSSES[name].link])
def test_fused_form_is_the_composition(loss: str) -> None:
    entry, y = ref.LOSSES[loss], targets(loss)
    assert entry.link is not None
    assert entry.fused_value is not None
    assert entry.fused_gradient is not None
    z = np.random.default_rng(4).normal(size=(BATCH, OUTPUTS))
    a = ref.activation(entry.link, z)
    composed = ref.activation_gradient(entry.link, z, a, entry.gradient(a, y))
    np.testing.assert_allclose(entry.fused_value(z, y), entry.value(a, y), rtol=1e-13)
    np.testing.assert_allclose(entry.fused_gradient(z, y), composed, rtol=1e-12, atol=1e-15)


def test_network_uses_the_fused_form() -> None:
    # 800 = -log softmax would be cut off at -log(1e-7) = 16.1 when computed from a.
    net = ref.Network([(np.array([[400.0], [-400.0]]), None, "softmax")])
    x, y = np.ones((1, 1)), np.array([[0.0, 1.0]])
    assert net.loss(x, y, "categorical_crossentropy") == 800.0
    ((dW, db),) = net.backward(y, "categorical_crossentropy")
    np.testing.assert_array_equal(dW, [[1.0], [-1.0]])
    assert db is None


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "binary_crossentropy"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_are_clipped_and_have_no_gradient_there(loss: str, dtype: Any) -> None:
    a = np.array([[0.0, 0.5], [1.0, 0.5], [-3.0, 0.5]], dtype)
    y = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]], dtype)
    value, gradient = ref.LOSSES[loss].value(a, y), ref.LOSSES[loss].gradient(a, y)
    n = 2 if loss == "binary_crossentropy" else 1
    assert value[0] == value[2] == pytest.approx((-math.log(1e-7) + math.log(2)) / n, rel=1e-6)
    np.testing.assert_array_equal(gradient[:, 0], np.zeros(3))
    np.testing.assert_allclose(gradient[:, 1], -2.0 / n, rtol=1e-6)


# Values by hand.


def test_activations_by_hand() -> None:
    z = np.array([[math.log(3.0), 0.0]])
    np.testing.assert_allclose(ref.activation("sigmoid", z), [[0.75, 0.5]], rtol=1e-15)
    np.testing.assert_allclose(ref.activation("softmax", z), [[0.75, 0.25]], rtol=1e-15)
    np.testing.assert_allclose(ref.activation("tanh", z), [[0.8, 0.0]], rtol=1e-15)
    np.testing.assert_array_equal(ref.activation("relu", np.array([-2.0, 0.0, 2.0])), [0, 0, 2])
    np.testing.assert_array_equal(ref.activation("linear", z), z)


def test_losses_by_hand() -> None:
    a, y = np.array([[0.25, 0.75]]), np.array([[0.0, 1.0]])
    value = {name: ref.LOSSES[name].value for name in LOSSES}
    nll = -math.log(0.75)
    assert value["mean_squared_error"](a, y) == pytest.approx([0.0625])
    assert value["categorical_crossentropy"](a, y) == pytest.approx([nll])
    assert value["sparse_categorical_crossentropy"](a, np.array([1])) == pytest.approx([nll])
    assert value["binary_crossentropy"](a, y) == pytest.approx([nll])
    np.testing.assert_allclose(
        ref.LOSSES["binary_crossentropy"].gradient(a, y), [[2 / 3, -2 / 3]], rtol=1e-14
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_mse_reductions(dtype: Any) -> None:
    a, y = np.array([[1, 2], [3, 5]], dtype), np.array([[0, 2], [3, 2]], dtype)
    assert ref.mse(a, y) == 2.5
    assert ref.mse(a, y, "sum") == 10.0
    assert type(ref.mse(a, y)) is float
    np.testing.assert_array_equal(ref.mse_gradient(a, y), [[0.5, 0], [0, 1.5]])
    np.testing.assert_array_equal(ref.mse_gradient(a, y, "sum"), [[2, 0], [0, 6]])
    assert ref.mse_gradient(a, y).dtype == dtype


def test_products_by_hand() -> None:
    W, x, b = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([1.0, -1.0]), np.ones(3)
    np.testing.assert_array_equal(ref.matvec(W, x), [-1, -1, -1])
    np.testing.assert_array_equal(ref.dense(x[None], W, b), [[0, 0, 0]])
    np.testing.assert_array_equal(ref.dense(x[None], W, None, "relu"), [[0, 0, 0]])
    np.testing.assert_array_equal(ref.dense(np.eye(2), W, None), W.T)


def test_sgd_step_by_hand() -> None:
    parameter = np.array([1.0, -2.0])
    ref.sgd_update(parameter, np.array([0.5, 1.0]), 0.1)
    np.testing.assert_allclose(parameter, [0.95, -2.1], rtol=1e-15)


def test_adam_steps_by_hand() -> None:
    # Gradients 2, then -1; beta_1 = 1/2, beta_2 = 3/4, lr = 1/10, epsilon = 1/100.
    # Step 1: m = 1, v = 1; m_hat = 1/(1/2) = 2, v_hat = 1/(1/4) = 4;
    #         p = 1 - 0.1 * 2 / (2 + 0.01).
    # Step 2: m = 0.5 - 0.5 = 0, v = 0.75 + 0.25 = 1; m_hat = 0: p does not move.
    # Step 3, gradient 3: m = 1.5, v = 0.75 + 2.25 = 3; m_hat = 1.5/(7/8) = 12/7,
    #         v_hat = 3/(37/64) = 192/37.
    p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    hyper = {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.01}
    first = 1.0 - 0.2 / 2.01
    third = first - 0.1 * (12 / 7) / (math.sqrt(192 / 37) + 0.01)
    steps = [(2.0, 1.0, 1.0, first), (-1.0, 0.0, 1.0, first), (3.0, 1.5, 3.0, third)]
    for step, (g, m_wanted, v_wanted, p_wanted) in enumerate(steps, 1):
        ref.adam_update(p, np.array([g]), m, v, step, **hyper)
        assert (m[0], v[0]) == (m_wanted, v_wanted)
        assert p[0] == pytest.approx(p_wanted, rel=1e-14)


def test_adam_defaults_are_the_paper_s_with_keras_epsilon() -> None:
    p, m, v = np.array([0.0]), np.zeros(1), np.zeros(1)
    ref.adam_update(p, np.array([1e-7]), m, v, 1)
    # On the first step m_hat = g and sqrt(v_hat) = |g| = epsilon: half of the learning rate.
    assert p[0] == pytest.approx(-0.0005, rel=1e-9)
    assert m[0] == pytest.approx(1e-8, rel=1e-12)
    assert v[0] == pytest.approx(1e-17, rel=1e-12)


def test_adam_in_float32_keeps_the_bias_corrections() -> None:
    # 1 - 0.999 evaluated in float32 is off by 5e-5; computed in double and rounded it is not.
    p, m, v = (np.zeros(1, np.float32) for _ in range(3))
    ref.adam_update(p, np.array([2.0], np.float32), m, v, 1)
    assert v[0] == pytest.approx(0.004, rel=1e-7)
    assert p[0] == pytest.approx(-0.001, rel=5e-7)
    assert {p.dtype, m.dtype, v.dtype} == {np.dtype(np.float32)}


# Dtypes, extremes, NaN.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_keep_the_dtype(name: str, dtype: Any) -> None:
    z = np.array([[-1.0, 0.5, 2.0]], dtype)
    a = ref.activation(name, z)
    dz = ref.activation_gradient(name, z, a, z)
    assert (a.dtype, dz.dtype) == (dtype, dtype)
    assert a.shape == dz.shape == z.shape
    assert not np.shares_memory(a, z)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_keep_the_dtype(loss: str, dtype: Any) -> None:
    entry, a = ref.LOSSES[loss], np.full((BATCH, OUTPUTS), 0.3, dtype)
    rows = [entry.value, entry.fused_value]
    gradients = [entry.gradient, entry.fused_gradient]
    y = targets(loss)  # float64 or integers, whatever the dtype of a
    for row in filter(None, rows):
        assert (row(a, y).dtype, row(a, y).shape) == (dtype, (BATCH,))
    for gradient in filter(None, gradients):
        assert (gradient(a, y).dtype, gradient(a, y).shape) == (dtype, (BATCH, OUTPUTS))


# A loss gives the gradient, whatever the optimizer; an optimizer changes what it is given.
STEPS = [(loss, reduction, "adam") for loss, reduction in LOSS_REDUCTIONS]
STEPS += [("mean_squared_error", "sum", optimizer) for optimizer in sorted(ref.OPTIMIZERS)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "reduction", "optimizer"), STEPS)
def test_network_keeps_the_dtype(loss: str, reduction: str, optimizer: str, dtype: Any) -> None:
    net = network("relu", "softmax", dtype)
    x, y, weight = inputs(), targets(loss), np.full(BATCH, 0.3)
    assert type(net.train_on_batch(x, y, optimizer, loss, reduction, weight)) is float
    gradients = flatten(net.backward(y, loss, reduction, weight))
    kept = [s for states in net.states for s in states]
    for array in [*net.parameters, *net.z, *net.a, *gradients, *kept]:
        assert array.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_at_extremes(name: str, dtype: Any) -> None:
    z = np.array([[-1e4, 1e4, 0.0]], dtype)
    limits = {
        "linear": z[0],
        "sigmoid": [0, 1, 0.5],
        "tanh": [-1, 1, 0],
        "relu": [0, 1e4, 0],
        "softmax": [0, 1, 0],
        "leaky_relu": [-2e3, 1e4, 0],
        "relu6": [0, 6, 0],
        "elu": [-1, 1e4, 0],
        "selu": [-1.7580993408473768, 10507.009873554805, 0],
        "celu": [-1, 1e4, 0],
        "gelu": [0, 1e4, 0],
        "silu": [0, 1e4, 0],
        "mish": [0, 1e4, 0],
        "softplus": [0, 1e4, math.log(2)],
        "softsign": [-1e4 / 10001, 1e4 / 10001, 0],
        "log_sigmoid": [-1e4, 0, -math.log(2)],
        "hard_sigmoid": [0, 1, 0.5],
        "hard_silu": [0, 1e4, 0],
        "hard_tanh": [-1, 1, 0],
        "tanh_shrink": [-9999, 9999, 0],
        "log_softmax": [-2e4, 0, -1e4],
        "exponential": [0, math.inf, 1],
        "hard_shrink": [-1e4, 1e4, 0],
        "soft_shrink": [-9999.5, 9999.5, 0],
        "threshold": [0, 1e4, 0],
        "sparse_plus": [0, 1e4, 0.25],
        "sparse_sigmoid": [0, 1, 0.5],
        "squareplus": [9.9999999e-5, 1e4, 1],
    }
    may_overflow = "ignore" if name == "exponential" else "raise"
    errors = np.errstate(over=may_overflow, invalid="raise", divide="raise")
    with errors, warnings.catch_warnings():
        warnings.simplefilter("error")
        a = ref.activation(name, z)
        dz = ref.activation_gradient(name, z, a, np.ones_like(z))
    np.testing.assert_allclose(a[0], np.asarray(limits[name], dtype), rtol=4e-7, atol=0)
    assert np.isfinite(dz).all() or name == "exponential"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output", OUTPUT_ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_at_extremes(loss: str, output: str, dtype: Any) -> None:
    net = ref.Network([(np.eye(OUTPUTS, dtype=dtype), None, output)])
    x = np.array([[1e4, -1e4, 0.0, 1.0]] * BATCH, dtype)
    if loss == "poisson":  # rates are positive
        x = np.abs(x)
    with np.errstate(over="raise", invalid="raise", divide="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        C = net.loss(x, targets(loss), loss)
        ((dW, _),) = net.backward(targets(loss), loss)
    assert math.isfinite(C)
    assert np.isfinite(dW).all()


def test_sigmoid_keeps_its_small_values() -> None:
    # 1 / (1 + e^-z) in its other form, e^z / (1 + e^z), does not lose the tail.
    found = ref.activation("sigmoid", np.array([-700.0, -40.0]))
    np.testing.assert_allclose(found, [math.exp(-700), math.exp(-40)], rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_propagate_nan(name: str) -> None:
    z = np.array([[np.nan, 0.75], [0.625, 0.75]])  # within every piece that is not flat
    a = ref.activation(name, z)
    dz = ref.activation_gradient(name, z, a, np.ones_like(z))
    # A softmax row is NaN as a whole, as its sum is.
    row = [True, name.endswith("softmax")]
    np.testing.assert_array_equal(np.isnan(a), [row, [False, False]])
    if name != "linear":
        np.testing.assert_array_equal(
            np.isnan(dz), [[name != "relu", name.endswith("softmax")], [False, False]]
        )
    through = ref.activation_gradient(name, z, a, np.full_like(z, np.nan))
    assert np.isnan(through).all()


def test_relu_passes_the_gradient_unless_the_unit_is_off() -> None:
    z = np.array([-1.0, -1.0, 0.0, np.nan, 2.0])
    g = np.array([3.0, np.nan, 3.0, 3.0, 3.0])
    found = ref.activation_gradient("relu", z, ref.activation("relu", z), g)
    np.testing.assert_array_equal(found, [0.0, 0.0, 0.0, 3.0, 3.0])


@pytest.mark.parametrize("output", OUTPUT_ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_propagate_nan(loss: str, output: str) -> None:
    net, x = network("tanh", output), inputs()
    x[1, 2] = np.nan
    assert math.isnan(net.loss(x, targets(loss), loss))
    for gradient in flatten(net.backward(targets(loss), loss)):
        assert np.isnan(gradient).any()


# Reductions and sample weights.


@pytest.mark.parametrize(("loss", "reduction"), LOSS_REDUCTIONS)
def test_integer_weights_are_repeated_rows(loss: str, reduction: str) -> None:
    net, x, y, times = network("tanh", "sigmoid"), inputs(), targets(loss), np.array([3, 1, 0, 2])
    weighted = net.loss(x, y, loss, reduction, times)
    gradients = flatten(net.backward(y, loss, reduction, times))
    x, y = np.repeat(x, times, axis=0), np.repeat(y, times, axis=0)
    if reduction == "sum_over_batch_size":  # 4 rows divide the weighted sum, 6 that of the copies
        weighted *= 4 / 6
        gradients = [gradient * 4 / 6 for gradient in gradients]
    assert weighted == pytest.approx(net.loss(x, y, loss, reduction), rel=1e-14)
    for found, wanted in zip(gradients, flatten(net.backward(y, loss, reduction)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-16)


def test_reductions_of_the_network_are_those_of_mse() -> None:
    net, x, y = network("tanh", "linear"), inputs(), targets("mse")
    mean, total = net.loss(x, y), net.loss(x, y, reduction="sum_over_outputs")
    assert mean == pytest.approx(ref.mse(net.a[-1], y, "mean"), rel=1e-14)
    assert total == pytest.approx(ref.mse(net.a[-1], y, "sum"), rel=1e-14)
    assert net.loss(x, y, reduction="sum") == pytest.approx(mean * BATCH, rel=1e-14)
    assert total == pytest.approx(mean * BATCH * OUTPUTS, rel=1e-14)


def test_rows_without_weight_teach_nothing() -> None:
    net, x, y = network("tanh", "linear"), inputs(), targets("mse")
    assert net.loss(x, y, sample_weight=np.zeros(BATCH)) == 0.0
    for gradient in flatten(net.backward(y, sample_weight=np.zeros(BATCH))):
        assert not gradient.any()


def test_sparse_targets_are_one_hot_targets() -> None:
    net, x, y = network("tanh", "sigmoid"), inputs(), targets("sparse_categorical_crossentropy")
    one_hot = np.eye(OUTPUTS)[y]
    sparse = net.loss(x, y, "sparse_categorical_crossentropy")
    assert sparse == net.loss(x, one_hot, "categorical_crossentropy")


# The network.


def test_forward_is_dense_after_dense() -> None:
    net, x = network("relu", "softmax"), inputs()
    a = net.forward(x)
    (W1, b1, _), (W2, b2, _) = net.layers
    a1 = ref.dense(x, W1, b1, "relu")
    np.testing.assert_array_equal(net.a[0], x)
    np.testing.assert_array_equal(net.a[1], a1)
    np.testing.assert_array_equal(net.z[2], ref.dense(a1, W2, b2))
    np.testing.assert_array_equal(a, ref.dense(a1, W2, b2, "softmax"))


def test_network_copies_its_parameters_and_uses_them() -> None:
    W = np.ones((1, 1))
    net = ref.Network([(W, None, "identity")])
    net.parameters[0][...] = 3.0
    assert W[0, 0] == 1.0
    assert net.forward([[2.0]])[0, 0] == 6.0


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.5), ("adam", 0.05)])
def test_training_learns_xor(optimizer: str, rate: float) -> None:
    rng = np.random.default_rng(0)
    net = ref.Network(
        [
            (rng.normal(size=(8, 2)), rng.normal(size=8), "tanh"),
            (rng.normal(size=(1, 8)), np.zeros(1), "sigmoid"),
        ]
    )
    x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    losses = [
        net.train_on_batch(x, y, optimizer, "binary_crossentropy", learning_rate=rate)
        for _ in range(300)
    ]
    assert losses[-1] < 0.1 < losses[0]
    np.testing.assert_array_equal(net.forward(x) > 0.5, y)


def test_train_on_batch_takes_the_optimizer_s_steps() -> None:
    net, x, y = network("tanh", "linear"), inputs(), targets("mse")
    p = net.parameters[0].copy()
    m, v = np.zeros_like(p), np.zeros_like(p)
    for step in (1, 2, 3):
        before = net.loss(x, y)
        gradient = flatten(net.backward(y))[0]
        assert net.train_on_batch(x, y, "adam", learning_rate=0.1) == before
        ref.adam_update(p, gradient, m, v, step, learning_rate=0.1)
        assert net.step == step
        np.testing.assert_array_equal(net.parameters[0], p)
    np.testing.assert_array_equal(net.states[0], [m, v])
    net.train_on_batch(x, y, "sgd")
    assert net.step == 1
    assert net.states[0] == []


# Names, arguments, and what is refused.


def test_aliases_mean_what_they_stand_for() -> None:
    z = np.array([[-1.0, 2.0]])
    np.testing.assert_array_equal(ref.activation("identity", z), z)
    net = network("identity", "linear")
    assert net.layers[0][2] == "linear"
    assert net.loss(inputs(), targets("mse"), "mse", "sum") == net.loss(
        inputs(), targets("mse"), "mean_squared_error", "sum"
    )
    known = {**ref.ACTIVATIONS, **ref.LOSSES, **ref.OPTIMIZERS}
    assert not set(ref.ALIASES) & set(known)
    assert set(ref.ALIASES.values()) <= set(known)


def test_out_is_filled_and_returned() -> None:
    W, x = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    out1, out2 = np.empty(1), np.empty((1, 1))
    assert ref.matvec(W, x[0], out=out1) is out1
    assert ref.dense(x, W, None, out=out2) is out2
    assert (out1[0], out2[0, 0]) == (11.0, 11.0)
    z = np.array([[0.0, 0.0]])
    assert ref.activation("sigmoid", z, out=z) is z
    np.testing.assert_array_equal(z, [[0.5, 0.5]])
    grad = np.ones_like(z)
    assert ref.activation_gradient("sigmoid", z, z, grad, out=grad) is grad
    np.testing.assert_array_equal(grad, [[0.25, 0.25]])
    assert ref.mse_gradient(x, x + 1, "sum", out=grad) is grad
    np.testing.assert_array_equal(grad, [[-2, -2]])


def test_numerical_gradient_restores_its_argument() -> None:
    p = np.array([1.0, 2.0])

    def f(q: Array) -> float:
        if q[1] != 2.0:
            raise ArithmeticError
        return float(q[0] ** 2)

    with pytest.raises(ArithmeticError):
        ref.numerical_gradient(f, p)
    np.testing.assert_array_equal(p, [1.0, 2.0])
    quadratic = ref.numerical_gradient(lambda q: float(q @ q), p, step=0.5)
    np.testing.assert_allclose(quadratic, [2.0, 4.0], rtol=1e-15)


@pytest.mark.parametrize("optimizer", sorted(ref.OPTIMIZERS))
def test_a_refused_step_changes_nothing(optimizer: str) -> None:
    net, x, y = network("tanh", "linear"), inputs(), targets("mse")
    net.train_on_batch(x, y, optimizer)
    before = [p.copy() for p in net.parameters]
    refused: list[dict[str, Any]] = [{"learning_rate": -1.0}, {"speed": 0.9}]
    for wrong in refused:
        with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
            net.train_on_batch(x, y, optimizer, **wrong)
    assert net.step == 1
    for p, kept in zip(net.parameters, before, strict=True):
        np.testing.assert_array_equal(p, kept)


def test_everything_public_exists() -> None:
    assert set(ref.__all__) <= set(dir(ref))
    assert all(getattr(ref, name).__doc__ for name in ref.__all__)
