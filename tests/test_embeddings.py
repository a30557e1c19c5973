"""Embeddings in the core: rows of tables, their gradients, and updates of the rows of a batch."""

import copy
import re
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import DTYPES, LEVELS, NETWORKS, assert_close
from graphs import expected_gradients, network_of_graph, twin

TOLERANCE = {"float32": 3e-5, "float64": 1e-11}
ROWS = [1, 4, 60, 700]
# x: two columns of one table, three numbers, a column of another table, and one of the first again.
CATEGORIES, OTHERS, INPUTS = 11, 300, 7
SPECS: list[dict[str, Any]] = [
    {"kind": "embedding", "categories": CATEGORIES, "units": 3, "sources": [(-1, 0, 2)]},
    {"kind": "dense", "units": 8, "activation": "tanh", "sources": [(-1, 2, 3)]},
    {"kind": "embedding", "categories": OTHERS, "units": 5, "sources": [(-1, 5, 1)]},
    {"kind": "embedding", "categories": CATEGORIES, "units": 3, "sources": [(-1, 6, 1)],
     "shares": 0},
    {"kind": "concatenate", "sources": [(0, 0, -1), (1, 0, -1), (2, 0, -1), (3, 0, -1)]},
    {"kind": "dense", "units": 12, "activation": "tanh"},
    {"kind": "dense", "units": 2},
]  # fmt: skip


