"""Networks of other libraries: read with their weights, written, and trained further alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import densecore as dc
from test_export import ACTIVATIONS, trained

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "parameters"), ACTIVATIONS)
def test_torch_modules_predict_the_same_and_come_back(
    name: str, parameters: dict[str, Any], dtype: str
) -> None:
    model, x = trained(dc.activations.Activation(name, **parameters), dtype)
    module = model.to_torch()
    with torch.no_grad():
        found = module(torch.from_numpy(x)).numpy()
    wanted = model.predict(x, verbose=0)
    tolerance = (1e-6 if dtype == "float32" else 1e-13) * np.abs(wanted).max()
    assert np.abs(found - wanted).max() <= tolerance
    back = dc.from_torch(module)
    assert back.dtype == dtype
    assert np.abs(back.predict(x, verbose=0) - wanted).max() <= tolerance


def own_loop(module: Any, optimizer: Any, x: np.ndarray, y: np.ndarray, steps: int) -> None:
    module.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_training_goes_on_alike(rule: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 6)).astype(np.float32), rng.integers(0, 3, 64)
    module = nn.Sequential(
        nn.Linear(6, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 8), nn.GELU(), nn.Linear(8, 3)
    )
    model = dc.from_torch(module)
    loss = dc.losses.SparseCategoricalCrossentropy(from_logits=True)
    if rule == "sgd":
        model.compile(dc.optimizers.SGD(0.1), loss)
        optimizer = torch.optim.SGD(module.parameters(), 0.1)
    else:
        model.compile(dc.optimizers.Adam(0.01, epsilon=1e-8), loss)
        optimizer = torch.optim.Adam(module.parameters(), 0.01, eps=1e-8)
    model.fit(x, y, batch_size=64, epochs=5, shuffle=False, verbose=0)
    own_loop(module, optimizer, x, y, 5)
    found = model.get_weights()
    wanted = [each.detach().numpy() for each in module.parameters()]
    wanted = [each.T if each.ndim == 2 else each for each in wanted]
    for a, b in zip(found, wanted, strict=True):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-5 * float(np.abs(b).max()))


def test_details_of_modules_are_kept() -> None:
    frozen = nn.Linear(4, 3, bias=False)
    frozen.weight.requires_grad_(False)
    norm = nn.BatchNorm1d(3, eps=1e-4, momentum=0.2)
    norm.running_mean += 1
    stack = nn.Sequential(
        frozen, norm, nn.Identity(), nn.Sequential(nn.Dropout(0.25), nn.Linear(3, 2))
    )
    model = dc.from_torch(stack, name="mine")
    dense, batch, dropout, last = model.layers
    assert (model.name, model.input_shape, model.dtype) == ("mine", (None, 4), "float32")
    assert (dense.trainable, dense.use_bias, last.trainable) == (False, False, True)
    assert batch.momentum == pytest.approx(0.8)
    assert (batch.epsilon, dropout.rate) == (1e-4, 0.25)
    assert batch.moving_mean == pytest.approx(np.ones(3))
    again = model.to_torch()
    assert [each.requires_grad for each in again[0].parameters()] == [False]
    assert not again.training
    # Copies: training one does not change the other.
    model.layers[0].weight[...] = 0
    assert float(frozen.weight.abs().sum()) > 0


@pytest.mark.parametrize(
    "module",
    [nn.Hardtanh(-2, 1), nn.Hardtanh(0.25, 0.5), nn.Softplus(beta=2), nn.Softplus(0.3, 50)],
)
def test_activations_of_other_limits_are_layers_around_those_that_there_are(module: Any) -> None:
    stack, x = nn.Sequential(nn.Linear(3, 9), module, nn.Linear(9, 2)), torch.randn(20, 3)
    found = dc.from_torch(stack).predict(x.numpy(), verbose=0)
    assert found == pytest.approx(stack(x).detach().numpy(), abs=1e-6)


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm", "orthogonal"])
def test_parametrizations_give_the_weight_that_they_make(kind: str) -> None:
    layer = getattr(nn.utils.parametrizations, kind)(nn.Linear(4, 3))
    stack, x = nn.Sequential(layer, nn.Tanh(), nn.Linear(3, 2)).eval(), torch.randn(20, 4)
    model = dc.from_torch(stack)
    found = model.predict(x.numpy(), verbose=0)
    assert found == pytest.approx(stack(x).detach().numpy(), abs=1e-6)
    assert len(model.layers) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.Conv1d(1, 1, 1)), "1: found Conv1d, wanted one"),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Bilinear(1, 1, 1))), "1.0: found"),
        (lambda: nn.ReLU(), "wanted input_shape="),
        (lambda: nn.Linear(3, 3).half(), "found numbers of float16, wanted float32 or float64"),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double()), "float32 and float64"),
        (lambda: nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 1)), "of shape .4, 1., wanted .3, 1."),
        (lambda: nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=0)), "found dim=0, wanted -1"),
        (lambda: nn.Sequential(nn.Linear(2, 3), nn.Flatten(0)), "found start_dim=0, end_dim=-1"),
        (lambda: nn.Sequential(nn.Bilinear(2, 2, 3)), "0: found Bilinear, wanted one of"),
        (lambda: nn.BatchNorm1d(3, track_running_stats=False), "track_running_stats=False"),
        (lambda: nn.BatchNorm1d(3, momentum=None), "momentum=None"),
        (lambda: nn.LayerNorm((2, 3)), r"normalized_shape=\(2, 3\)"),
    ],
)
def test_modules_that_cannot_be_layers_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dc.from_torch(make())


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"found int, wanted a torch.nn.Module"):
        dc.from_torch(3)
    with pytest.raises(RuntimeError, match="no parameters yet"):
        dc.Sequential([dc.Dense(2)]).to_torch()
