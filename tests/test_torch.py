"""The same training in PyTorch, where it is installed: an oracle that shares no line with ours."""

from typing import Any

import numpy as np
import pytest

import densecore as dc

torch = pytest.importorskip("torch")

CASES: dict[str, tuple[str, Any]] = {
    "mean_squared_error": ("linear", lambda: torch.nn.MSELoss()),
    "categorical_crossentropy": ("softmax", lambda: torch.nn.CrossEntropyLoss()),
    "sparse_categorical_crossentropy": ("softmax", lambda: torch.nn.CrossEntropyLoss()),
    "binary_crossentropy": ("sigmoid", lambda: torch.nn.BCEWithLogitsLoss()),
    "mean_absolute_error": ("linear", lambda: torch.nn.L1Loss()),
    "huber": ("linear", lambda: torch.nn.HuberLoss()),
}
HIDDEN = {"tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU}
# Those whose definition is the same; the others put epsilon elsewhere.
OPTIMIZERS: list[tuple[dict[str, Any], Any]] = [
    ({"name": "sgd"}, lambda p: torch.optim.SGD(p, lr=0.01)),
    ({"name": "adam"}, lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-7)),
    (
        {"name": "adam", "amsgrad": True},
        lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-7, amsgrad=True),
    ),
    # With a learning rate that stays, momentum in steps is momentum in gradients.
    ({"name": "sgd", "momentum": 0.5}, lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.5)),
    (
        {"name": "sgd", "momentum": 0.5, "nesterov": True},
        lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.5, nesterov=True),
    ),
    (
        {"name": "adadelta"},
        lambda p: torch.optim.Adadelta(p, lr=0.01, rho=0.95, eps=1e-7),
    ),
]


def trainings() -> list[Any]:
    """Every loss and hidden activation with sgd and adam, and every optimizer once."""
    cases = [
        (loss, hidden, config, make)
        for loss in CASES
        for hidden in HIDDEN
        for config, make in OPTIMIZERS[:2]
    ]
    return cases + [("categorical_crossentropy", "tanh", *case) for case in OPTIMIZERS[2:]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "hidden", "config", "make"), trainings())
def test_50_steps(loss: str, hidden: str, config: dict[str, Any], make: Any, dtype: str) -> None:
    last, make_loss = CASES[loss]
    model = dc.Sequential(
        [dc.Input(9), dc.Dense(16, hidden), dc.Dense(4, last)], dtype=dtype, seed=1
    )
    model.compile(dc.optimizers.get({**config, "learning_rate": 0.01}), loss)
    kind = getattr(torch, dtype)
    peer = torch.nn.Sequential(torch.nn.Linear(9, 16), HIDDEN[hidden](), torch.nn.Linear(16, 4))
    peer = peer.to(kind)
    linears = [peer[0], peer[2]]
    with torch.no_grad():
        for layer, linear in zip(model.layers, linears, strict=True):
            linear.weight.copy_(torch.from_numpy(layer.weight.copy()))
            linear.bias.copy_(torch.from_numpy(layer.bias.copy()))
    update = make(peer.parameters())
    criterion = make_loss()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(33, 9)).astype(dtype)
    y: Any = rng.dirichlet(np.ones(4), 33).astype(dtype)
    if loss.startswith("sparse"):
        y = rng.integers(0, 4, 33)
    for _ in range(50):
        own = model.train_on_batch(x, y)
        update.zero_grad()
        theirs = criterion(peer(torch.from_numpy(x)), torch.from_numpy(y))
        theirs.backward()
        update.step()
    tolerance = {"float32": 2e-5, "float64": 1e-11}[dtype]
    assert own == pytest.approx(theirs.item(), rel=tolerance)
    for layer, linear in zip(model.layers, linears, strict=True):
        np.testing.assert_allclose(layer.weight, linear.weight.detach(), rtol=0, atol=tolerance)
        np.testing.assert_allclose(layer.bias, linear.bias.detach(), rtol=0, atol=tolerance)


