"""Graphs of layers in the core: against the reference, by threads and sizes; what is refused."""

import re
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import DTYPES, LEVELS, NETWORKS, assert_close
from densecore._base import core
from densecore.layers.lowering import Plan
from densecore.models.frozen import freeze
from graphs import (
    ORACLES,
    expected_gradients,
    network_of_graph,
    penalty_of,
    random_graph,
    twin,
)

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
# (seed, inputs, layers, widest, rows): batches of the small plan, of a chain with several leaves
# (with blocks that are not full), of single rows, and of a network that goes layer by layer.
SIZES = [
    (0, 5, 6, 9, 3),
    (1, 3, 12, 20, 1),
    (2, 6, 18, 12, 40),
    (3, 4, 25, 40, 300),
    (4, 9, 10, 70, 1100),
    (5, 20, 12, 200, 150),
    (6, 8, 30, 16, 7),
]
#: Of these some layers look at all rows of a batch.
COUPLED = [(7, 6, 18, 12, 40), (8, 5, 40, 60, 300), (12, 4, 24, 9, 5)]
ALL_SIZES = [*SIZES, *COUPLED]


def case(dtype: str, number: int, level: str | None = None) -> tuple[Any, Any, Any]:
    seed, inputs, nodes, widest, rows = ALL_SIZES[number]
    rng = np.random.default_rng(seed)
    specs = random_graph(rng, inputs, nodes, widest, coupled=number >= len(SIZES))
    network = network_of_graph(dtype, inputs, specs, level)
    return network, specs, rng.normal(size=(rows, inputs)).astype(dtype)


def settings(name: str = "SGD", rate: float = 0.01) -> Any:
    return getattr(dc.optimizers, name)(rate)._settings


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("number", range(len(ALL_SIZES)))
@pytest.mark.parametrize("dtype", DTYPES)
def test_both_passes_are_the_references(dtype: str, number: int, level: str) -> None:
    network, specs, x = case(dtype, number, level)
    graph = twin(network, specs)
    expected = graph.forward(x, training=True)
    out = network.forward(x, None, True, None, -1)
    assert_close(out, expected, TOLERANCE[dtype], "output")
    # A sum that nearly cancels has the errors of its terms: relative to other layers' outputs.
    size = 0.1 * max(float(np.abs(each).max()) for each in graph.outputs if each.size)
    for found, wanted in zip(network.layer_outputs(), graph.outputs, strict=True):
        assert_close(np.append(found, size), np.append(wanted, size), TOLERANCE[dtype])
    g = np.random.default_rng(1).normal(size=out.shape).astype(dtype)
    dx = network.backward(g, True, False, None)
    assert_close(dx, graph.backward(g), 20 * TOLERANCE[dtype], "dC/dx")
    wanted = expected_gradients(network, specs, graph)
    assert_close(network.gradients, wanted, 20 * TOLERANCE[dtype], "dC/dp")
    # Without the gradient by x, and added to what is there.
    network.forward(x, None, True, None, -1)
    network.gradients[:] = 7
    network.backward(g, False, False, None)
    assert_close(network.gradients, wanted, 20 * TOLERANCE[dtype], "dC/dp alone")
    network.forward(x, None, True, None, -1)
    network.backward(g, False, True, None)
    assert_close(network.gradients, 2 * wanted, 20 * TOLERANCE[dtype], "twice")


@pytest.mark.parametrize("rows", [1, 9, 200])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_random_numbers_functions_and_tables_are_the_references(
    dtype: str, level: str, rows: int
) -> None:
    function: Any = (np.sin, lambda x, a: np.cos(x))
    specs: list[Any] = [
        {"kind": "embedding", "categories": 5, "units": 3, "missing": 1, "sources": [(-1, 0, 2)]},
        {"kind": "dropout", "rate": 0.25, "sources": [(-1, 2, 4)]},
        {"kind": "concatenate", "sources": [(0, 0, -1), (1, 0, -1)]},
        {"kind": "dense", "units": 6, "activation": "tanh"},
        {"kind": "gaussian_noise", "stddev": 0.5},
        {"kind": "function"},
        {"kind": "dropout", "rate": 0.5, "sources": [(3, 0, -1)]},
        {"kind": "heads", "activations": [("softmax", []), ("relu_general", [0.1, 2.0, 0.2])],
         "sources": [(5, 0, -1), (6, 0, -1)]},
    ]  # fmt: skip
    network = network_of_graph(dtype, 6, specs, level)
    network.set_function(5, *function)
    specs[5]["function"] = function
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 6)).astype(dtype)
    x[:, :2] = rng.choice([0, 1, 2, 3, 4, -1, 7, 0.5], (rows, 2))
    graph = twin(network, specs, step=2**64 - 1, rows=rows)  # the first pass of its own
    out = network.forward(x, None, True, None, -1)
    assert_close(out, graph.forward(x, training=True), TOLERANCE[dtype])
    g = rng.normal(size=out.shape).astype(dtype)
    dx = network.backward(g, True, False, None)
    assert_close(dx, graph.backward(g), 20 * TOLERANCE[dtype], "dC/dx")
    wanted = expected_gradients(network, specs, graph)
    assert_close(network.gradients, wanted, 20 * TOLERANCE[dtype], "dC/dp")


