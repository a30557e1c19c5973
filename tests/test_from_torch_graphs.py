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
    """Parameters of its own: factors, and a kernel with its bias; and one used in two ways."""

    def __init__(self, refused: bool = False) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.rand(3))
        self.kernel, self.bias = nn.Parameter(torch.randn(2, 3)), nn.Parameter(torch.randn(2))
        self.layer, self.refused = nn.Linear(3, 3), refused

    def forward(self, x: Any) -> Any:
        x = self.layer(x) * self.factor
        return x + self.factor if self.refused else F.linear(x, self.kernel, self.bias)


class Standardised(nn.Module):  # type: ignore[misc,name-defined]
    """Means and deviations of the data, and numbers of its own on either side of operators."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(3))
        self.register_buffer("deviation", torch.rand(1, 3) + 0.5)
        self.register_buffer("unit", torch.tensor(2.0))
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)
        self.shift, self.power = nn.Parameter(torch.randn(4)), nn.Parameter(torch.rand(4) + 0.5)
        self.level = nn.Parameter(torch.tensor(0.7))
        self.scale = nn.Parameter(torch.tensor([3.0, 0.5]))

    def forward(self, x: Any) -> Any:
        h = self.first((x - self.mean) / self.deviation) / self.unit
        h = torch.exp(self.shift - h).clamp(max=5) ** self.power
        return (self.level + self.last(h / self.level)) / self.scale


def test_buffers_and_parameters_stand_on_either_side_of_operators() -> None:
    torch.manual_seed(0)
    module, x = Standardised(), torch.randn(20, 3)
    model = dc.from_torch(module, input_shape=3)
    found = model.predict(x.numpy(), verbose=0)
    assert found == pytest.approx(module(x).detach().numpy(), rel=1e-5, abs=1e-6)


def _view(x: Any) -> Any:
    return x.view(x.shape[0], -1, 2).transpose(1, 2).reshape(-1, x.shape[1])


def _pair(x: Any) -> Any:
    left, right = torch.chunk(x, 2, dim=1)
    return left - right


def _stacked(x: Any) -> Any:
    return torch.stack([x, -x], dim=1).permute(0, 2, 1).flatten(start_dim=1)


@pytest.mark.parametrize(
    "function",
    [
        _view, _pair, _stacked,
        lambda x: x - x.mean(dim=1, keepdim=True),
        lambda x: x / (1 + x.abs().sum(-1).unsqueeze(1)),
        lambda x: x.unsqueeze(1).squeeze(1), lambda x: x[:, None, :].flatten(1),
        lambda x: x.clamp(-0.5, 0.5), lambda x: torch.clip(x, max=0.2),
        lambda x: F.layer_norm(x, (4,)), lambda x: F.normalize(x, dim=-1),
        lambda x: F.hardtanh(x, -0.3, 0.4), lambda x: F.glu(x, dim=-1),
        lambda x: x.narrow(1, 1, 2), lambda x: x[:, [0, 2]], lambda x: x[:, 0],
        lambda x: torch.max(x, -x).detach().to(torch.float32),
        lambda x: x.view(-1, 2, 2)[:, 1], lambda x: x.view(-1, 2, 2).flatten(1),
        lambda x: torch.bmm(x.view(-1, 2, 2), x.view(-1, 2, 2)).flatten(1),
        lambda x: F.cosine_similarity(x, x.tanh()),
        lambda x: torch.where(x > 0, x, 0.1 * x), lambda x: x.masked_fill(x <= 0.1, -1e3),
        lambda x: torch.nan_to_num(x * float("nan"), nan=0.5) + torch.isnan(x),
        # The members of an ensemble.
        lambda x: torch.stack([x, -x, x * x]).mean(0), lambda x: torch.stack([x, -x]).amax(dim=0),
        lambda x: torch.stack([x.tanh(), x])[0],
        # A machine of factors: the square of a sum less the sum of squares.
        lambda x: 0.5 * (x.view(-1, 2, 2).sum(1) ** 2 - (x.view(-1, 2, 2) ** 2).sum(1)).sum(1),
        lambda x: (x.view(-1, 2, 2) - x.view(-1, 2, 2).mean(2, keepdim=True)).sum(-1),
    ],
)  # fmt: skip
def test_functions_of_tensors_are_layers(function: Any) -> None:
    torch.manual_seed(0)

    class Module(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return function(self.layer(x))

    module, x = Module().eval(), torch.randn(9, 4)
    with torch.no_grad():
        wanted = module(x).numpy()
    found = dc.from_torch(module).predict(x.numpy(), verbose=0)
    assert found.reshape(wanted.shape) == pytest.approx(wanted, abs=2e-6)


class Twins(nn.Module):  # type: ignore[misc,name-defined]
    """How alike two rows are."""

    def __init__(self) -> None:
        super().__init__()
        self.code, self.alike = nn.Linear(4, 3), nn.CosineSimilarity(dim=-1)

    def forward(self, a: Any, b: Any) -> Any:
        return self.alike(self.code(a), self.code(b))


def test_the_cosine_of_two_rows_is_a_module_of_two_inputs() -> None:
    module = Twins().eval()
    a, b = torch.randn(8, 4), torch.randn(8, 4)
    found = dc.from_torch(module).predict([a.numpy(), b.numpy()], verbose=0)
    with torch.no_grad():
        assert found.reshape(8) == pytest.approx(module(a, b).numpy(), abs=1e-6)


class Shop(nn.Module):  # type: ignore[misc,name-defined]
    """A table for each column of categories, and numbers: modules in lists and dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(5, 3), nn.Embedding(4, 2)])
        self.heads = nn.ModuleDict({"sales": nn.Linear(7, 1), "kind": nn.Linear(7, 3)})

    def forward(self, c: Any, n: Any) -> Any:
        parts = [table(c[:, place]) for place, table in enumerate(self.tables)]
        h = torch.cat([*parts, n], dim=1)
        return {"sales": self.heads["sales"](h).squeeze(-1), "kind": self.heads["kind"](h)}


