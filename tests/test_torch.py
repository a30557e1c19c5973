"""The same training in PyTorch, where it is installed: an oracle that shares no line with ours."""

from typing import Any

import numpy as np
import pytest

import densecore as dc

torch = pytest.importorskip("torch")

CASES = {
    "mean_squared_error": ("linear", lambda: torch.nn.MSELoss()),
    "categorical_crossentropy": ("softmax", lambda: torch.nn.CrossEntropyLoss()),
    "sparse_categorical_crossentropy": ("softmax", lambda: torch.nn.CrossEntropyLoss()),
    "binary_crossentropy": ("sigmoid", lambda: torch.nn.BCEWithLogitsLoss()),
}
HIDDEN = {"tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("loss", dc.losses.names())
def test_50_steps(loss: str, hidden: str, optimizer: str, dtype: str) -> None:
    last, make_loss = CASES[loss]
    model = dc.Sequential(
        [dc.Input(9), dc.Dense(16, hidden), dc.Dense(4, last)], dtype=dtype, seed=1
    )
    model.compile(dc.optimizers.get({"name": optimizer, "learning_rate": 0.01}), loss)
    kind = getattr(torch, dtype)
    peer = torch.nn.Sequential(torch.nn.Linear(9, 16), HIDDEN[hidden](), torch.nn.Linear(16, 4))
    peer = peer.to(kind)
    linears = [peer[0], peer[2]]
    with torch.no_grad():
        for layer, linear in zip(model.layers, linears, strict=True):
            linear.weight.copy_(torch.from_numpy(layer.weight.copy()))
            linear.bias.copy_(torch.from_numpy(layer.bias.copy()))
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    extra: Any = {"eps": 1e-7} if optimizer == "adam" else {}
    update = make(peer.parameters(), lr=0.01, **extra)
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