@pytest.mark.parametrize("number", range(len(ALL_SIZES)))
@pytest.mark.parametrize("dtype", DTYPES)
def test_training_is_the_references(dtype: str, number: int) -> None:
    network, specs, x = case(dtype, number)
    y = np.random.default_rng(2).normal(size=(len(x), 3)).astype(dtype)
    network.compile("mean_squared_error", "sum_over_batch_size", settings(), [], 0)
    graph = twin(network, specs, penalties=True)
    residual = graph.forward(x, training=True) - y
    graph.backward(2 * residual / residual.size)
    wanted = expected_gradients(network, specs, graph)
    loss = network.loss_and_gradients(x, y)
    wanted_loss = np.mean(residual**2) + penalty_of(graph)
    assert_close(loss, wanted_loss, 20 * TOLERANCE[dtype], "loss")
    assert_close(network.gradients, wanted, 20 * TOLERANCE[dtype], "gradients")
    before = network.parameters.copy()
    assert network.train_on_batch(x, y) == pytest.approx(loss, rel=1e-6)
    after = network.parameters.copy()
    step = np.float64(0.01) * wanted
    assert_close(before - after, step, 1e-2 if dtype == "float32" else 1e-8, "step")
    # By the passes that store no gradients, too.
    network.parameters[:] = before
    network.train_batch(x, y, None, network.running_metrics())
    assert_close(network.parameters, after, TOLERANCE[dtype], "a step of fit")


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_gradients_are_central_differences(number: int) -> None:
    network, _, x = case("float64", number)
    x = x[:5]
    y = np.random.default_rng(2).normal(size=(len(x), 3))
    network.compile("mean_squared_error", "sum_over_batch_size", settings(), [], 0)
    network.loss_and_gradients(x, y)
    found = network.gradients.copy()
    rng = np.random.default_rng(3)
    for i in rng.choice(found.size, min(found.size, 60), replace=False):
        kept, losses = network.parameters[i], []
        for shift in (-1e-5, 1e-5):
            network.parameters[i] = kept + shift
            losses.append(network.evaluate(x, y, None)[0])
        network.parameters[i] = kept
        numeric = (losses[1] - losses[0]) / 2e-5
        assert found[i] == pytest.approx(numeric, abs=1e-6 * np.abs(found).max(), rel=1e-5)


def trained(dtype: str, number: int, optimizer: str) -> list[bytes]:
    network, _, _ = case(dtype, number)
    network.parameters[:] *= 0.25  # products of many factors grow
    _, inputs, _, _, batch = ALL_SIZES[number]
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2 * batch + 1, inputs)).astype(dtype)
    y = rng.normal(size=(len(x), 3)).astype(dtype)
    network.compile("mean_squared_error", "sum_over_batch_size", settings(optimizer, 1e-4), [], 0)
    results: list[Any] = []
    network.fit(x, y, None, (x[:3], y[:3], None), 3, batch, True, results)
    assert np.isfinite(results[0][-1])
    return [
        network.parameters.tobytes(),
        network.predict(x).tobytes(),
        repr([results, network.evaluate(x, y, None)]).encode(),
    ]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("number", range(len(ALL_SIZES)))
@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_do_not_depend_on_threads(dtype: str, number: int, optimizer: str) -> None:
    before = dc.get_num_threads()
    try:
        dc.set_num_threads(1)
        alone = trained(dtype, number, optimizer)
        dc.set_num_threads(2)
        assert trained(dtype, number, optimizer) == alone
    finally:
        dc.set_num_threads(before)


