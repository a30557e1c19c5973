"""PyTorch modules that are more than stacks, as graphs of layers."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore._data.structures import leaves, packed
from random_models import assert_near, random_graph_model

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


@pytest.mark.parametrize("seed", range(24))
def test_what_to_torch_makes_of_a_graph_comes_back(seed: int) -> None:
    dtype = ("float32", "float64")[seed % 2]
    model, x = random_graph_model(seed, dtype)
    back = dc.from_torch(model.to_torch())
    assert back.dtype == dtype
    found = leaves(back.predict(packed(back._input_structure, list(x)), verbose=0))
    assert_near(found, model, x, iter([1e-5] * len(found)), "from_torch")


class Tower(nn.Module):  # type: ignore[misc,name-defined]
    """As people write modules: functions, skips, shapes, several inputs and outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.norm = nn.LayerNorm(8)
        self.block = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Dropout(0.2))
        self.category = nn.Embedding(5, 3)
        self.slope = nn.PReLU()
        self.head = nn.Linear(14, 2)

    def forward(self, x: Any, shop: Any) -> Any:
        h = F.relu(self.norm(self.first(x)))
        h = h + self.block(h)
        h = self.block(h) * 0.5 - torch.tanh(h)
        e = self.category(shop).view(shop.size(0), -1)
        joined = torch.cat([h, F.leaky_relu(e, 0.2)], dim=1)
        out = self.head(self.slope(joined))
        return F.softmax(out, dim=-1), torch.sigmoid(h), x[:, 1:3]


def test_a_module_of_ones_own_is_followed() -> None:
    torch.manual_seed(0)
    module = Tower().eval()
    with torch.no_grad():
        module.slope.weight.fill_(0.3)
    model = dc.from_torch(module, input_shape={"shop": (2,)})
    assert model.input_names == ["x", "shop"]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 6)).astype(np.float32)
    shop = rng.integers(0, 5, (9, 2))
    with torch.no_grad():
        wanted = module(torch.from_numpy(x), torch.from_numpy(shop))
    for found, other in zip(model.predict([x, shop], verbose=0), wanted, strict=True):
        assert found == pytest.approx(other.numpy(), abs=1e-6)
    assert sum(isinstance(each, dc.layers.Dense) for each in model.layers) == 3  # shared ones once


class Scaled(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(3))
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        return self.layer(x) * self.factor


class Asking(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self, what: Any) -> None:
        super().__init__()
        self.what, self.layer = what, nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        return self.what(self.layer(x))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Scaled(), "from_torch: get_attr factor: found numbers outside of modules"),
        (Asking(lambda x: x if x.sum() > 0 else -x), "found a forward that torch.fx cannot follow"),
        (Asking(torch.sort), "from_torch: call_function sort: found sort, wanted one of: abs"),
        (Asking(lambda x: F.softmax(x, dim=0)), "found dim=0, wanted -1"),
        (Asking(nn.LSTM(3, 3)), r"from_torch: .*found LSTM, wanted one of"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(module: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dc.from_torch(module)


def test_an_input_that_no_module_says_the_size_of_is_asked_for() -> None:
    class Sum(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: Any, y: Any) -> Any:
            return self.layer(x + y)

    with pytest.raises(ValueError, match=r"input x: found no module .* wanted input_shape="):
        dc.from_torch(Sum())
    model = dc.from_torch(Sum(), input_shape=[3, 3])
    assert model.input_shape == [(None, 3), (None, 3)]