def test_columns_of_categories_and_lists_of_modules_are_followed() -> None:
    module = Shop().eval()
    c, n = torch.randint(0, 4, (8, 2)), torch.randn(8, 2)
    model = dc.from_torch(module, input_shape=[2, 2])
    with torch.no_grad():
        wanted = module(c, n)
    for name, found in model.predict([c.numpy(), n.numpy()], verbose=0).items():
        assert found.reshape(8, -1) == pytest.approx(wanted[name].numpy().reshape(8, -1), abs=1e-6)


@pytest.mark.parametrize("kind", ["stack", "graph", "scaled", "own"])
def test_one_step_of_training_is_the_same(kind: str) -> None:
    torch.manual_seed(0)
    stack = nn.Sequential(
        nn.Sequential(nn.Linear(3, 5), nn.Tanh()), nn.LayerNorm(5), nn.Flatten(), nn.PReLU(5),
        nn.Linear(5, 2),
    )  # fmt: skip

    class Skip(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.last = nn.Linear(3, 3), nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            h = x + torch.relu(self.layer(x))
            return self.last(torch.cat([h, self.layer(h)], dim=1))

    module = {"stack": stack, "graph": Skip(), "scaled": Scaled(), "own": Standardised()}[kind]
    model = dc.from_torch(module, input_shape=3)
    model.compile(dc.optimizers.SGD(0.1), "mse")
    x, y = torch.randn(16, 3), torch.randn(16, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        ((module(x) - y) ** 2).mean().backward()
        optimizer.step()
        model.train_on_batch(x.numpy(), y.numpy())
    wanted = module(x).detach().numpy()
    assert model.predict(x.numpy(), verbose=0) == pytest.approx(wanted, rel=1e-5, abs=1e-5)


class Asking(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self, what: Any) -> None:
        super().__init__()
        self.what, self.layer = what, nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        return self.what(self.layer(x))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Scaled(True), "call_function add.*: found a parameter that is used in several ways"),
        (Asking(lambda x: x + torch.ones(3, 1)), "found"),
        (Asking(lambda x: torch.stack([x, x]).mean(1)), "found mean of what is stacked along 0"),
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