@pytest.mark.parametrize("number", range(len(ALL_SIZES)))
def test_a_rows_prediction_is_its_own(number: int) -> None:
    network, _, x = case("float32", number)
    whole = network.predict(x)
    for begin, end in ((0, 1), (len(x) // 2, len(x))):
        assert network.predict(x[begin:end]).tobytes() == whole[begin:end].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [3, 200])
def test_passes_on_tapes_do_not_mix(rows: int, dtype: str) -> None:
    network, specs, _ = case(dtype, 2)
    xs = [np.random.default_rng(k).normal(size=(rows, 6)).astype(dtype) for k in range(2)]
    tapes = [network.make_tape() for _ in xs]
    outs = [network.forward(x, None, False, tape, -1) for x, tape in zip(xs, tapes, strict=True)]
    for x, tape, out in zip(xs, tapes, outs, strict=True):
        graph = twin(network, specs)
        graph.forward(x)
        dx = network.backward(out, True, False, tape)
        assert_close(dx, graph.backward(out), 20 * TOLERANCE[dtype])
        wanted = expected_gradients(network, specs, graph)
        assert_close(network.gradients, wanted, 20 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("frozen", range(0, 12, 3))
def test_layers_that_are_not_trained_stay(frozen: int, dtype: str) -> None:
    network, specs, x = case(dtype, 2)
    y = np.zeros((len(x), 3), dtype)
    network.compile("mean_squared_error", "sum_over_batch_size", settings(), [], 0)
    network.loss_and_gradients(x, y)
    whole = network.gradients.copy()
    network.set_trainable(frozen, False)
    network.loss_and_gradients(x, y)
    root = specs[frozen].get("shares", frozen)
    for number in range(len(specs)):
        _, gradients, _ = network.layer_views(number)
        same = specs[number].get("shares", number) == root
        for array in gradients.values():
            begin = (
                array.__array_interface__["data"][0]
                - network.gradients.__array_interface__["data"][0]
            ) // array.itemsize
            wanted = np.zeros(array.size) if same else whole[begin : begin + array.size]
            assert_close(array.ravel(), wanted, 20 * TOLERANCE[dtype])
    before = network.parameters.copy()
    network.train_on_batch(x, y)
    for name, array in network.layer_views(root)[0].items():
        begin = (
            array.__array_interface__["data"][0] - network.parameters.__array_interface__["data"][0]
        ) // array.itemsize
        assert (array.ravel() == before[begin : begin + array.size]).all(), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("rows", "across"), [((1, 1), (0, 0)), ((2, 3), (0, 0)), ((2, 3), (1, 0)), ((4, 2), (1, 1))]
)
def test_dot_of_matrices(rows: tuple[int, int], across: tuple[int, int], dtype: str) -> None:
    k = 5
    specs = [
        {"kind": "dense", "units": rows[0] * k},
        {"kind": "dense", "units": rows[1] * k, "sources": [(-1, 0, -1)]},
        {"kind": "dot", "first_rows": rows[0], "second_rows": rows[1], "first_across": across[0],
         "second_across": across[1], "sources": [(0, 0, -1), (1, 0, -1)]},
    ]  # fmt: skip
    network = network_of_graph(dtype, 3, specs)
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(dtype)
    graph = twin(network, specs)
    out = network.forward(x, None, False, None, -1)
    assert_close(out, graph.forward(x), TOLERANCE[dtype])
    assert_close(network.backward(out, True, False, None), graph.backward(out), 2e-5)
    assert_close(network.gradients, expected_gradients(network, specs, graph), 2e-5)


def test_shared_layers_have_one_set_of_parameters() -> None:
    dense = {"kind": "dense", "units": 4}
    network = NETWORKS["float32"](4, [dense, {**dense, "shares": 0}, {**dense, "shares": 1}])
    assert network.parameter_count == 20
    first, second = (network.layer_views(n)[0]["kernel"] for n in (0, 2))
    assert np.shares_memory(first, second)
    first[...] = np.eye(4) * 2
    assert (network.predict(np.ones((1, 4), np.float32)) == 8).all()
    norm = {"kind": "batch_normalization"}
    network = NETWORKS["float32"](4, [norm, {**norm, "shares": 0}])
    states = [network.layer_views(n)[2]["moving_mean"] for n in (0, 1)]
    assert np.shares_memory(*states)


DENSE = {"kind": "dense", "units": 3}


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ([{**DENSE, "sources": [(0, 0, -1)]}],
         "layer 0 (dense): sources: found layer 0, wanted -1 for x"),
        ([DENSE, {**DENSE, "sources": [(2, 0, -1)]}, DENSE],
         "layer 1 (dense): sources: found layer 2, wanted an earlier one, 0 to 0, or -1 for x"),
        ([{**DENSE, "sources": [(-1, 2, 3)]}],
         "layer 0 (dense): sources: found 3 columns from 2 of x, which has 4"),
        ([{**DENSE, "sources": [(-1, 0, 0)]}], "found 0 columns from 0 of x"),
        ([{**DENSE, "sources": [(-1, -1, 2)]}], "found 2 columns from -1 of x"),
        ([DENSE, {**DENSE, "sources": [(0, 1, 2)]}],
         "layer 1 (dense): sources: found 2 of the 3 columns of layer 0, wanted all of them"),
        ([{**DENSE, "sources": [(-1, 0, 2), (-1, 2, 2)]}],
         "layer 0 (dense): sources: found 2, wanted 1"),
        ([DENSE, {"kind": "subtract", "sources": [(0, 0, -1)]}],
         "layer 1 (subtract): sources: found 1, wanted 2"),
        ([DENSE, {"kind": "add", "sources": [(0, 0, -1), (-1, 0, -1)]}],
         "layer 1 (add): found inputs of 3, 4 columns, wanted all of one width, or of one column"),
        ([DENSE, {"kind": "dot", "sources": [(0, 0, -1), (-1, 0, -1)]}],
         "layer 1 (dot): found rows of 3 and 4 elements, wanted as many in both inputs"),
        ([DENSE, {"kind": "dot", "first_rows": 2, "sources": [(0, 0, -1), (0, 0, -1)]}],
         "layer 1 (dot): found an input of 3 columns, wanted 2 rows of some length"),
        ([DENSE, DENSE, {**DENSE, "sources": [(0, 0, -1)]}],
         "layer 1 (dense, 3 units): found no layer that uses it, wanted one"),
        ([{**DENSE, "sources": [(-1, 0, 3)]}],
         "x: found column 3 of 4 that no layer uses, wanted none"),
        ([{**DENSE, "shares": 0}], "layer 0 (dense): shares: found layer 0, wanted an earlier one"),
        ([DENSE, {**DENSE, "shares": -5}], "shares: found layer -5"),
        ([DENSE, {"kind": "dropout", "rate": 0.5, "shares": 0}],
         "found a layer of kind 'dropout' that shares the parameters of layer 0 of kind 'dense'"),
        ([DENSE, {**DENSE, "shares": 0}],
         "layer 1 (dense): found 3 inputs and 3 units, wanted 4 and 3 and the same entries as "
         "layer 0, whose parameters it shares"),
        ([{"kind": "concatenate", "sources": [(-1, 0, -1)] * 1001}],
         "layer 0 (concatenate): sources: found 1001, wanted 1 to 1000"),
    ],
)  # fmt: skip
def test_the_core_refuses_bad_graphs(specs: list[Any], said: str) -> None:
    for network in NETWORKS.values():
        with pytest.raises(ValueError, match=re.escape(said)):
            network(4, specs)