def wide(specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With so many units that the network goes layer by layer."""
    return [*specs[:5], {**specs[5], "units": 3000}, specs[6]]


def data(rows: int, dtype: str, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, CATEGORIES - 2, (rows, 2)), rng.integers(5, 200, (rows, 1))
    x = np.hstack([ids[0], rng.normal(size=(rows, 3)), ids[1], ids[0][:, :1]])
    return x.astype(dtype), rng.normal(size=(rows, 2)).astype(dtype)


def compiled(
    dtype: str, optimizer: Any = None, specs: Any = None, level: str | None = None, **more: Any
) -> Any:
    network = network_of_graph(dtype, INPUTS, specs or SPECS, level)
    made = optimizer or dc.optimizers.SGD(0.1)
    network.compile("mean_squared_error", "sum_over_batch_size", made._settings, [], 0, **more)
    return network


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_both_passes_are_the_references(dtype: str, rows: int, level: str) -> None:
    network = compiled(dtype, level=level)
    for seed in range(2):  # the second one's gradient is of other rows
        x, _ = data(rows, dtype, seed)
        graph = twin(network, SPECS)
        out = network.forward(x, None, True, None, -1)
        assert_close(out, graph.forward(x), TOLERANCE[dtype], "output")
        dx = network.backward(out, True, False, None)
        assert_close(dx, graph.backward(out), 10 * TOLERANCE[dtype], "dC/dx")
        wanted = expected_gradients(network, SPECS, graph)
        assert_close(network.gradients, wanted, 10 * TOLERANCE[dtype], "gradients")
        network.forward(x, None, True, None, -1)
        network.backward(out, False, True, None)
        assert_close(network.gradients, 2 * wanted, 10 * TOLERANCE[dtype], "twice")


@pytest.mark.parametrize("specs", [SPECS, wide(SPECS)], ids=["narrow", "wide"])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_is_the_references(dtype: str, rows: int, specs: Any) -> None:
    x, y = data(rows, dtype)
    network = compiled(dtype, specs=specs)
    graph = twin(network, specs)
    residual = graph.forward(x) - y
    graph.backward(2 * residual / residual.size)
    wanted = expected_gradients(network, specs, graph)
    before = network.parameters.copy()
    loss = network.loss_and_gradients(x, y)
    assert_close(loss, np.mean(residual**2), 10 * TOLERANCE[dtype])
    assert_close(network.gradients, wanted, 10 * TOLERANCE[dtype])
    assert network.train_on_batch(x, y) == pytest.approx(loss, rel=1e-6)
    after = network.parameters.copy()
    assert_close(before - after, 0.1 * wanted, 1e-3 if dtype == "float32" else 1e-9)
    network.parameters[:] = before
    network.train_batch(x, y, None, network.running_metrics())
    assert_close(network.parameters, after, TOLERANCE[dtype])


def lazy_adam(network: Any, batches: list[Any], rate: float) -> Any:
    """The table of layer 2 after steps on the gradients of batches, of whose rows alone it takes
    notice: Adam with the model's number of steps."""
    table = network.layer_views(2)[0]["embeddings"].astype(np.float64)
    m, v = np.zeros_like(table), np.zeros_like(table)
    for step, (x, y) in enumerate(batches, 1):
        network.loss_and_gradients(x, y)
        g = network.layer_views(2)[1]["embeddings"].astype(np.float64)
        rows = np.unique(x[:, 5].astype(int))
        m[rows] += 0.1 * (g[rows] - m[rows])
        v[rows] += 0.001 * (g[rows] ** 2 - v[rows])
        root = np.sqrt(v[rows] / (1 - 0.999**step))
        table[rows] -= rate / (1 - 0.9**step) * m[rows] / (root + 1e-7)
        network.train_on_batch(x, y)
    return table, m


@pytest.mark.parametrize("specs", [SPECS, wide(SPECS)], ids=["narrow", "wide"])
@pytest.mark.parametrize("rows", [3, 60, 700])
def test_adam_changes_the_rows_of_the_batch_only(rows: int, specs: Any) -> None:
    batches = [data(rows, "float64", seed) for seed in range(4)]
    network = compiled("float64", dc.optimizers.Adam(0.01), specs)
    start = network.layer_views(2)[0]["embeddings"].copy()
    wanted, momentum = lazy_adam(network, batches, 0.01)
    found = network.layer_views(2)[0]["embeddings"]
    assert_close(found, wanted, 1e-9)
    used = np.unique(np.concatenate([x[:, 5] for x, _ in batches])).astype(int)
    others = np.setdiff1d(np.arange(OTHERS), used)
    assert len(others) > 50
    assert (found[others] == start[others]).all()
    at = (found.__array_interface__["data"][0]
          - network.parameters.__array_interface__["data"][0]) // 8  # fmt: skip
    state = network.optimizer_states()["m"][at : at + found.size]
    assert_close(state.reshape(found.shape), momentum, 1e-9)


@pytest.mark.parametrize("rows", [3, 60, 700])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop", "AdamW", "Adagrad"])
def test_fit_is_a_loop_of_steps(optimizer: str, rows: int) -> None:
    ran = []
    x, y = data(2 * rows, "float32")
    for way in range(3):
        network = compiled("float32", getattr(dc.optimizers, optimizer)(0.01))
        for i in (0, rows):
            part = slice(i, i + rows)
            if way == 0:
                network.train_on_batch(x[part], y[part])
            elif way == 1:
                out = network.forward(x[part], None, True, None, i // rows)
                network.backward((out - y[part]) * np.float32(2 / out.size), False, False, None)
                network.apply_gradients()
        if way == 2:
            network.fit(x, y, None, None, 1, rows, False, [])
        ran.append(network.parameters.copy())
    assert_close(ran[1], ran[0], 2e-4)
    assert_close(ran[2], ran[0], 2e-5)


def test_gradients_of_the_callers_own_count_for_their_rows() -> None:
    network = compiled("float32", dc.optimizers.Adam(0.01))
    x, y = data(8, "float32")
    network.loss_and_gradients(x, y)
    table, gradient = (network.layer_views(2)[n]["embeddings"] for n in (0, 1))
    before = table.copy()
    gradient[250] = 1
    network.apply_gradients()
    changed = np.flatnonzero((table != before).any(axis=1))
    assert set(changed) == {250, *x[:, 5].astype(int)}


@pytest.mark.parametrize(
    "optimizer",
    [
        dc.optimizers.SGD(0.1, momentum=0.9, use_ema=True),
        dc.optimizers.Adam(0.01, gradient_accumulation_steps=2),
        dc.optimizers.Adam(0.01, clipnorm=0.01),
        dc.optimizers.Adam(0.01, global_clipnorm=0.01),
        dc.optimizers.AdamW(0.01, weight_decay=0.1),
    ],
    ids=["average", "accumulation", "clipnorm", "global clipnorm", "decay"],
)
@pytest.mark.parametrize("rows", [3, 60])
def test_other_steps_go_together_with_tables(optimizer: Any, rows: int) -> None:
    network = compiled("float32", optimizer)
    losses = [network.train_on_batch(*data(rows, "float32")) for _ in range(40)]
    assert losses[-1] < losses[0]
    assert np.isfinite(network.parameters).all()


@pytest.mark.parametrize(
    ("optimizer", "penalty"),
    [
        (dc.optimizers.SGD(0.1), "l2"),
        (dc.optimizers.Adam(0.01), "l1"),
        (dc.optimizers.Adam(0.01, gradient_accumulation_steps=2), None),
        (dc.optimizers.Lamb(0.01), None),
        (dc.optimizers.Lamb(0.01, gradient_accumulation_steps=2), "l2"),
    ],
    ids=["sgd with l2", "adam with l1", "accumulation", "lamb", "lamb with all"],
)
@pytest.mark.parametrize("rows", [1, 3])
def test_steps_that_write_gradients_of_all_rows_leave_none(
    optimizer: Any, penalty: str | None, rows: int
) -> None:
    """A table is the dense layer of indicators that it stands for, step after step."""
    numbers, indicators = dc.Input(1), dc.Input(5)
    looked_up = dc.layers.Flatten()(
        dc.layers.Embedding(5, 3, embeddings_regularizer=penalty)(numbers)
    )
    product = dc.layers.Dense(3, use_bias=False, kernel_regularizer=penalty)(indicators)
    models = [
        dc.Model(numbers, dc.layers.Dense(2)(looked_up), dtype="float64", seed=0),
        dc.Model(indicators, dc.layers.Dense(2)(product), dtype="float64", seed=1),
    ]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        model.compile(copy.deepcopy(optimizer), "mse")
    rng = np.random.default_rng(0)
    for _ in range(8):
        ids, y = rng.integers(0, 5, rows), rng.normal(size=(rows, 2))
        batches = ids[:, None].astype(float), np.eye(5)[ids]
        losses = [model.train_on_batch(x, y) for model, x in zip(models, batches, strict=True)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)
        for array, wanted in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
            np.testing.assert_allclose(array, wanted, rtol=1e-9, atol=1e-12)
        for model, x in zip(models, batches, strict=True):
            model.loss_and_gradients(x, y)  # adds penalties to the buffer, and makes no step
        gradients = [[*model.layer_gradients().values()] for model in models]
        for of_layer, other in zip(*gradients, strict=True):
            for array, wanted in zip(of_layer.values(), other.values(), strict=True):
                np.testing.assert_allclose(array, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [4, 60])
def test_tables_that_are_not_trained_stay(rows: int, dtype: str) -> None:
    network = compiled(dtype, dc.optimizers.Adam(0.01))
    network.set_trainable(3, False)  # with layer 0, whose table it shares
    before = [network.layer_views(n)[0]["embeddings"].copy() for n in (0, 2)]
    for seed in range(3):
        network.train_on_batch(*data(rows, dtype, seed))
    after = [network.layer_views(n)[0]["embeddings"] for n in (0, 2)]
    assert (before[0] == after[0]).all()
    assert (before[1] != after[1]).any()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("rows", [40, 900])
def test_bits_do_not_depend_on_threads(rows: int, optimizer: str) -> None:
    threads, ran = dc.get_num_threads(), []
    x, y = data(2 * rows, "float32")
    try:
        for number in (1, 2):
            dc.set_num_threads(number)
            network = compiled("float32", getattr(dc.optimizers, optimizer)(0.01), wide(SPECS))
            network.fit(x, y, None, (x, y, None), 2, rows, True, [])
            ran.append(network.parameters.tobytes())
    finally:
        dc.set_num_threads(threads)
    assert ran[0] == ran[1]


CALLS: list[Any] = [
    lambda network, x, y: network.predict(x),
    lambda network, x, y: network.forward(x),
    lambda network, x, y: network.train_on_batch(x, y),
    lambda network, x, y: network.loss_and_gradients(x, y),
    lambda network, x, y: network.evaluate(x, y, None),
    lambda network, x, y: network.train_batch(x, y, None, network.running_metrics()),
    lambda network, x, y: network.fit(x, y, None, None, 1, 2, False, []),
    lambda network, x, y: network.fit(x[:20], y[:20], None, (x, y, None), 1, 2, False, []),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("value", "column", "wanted"),
    [
        (11, 1, "0 to 10, the rows of the embedding of layer 0"),
        (-1, 0, "0 to 10, the rows of the embedding of layer 0"),
        (0.5, 0, "0 to 10"),
        (np.nan, 5, "0 to 299, the rows of the embedding of layer 2"),
        (1e30, 6, "0 to 10, the rows of the embedding of layer 3"),
    ],
)
def test_bad_numbers_are_refused(call: Any, value: float, column: int, wanted: str) -> None:
    network = compiled("float64")
    x, y = data(30, "float64")
    before = network.parameters.tobytes()
    x[23, column] = value
    said = f"x: found {value:g} in row 23 of column {column}, wanted whole numbers {wanted}"
    with pytest.raises(ValueError, match=re.escape(said)):
        call(network, x, y)
    assert network.parameters.tobytes() == before


@pytest.mark.parametrize("rows", [30, 700])
def test_missing_numbers_are_row_0(rows: int) -> None:
    specs = [
        {"kind": "embedding", "categories": 5, "units": 3, "missing": 1},
        {"kind": "dense", "units": 2},
    ]
    x, y = data(rows, "float32")
    x = x[:, :1] % 5
    given = x.copy()
    given[3:9, 0] = [-1, 5, 0.5, np.nan, np.inf, 1e9]
    x[3:9] = 0
    ran = []
    for rows_of in (x, given):
        network = network_of_graph("float32", 1, specs)
        settings = dc.optimizers.Adam(0.01)._settings
        network.compile("mean_squared_error", "sum_over_batch_size", settings, [], 0)
        network.train_on_batch(rows_of, y)
        ran.append((network.predict(rows_of).tobytes(), network.parameters.tobytes()))
    assert ran[0] == ran[1]


ENSEMBLES = {"float32": dc._core.EnsembleF32, "float64": dc._core.EnsembleF64}


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_members_of_ensembles_train_as_alone(dtype: str, optimizer: str) -> None:
    x, y = data(60, dtype)
    networks = [network_of_graph(dtype, INPUTS, SPECS, seed=k) for k in range(3)]
    ensemble = ENSEMBLES[dtype](INPUTS, SPECS, 3)
    made = [getattr(dc.optimizers, optimizer)(0.01)._settings for _ in range(4)]
    ensemble.compile("mean_squared_error", "sum_over_batch_size", made[:3], [], False, [])
    for member, network in enumerate(networks):
        ensemble.parameters[member] = network.parameters
        network.compile("mean_squared_error", "sum_over_batch_size", made[3], [], 0)
    for seed in range(3):
        ensemble.train_on_batch(*data(60, dtype, seed))
        for network in networks:
            network.train_on_batch(*data(60, dtype, seed))
    for member, network in enumerate(networks):
        assert (ensemble.parameters[member] == network.parameters).all()
    before = ensemble.parameters.copy()
    x[40, 0] = 99
    members = ([x], [y], None, None)
    report = np.empty((1, 1, 3))
    for call in (
        lambda: ensemble.train_on_batch(x, y),
        lambda: ensemble.fit(members, None, 1, 4, False, report),
        lambda: ensemble.predict(x),
    ):
        with pytest.raises(ValueError, match="x: found 99 in row 40 of column 0"):
            call()
    assert (ensemble.parameters == before).all()


def test_specifications_of_embeddings_are_checked() -> None:
    table = {"kind": "embedding", "categories": 4, "units": 2}
    for network in NETWORKS.values():
        for specs, said in (
            ([{**table, "categories": 2**24 + 1}], "categories: found 16777217"),
            ([{**table, "categories": 0}], "categories: found 0"),
            ([{**table, "units": 0}], "units: found 0"),
            ([table, table], r"layer 1 \(embedding\): sources: found layer 0, wanted columns of x"),
            ([table, {**table, "units": 3, "shares": 0, "sources": [(-1, 0, -1)]}], "found"),
        ):
            with pytest.raises(ValueError, match=said):
                network(1, specs)


def test_derivatives_of_rows_are_refused_by_name() -> None:
    network = compiled("float64")
    x, _ = data(4, "float64")
    with pytest.raises(ValueError, match="found an embedding, wanted none"):
        network.parameter_jacobian(x, np.empty((8, network.parameter_count)))
    with pytest.raises(ValueError, match="second derivatives: found an embedding"):
        network.jets_forward(x, None, None, 1, False)