def as_torch(array: Any) -> Any:
    return torch.from_numpy(np.array(array, np.float64))


ACTIVATIONS: dict[str, tuple[dict[str, Any], Any]] = {
    "leaky_relu": ({}, lambda z: torch.nn.functional.leaky_relu(z, 0.2)),
    "relu6": ({}, torch.nn.functional.relu6),
    "elu": ({"alpha": 0.5}, lambda z: torch.nn.functional.elu(z, 0.5)),
    "selu": ({}, torch.nn.functional.selu),
    "celu": ({"alpha": 2.0}, lambda z: torch.nn.functional.celu(z, 2.0)),
    "gelu": ({}, torch.nn.functional.gelu),
    "silu": ({}, torch.nn.functional.silu),
    "mish": ({}, torch.nn.functional.mish),
    "softplus": ({}, lambda z: torch.nn.functional.softplus(z, threshold=1000)),
    "softsign": ({}, torch.nn.functional.softsign),
    "log_sigmoid": ({}, torch.nn.functional.logsigmoid),
    "hard_sigmoid": ({}, torch.nn.functional.hardsigmoid),
    "hard_silu": ({}, torch.nn.functional.hardswish),
    "hard_tanh": ({}, torch.nn.functional.hardtanh),
    "tanh_shrink": ({}, torch.nn.functional.tanhshrink),
    "log_softmax": ({}, lambda z: torch.nn.functional.log_softmax(z, 1)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    parameters, theirs = ACTIVATIONS[name]
    z = np.random.default_rng(1).normal(size=(9, 13)) * 4
    g = np.random.default_rng(2).normal(size=z.shape)
    activation = dc.activations.Activation(name, **parameters)
    tensor = as_torch(z).requires_grad_()
    a = theirs(tensor)
    a.backward(as_torch(g))
    own = activation(z)
    # Of a sixth torch has no more digits than a float.
    rtol = 1e-6 if name in ("hard_sigmoid", "hard_silu") else 1e-11
    np.testing.assert_allclose(own, a.detach(), rtol=rtol, atol=1e-13)
    np.testing.assert_allclose(
        dc.ops.activation_gradient(activation, z, own, g), tensor.grad, rtol=rtol, atol=1e-13
    )


def test_gelu_with_tanh() -> None:
    z = np.random.default_rng(1).normal(size=(9, 13)) * 4
    theirs = torch.nn.functional.gelu(as_torch(z), approximate="tanh")
    np.testing.assert_allclose(dc.activations.gelu(z, approximate=True), theirs, atol=1e-14)


def test_losses() -> None:
    rng = np.random.default_rng(1)
    a, y = rng.uniform(0.1, 0.9, (9, 4)), rng.dirichlet(np.ones(4), 9)
    f = torch.nn.functional
    pairs = [
        (dc.losses.KLDivergence()(y, a), f.kl_div(as_torch(a).log(), as_torch(y), reduction="sum")),
        (
            -dc.losses.CosineSimilarity()(y, a),
            f.cosine_similarity(as_torch(a), as_torch(y)).mean(),
        ),
        (
            dc.losses.CategoricalCrossentropy(True, 0.25)(y, a),
            f.cross_entropy(as_torch(a), as_torch(y), label_smoothing=0.25),
        ),
        (
            dc.losses.GaussianNLL()(y[:, :2], a),
            f.gaussian_nll_loss(as_torch(a[:, :2]), as_torch(y[:, :2]), as_torch(np.exp(a[:, 2:]))),
        ),
        (
            dc.losses.Poisson()(y, a),
            f.poisson_nll_loss(as_torch(a), as_torch(y), log_input=False, eps=1e-7),
        ),
    ]
    pairs[0] = (pairs[0][0], pairs[0][1] / 9)
    for own, theirs in pairs:
        assert own == pytest.approx(float(theirs), rel=1e-6)