def test_every_kind_has_an_oracle_and_is_in_a_graph() -> None:
    assert ORACLES.keys() == core.layer_kinds().keys()
    kinds = {spec["kind"] for n in range(len(ALL_SIZES)) for spec in case("float32", n)[1]}
    # test_random_numbers_functions_and_tables_are_the_references, and test_table_layers.py
    elsewhere = {"function", "embedding", "heads", "dropout", "gaussian_noise"}
    elsewhere |= {"member_dense", "parametric_activation", "piecewise_linear"}
    assert kinds == core.layer_kinds().keys() - elsewhere
    assert any("shares" in spec for n in range(len(SIZES)) for spec in case("float32", n)[1])


# Two inputs, one of them taken twice, a layer used twice, sums, and a normalisation.
SMOOTH: list[Any] = [
    {"kind": "dense", "units": 4, "activation": "tanh", "sources": [(-1, 0, 2)]},
    {"kind": "dense", "units": 4, "activation": "tanh", "sources": [(-1, 1, 2)], "shares": 0},
    {"kind": "concatenate", "sources": [(0, 0, -1), (-1, 0, 3), (1, 0, -1)]},
    {"kind": "dense", "units": 4, "activation": "softmax"},
    {"kind": "subtract", "sources": [(3, 0, -1), (0, 0, -1)]},
    {"kind": "layer_normalization", "sources": [(4, 0, -1)]},
    {"kind": "average", "sources": [(5, 0, -1), (1, 0, -1), (3, 0, -1)]},
    {"kind": "add", "sources": [(6, 0, -1), (6, 0, -1)]},
    {"kind": "dense", "units": 2},
]


@pytest.mark.parametrize("along", ["inputs", "parameters"])
@pytest.mark.parametrize("rows", [3, 200])
def test_second_derivatives_go_through_graphs(rows: int, along: str) -> None:
    network = network_of_graph("float64", 3, SMOOTH)
    rng = np.random.default_rng(0)
    x, line = rng.normal(size=(rows, 3)), rng.normal(size=(rows, 3))
    tangent = rng.normal(size=network.parameter_count)
    given = (line, None) if along == "inputs" else (None, tangent)
    found = network.jets_forward(x, *given, 2, False)
    start, values = network.parameters.copy(), []
    for shift in (-5e-4, 0, 5e-4):
        if along == "inputs":
            values.append(network.predict(x + shift * line))
        else:
            network.parameters[:] = start + shift * tangent
            values.append(network.predict(x))
    network.parameters[:] = start
    assert_close(found[0], values[1], 1e-14)
    assert_close(found[1], (values[2] - values[0]) / 1e-3, 1e-4)
    assert_close(found[2], (values[2] - 2 * values[1] + values[0]) / 2.5e-7, 1e-4)
    weights = [rng.normal(size=out.shape) for out in found]
    gradients = np.empty(network.parameter_count)
    dx = network.jets_backward(weights, gradients, True, along == "parameters")

    def scalar() -> float:
        jets = network.jets_forward(x, *given, 2, False)
        return float(sum((w * jet).sum() for w, jet in zip(weights, jets, strict=True)))

    for array, gradient in ((network.parameters, gradients), (x, dx)):
        flat = array.reshape(-1)
        for i in rng.choice(flat.size, min(flat.size, 25), replace=False):
            kept, ends = flat[i], []
            for shift in (-1e-5, 1e-5):
                flat[i] = kept + shift
                ends.append(scalar())
            flat[i] = kept
            scale = np.abs(gradient).max()
            wanted = (ends[1] - ends[0]) / 2e-5
            assert gradient.reshape(-1)[i] == pytest.approx(wanted, abs=1e-6 * scale)


def test_what_graphs_cannot_do_is_refused_by_name() -> None:
    network, _, x = case("float64", 2)
    with pytest.raises(ValueError, match="second derivatives: found a layer of kind"):
        network.jets_forward(x, None, None, 1, False)
    with pytest.raises(ValueError, match="found layers that share their parameters"):
        network.parameter_jacobian(x, np.empty((len(x) * 3, network.parameter_count)))


def test_frozen_graphs_predict_the_same() -> None:
    dense = {"kind": "dense", "units": 4, "activation": "tanh"}
    specs: list[Any] = [
        {"kind": "dropout", "rate": 0.5, "sources": [(-1, 1, 4)]},
        dense,
        {"kind": "dropout", "rate": 0.25, "sources": [(-1, 0, 4)]},
        {**dense, "shares": 1},
        {"kind": "gaussian_noise", "stddev": 1.0},
        {"kind": "embedding", "categories": 9, "units": 3, "sources": [(-1, 5, 1)]},
        {"kind": "concatenate", "sources": [(0, 0, -1), (1, 0, -1), (4, 0, -1), (5, 0, -1)]},
        {"kind": "dense", "units": 3},
        {"kind": "dense", "units": 2, "sources": [(6, 0, -1)]},
        {"kind": "heads", "activations": [("softmax", []), ("linear", [])],
         "sources": [(7, 0, -1), (8, 0, -1)]},
    ]  # fmt: skip
    network = network_of_graph("float32", 6, specs)
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    x[:, 5] = np.arange(40) % 9
    plan = Plan((6,))
    plan.specs = specs
    frozen = freeze(6, plan, network, "float32")
    for rows in (1, 3, 40):
        assert frozen.predict_on_batch(x[:rows]).tobytes() == network.predict(x[:rows]).tobytes()
    x[0, 5] = 9
    with pytest.raises(ValueError, match="x: found 9 in row 0 of column 5, wanted whole numbers"):
        frozen.predict_on_batch(x)
