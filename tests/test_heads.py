"""Several outputs of one network, each with its loss, weight and metrics."""

import re
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import DTYPES, LEVELS, NETWORKS, assert_close
from densecore import reference
from graphs import expected_gradients, network_of_graph, twin

ACCURACY = "sparse_categorical_accuracy"
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
ROWS = [1, 5, 37, 300]
HEADS: list[dict[str, Any]] = [
    {"loss": "sparse_categorical_crossentropy", "weight": 0.5},
    {"loss": None},
    {"loss": "mean_squared_error", "weight": 2.0, "reduction": "sum"},
    {"loss": "binary_crossentropy", "from_logits": True},
    {"loss": "mean_absolute_error", "reduction": "mean_with_sample_weight", "weight": 0.25},
    {"loss": "sparse_categorical_crossentropy"},
]
# Of each head: activation, outputs, columns of targets.
SHAPES = [("softmax", 4, 1), ("tanh", 2, 0), ("linear", 3, 3), ("linear", 2, 2), ("tanh", 1, 1),
          ("softmax", 3, 1)]  # fmt: skip


def specs_of(hidden: int = 9) -> list[dict[str, Any]]:
    """A trunk with a head for each of SHAPES; the third and the last one are of one layer more."""
    specs: list[dict[str, Any]] = [{"kind": "dense", "units": hidden, "activation": "tanh"}]
    ends = []
    for number, (_, units, _) in enumerate(SHAPES):
        if number in (2, 5):
            specs.append({"kind": "dense", "units": 6, "activation": "tanh",
                          "sources": [(0, 0, -1)]})  # fmt: skip
        source = len(specs) - 1 if number in (2, 5) else 0
        specs.append({"kind": "dense", "units": units, "sources": [(source, 0, -1)]})
        ends.append((len(specs) - 1, 0, -1))
    specs.append({"kind": "heads", "activations": [(name, []) for name, _, _ in SHAPES],
                  "sources": ends})  # fmt: skip
    return specs


def data(rows: int, dtype: str, seed: int = 3) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    parts = [
        rng.integers(0, 4, (rows, 1)),
        rng.normal(size=(rows, 3)),
        rng.integers(0, 2, (rows, 2)),
        rng.normal(size=(rows, 1)) * 3,
        rng.integers(0, 3, (rows, 1)),
    ]
    weights = rng.uniform(0.5, 2, (len(HEADS), rows))
    x = rng.normal(size=(rows, 5))
    return tuple(a.astype(dtype) for a in (x, np.hstack(parts), weights))  # type: ignore[return-value]


def expected(out: Any, y: Any, weights: Any) -> tuple[float, list[float], Any]:
    """The loss, that of each head, and its gradient by the outputs, by the reference's losses."""
    rows, first, target, total = len(out), 0, 0, 0.0
    losses, parts = [], []
    for head, (_, units, columns), weight in zip(HEADS, SHAPES, weights, strict=True):
        a, own = out[:, first : first + units], y[:, target : target + columns]
        first, target = first + units, target + columns
        if head["loss"] is None:
            parts.append(np.zeros_like(a))
            continue
        loss = reference.LOSSES[head["loss"]]
        own = own[:, 0].astype(int) if columns == 1 and "sparse" in head["loss"] else own
        values, slope = loss.value(a, own), loss.gradient(a, own)
        if head.get("from_logits"):
            values, slope = loss.fused_value(a, own), loss.fused_gradient(a, own)
        reduction = head.get("reduction", "sum_over_batch_size")
        divisor = {"sum": 1, "sum_over_batch_size": rows}.get(reduction, weight.sum())
        losses.append(float((weight * values).sum() / divisor))
        total += head.get("weight", 1.0) * losses[-1]
        parts.append(head.get("weight", 1.0) / divisor * weight[:, None] * slope)
    return total, losses, np.hstack(parts)


def settings(rate: float = 0.01) -> Any:
    return dc.optimizers.SGD(rate)._settings


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("weighted", ["no", "one", "each"])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_and_gradients_are_the_references(
    dtype: str, rows: int, weighted: str, level: str
) -> None:
    specs = specs_of()
    network = network_of_graph(dtype, 5, specs, level)
    x, y, weights = data(rows, dtype)
    given = {"no": None, "one": weights[0].copy(), "each": weights}[weighted]
    weights = {"no": np.ones_like(weights), "one": np.tile(weights[0], (len(HEADS), 1))}.get(
        weighted, weights
    )
    network.compile_heads(HEADS, settings(), [], 0)
    graph = twin(network, specs)
    out = graph.forward(x)
    loss, losses, slope = expected(out, y, weights)
    graph.backward(slope.astype(dtype))
    wanted = expected_gradients(network, specs, graph)
    assert_close(network.loss_and_gradients(x, y, given), loss, TOLERANCE[dtype], "loss")
    assert_close(network.gradients, wanted, 20 * TOLERANCE[dtype], "gradients")
    assert_close(network.predict(x), out, TOLERANCE[dtype], "outputs")
    before = network.parameters.copy()
    assert_close(network.train_on_batch(x, y, given), loss, TOLERANCE[dtype])
    after = network.parameters.copy()
    network.parameters[:] = before
    running_metrics = network.running_metrics()
    network.train_batch(x, y, given, running_metrics)
    assert_close(network.parameters, after, TOLERANCE[dtype])
    assert_close(running_metrics.results(), [loss, *losses], TOLERANCE[dtype], "reported")
    network.parameters[:] = before
    running_metrics.reset()
    network.evaluate_batch(x, y, given, running_metrics)
    assert_close(running_metrics.results(), [loss, *losses], TOLERANCE[dtype], "evaluated")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 8, 130])
def test_fit_is_a_loop_over_batches(batch: int, dtype: str) -> None:
    x, y, weights = data(300, dtype)
    metrics = [(ACCURACY, {"head": 0}), ("mean_squared_error", {"head": 2, "weighted": True}),
               (ACCURACY, {"head": 5})]  # fmt: skip
    ran = []
    for loop in (False, True):
        network = network_of_graph(dtype, 5, specs_of(), seed=4)
        network.compile_heads(HEADS, settings(0.001), metrics, 0)
        results: list[Any] = []
        if loop:
            running_metrics = network.running_metrics()
            for i in range(0, 300, batch):
                part = slice(i, i + batch)
                network.train_batch(
                    x[part].copy(),
                    y[part].copy(),
                    np.ascontiguousarray(weights[:, part]),
                    running_metrics,
                )
            values = running_metrics.results() + network.evaluate(x, y, weights)
            results = [[value] for value in values]
        else:
            network.fit(x, y, weights, (x, y, weights), 1, batch, False, results)
        assert len(results) == 2 * (1 + 5 + len(metrics))
        ran.append((network.parameters.tobytes(), results))
    # evaluate's batches are other ones where a reduction depends on them.
    assert ran[0][0] == ran[1][0]
    assert ran[0][1][:9] == ran[1][1][:9]


def test_shuffled_batches_take_their_labels_and_weights() -> None:
    x, y, weights = data(64, "float64")
    order = np.random.default_rng(0).permutation(64).astype(np.int64)
    ran = []
    for shuffled in (True, False):
        network = network_of_graph("float64", 5, specs_of(), seed=4)
        network.compile_heads(HEADS, settings(0.001), [(ACCURACY, {"head": 0})], 0)
        results: list[Any] = []
        given = (x, y, weights) if shuffled else (x[order], y[order], weights[:, order].copy())
        order_of_rows = order if shuffled else None
        network.fit(*given, None, 1, 16, shuffled, results, row_order=order_of_rows)
        ran.append((network.parameters.tobytes(), results))
    assert ran[0] == ran[1]


def test_metrics_are_those_of_their_outputs() -> None:
    x, y, _ = data(50, "float32")
    network = network_of_graph("float32", 5, specs_of())
    metrics = [(ACCURACY, {"head": 0}), ("mean_squared_error", {"head": 2}),
               (lambda true, predicted, weight: float(true.sum() + predicted.sum()), {"head": 4}),
               (ACCURACY, {"head": 5})]  # fmt: skip
    network.compile_heads(HEADS, settings(), metrics, 0)
    found = network.evaluate(x, y, None)[6:]
    out = network.predict(x)
    wanted = [
        np.mean(out[:, :4].argmax(axis=1) == y[:, 0]),
        np.mean((out[:, 6:9] - y[:, 1:4]) ** 2),
        y[:, 6].sum() + out[:, 11].sum(),
        np.mean(out[:, 12:].argmax(axis=1) == y[:, 7]),
    ]
    assert_close(found, wanted, 1e-5)


def test_one_head_is_the_same_as_one_loss() -> None:
    x = np.random.default_rng(0).normal(size=(40, 5))
    labels = np.random.default_rng(1).integers(0, 4, 40)
    dense = {"kind": "dense", "units": 4}
    one = network_of_graph("float64", 5, [{**dense, "activation": "softmax"}])
    head = network_of_graph(
        "float64", 5, [dense, {"kind": "heads", "activations": [("softmax", [])]}]
    )
    loss = "sparse_categorical_crossentropy"
    one.compile(loss, "sum_over_batch_size", settings(), [(ACCURACY, {})], 0)
    head.compile_heads([{"loss": loss}], settings(), [(ACCURACY, {"head": 0})], 0)
    for _ in range(3):
        found = head.train_on_batch(x, labels[:, None].astype(float))
        assert found == pytest.approx(one.train_on_batch(x, labels), rel=1e-14)
    assert_close(head.parameters, one.parameters, 1e-13)
    results = head.evaluate(x, labels[:, None].astype(float), None)
    assert results == pytest.approx(one.evaluate(x, labels, None))


def test_bits_do_not_depend_on_threads() -> None:
    before, ran = dc.get_num_threads(), []
    x, y, weights = data(2000, "float32")
    try:
        for threads in (1, 2):
            dc.set_num_threads(threads)
            network = network_of_graph("float32", 5, specs_of(120))
            network.compile_heads(HEADS, settings(1e-4), [(ACCURACY, {"head": 0})], 0)
            results: list[Any] = []
            network.fit(x, y, weights, (x, y, None), 2, 1000, True, results)
            ran.append((network.parameters.tobytes(), repr(results)))
    finally:
        dc.set_num_threads(before)
    assert ran[0] == ran[1]
    assert "nan" not in ran[0][1]


def test_running_metrics_of_another_compilation_is_refused() -> None:
    x, y, _ = data(8, "float32")
    network = network_of_graph("float32", 5, specs_of())
    network.compile_heads(HEADS, settings(), [(ACCURACY, {"head": 5})], 0)
    running_metrics = network.running_metrics()
    network.compile_heads(HEADS, settings(), [], 0)
    with pytest.raises(ValueError, match="compiled anew since"):
        network.train_batch(x, y, None, running_metrics)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"los": "mse"}, "heads: found an unknown entry 'los'; known: loss, reduction"),
        ({"weight": float("nan")}, "heads: weight: found nan, wanted a finite number"),
        ({"loss": "nothing"}, "unknown loss 'nothing'"),
        (
            {"loss": "mean_squared_error", "from_logits": True},
            "from_logits: the loss 'mean_squared_error' has no",
        ),
        ({"reduction": "max"}, "unknown reduction 'max'"),
    ],
)
def test_bad_heads_are_refused(change: dict[str, Any], said: str) -> None:
    network = network_of_graph("float32", 5, specs_of())
    network.compile_heads(HEADS, settings(), [], 0)
    heads = [{**HEADS[0], **change}, *HEADS[1:]]
    with pytest.raises(ValueError, match=re.escape(said)):
        network.compile_heads(heads, settings(), [], 0)
    with pytest.raises(ValueError, match="heads: found 5, wanted 6, one for each output"):
        network.compile_heads(HEADS[1:], settings(), [], 0)
    with pytest.raises(ValueError, match="heads: found no loss, wanted at least one"):
        network.compile_heads([{"loss": None}] * 6, settings(), [], 0)
    for number, wanted in ((1, "which has no loss"), (6, "0 to 5"), (-1, "0 to 5")):
        with pytest.raises(ValueError, match=wanted):
            network.compile_heads(HEADS, settings(), [(ACCURACY, {"head": number})], 0)
    x, y, _ = data(8, "float32")
    network.train_on_batch(x, y)  # as it was compiled before


@pytest.mark.parametrize(("value", "column"), [(4, 0), (-1, 0), (0.5, 0), (np.nan, 7), (3, 7)])
def test_bad_class_numbers_are_refused(value: float, column: int) -> None:
    network = network_of_graph("float32", 5, specs_of())
    network.compile_heads(HEADS, settings(), [], 0)
    x, y, _ = data(8, "float32")
    before = network.parameters.tobytes()
    y[3, column] = value
    with pytest.raises(
        ValueError, match=f"y: found class {value:g} in row 3, wanted class numbers 0 to"
    ):
        network.train_on_batch(x, y)
    assert network.parameters.tobytes() == before


def test_bad_targets_and_weights_are_refused() -> None:
    network = network_of_graph("float32", 5, specs_of())
    network.compile_heads(HEADS, settings(), [], 0)
    x, y, weights = data(8, "float32")
    y[5, 4] = 1.5
    with pytest.raises(ValueError, match=r"y: found 1.5 in row 5, wanted 0 to 1 with the loss"):
        network.train_on_batch(x, y)
    x, y, weights = data(8, "float32")
    with pytest.raises(ValueError, match="sample_weight"):
        network.train_on_batch(x, y, weights[:2].copy())
    weights[2, 3] = -1
    with pytest.raises(ValueError, match="sample_weight: found -1"):
        network.train_on_batch(x, y, weights)
    with pytest.raises(ValueError, match="y"):
        network.train_on_batch(x, y[:, :7].copy())


def test_specifications_of_heads_are_checked() -> None:
    dense = {"kind": "dense", "units": 3}
    heads = {"kind": "heads", "activations": [("linear", [])]}
    for specs, said in (
        ([dense, {"kind": "heads"}], r"layer 1 \(heads\): activations: found 0, wanted 1"),
        ([dense, {"kind": "heads", "activations": [("relux", [])]}], "unknown activation 'relux'"),
        ([dense, heads, dense], r"layer 1 \(heads\): found a layer after it, wanted it at the end"),
    ):
        with pytest.raises(ValueError, match=said):
            NETWORKS["float32"](4, specs)
    network = NETWORKS["float32"](4, [dense])
    with pytest.raises(ValueError, match="heads: found a last layer of kind 'dense'"):
        network.compile_heads([{"loss": "mean_squared_error"}], settings(), [], 0)


def test_what_heads_cannot_do_is_refused_by_name() -> None:
    network = network_of_graph("float64", 5, specs_of())
    network.compile_heads(HEADS, settings(), [], 0)
    x, y, _ = data(4, "float64")
    out = np.empty((4, network.parameter_count))
    with pytest.raises(ValueError, match="sample_gradients: found a model with a loss for each"):
        network.sample_gradients(x, y, out)


def test_rows_have_their_weights_beside_a_loss_of_python() -> None:
    """A loss of the core, whose rows another output's function had made one number."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(15, 3))
    y = [rng.normal(size=(15, 2)), rng.integers(0, 2, (15, 2))]
    weights = [rng.uniform(0, 2, 15), rng.uniform(0, 2, 15)]
    first = dc.Input((3,))
    outputs = [dc.Dense(2)(first), dc.Dense(2, "sigmoid")(first)]
    model = dc.Model(first, outputs, dtype="float64", seed=0)
    found = []
    for loss in ("mse", lambda true, out: dc.ops.mean(dc.ops.square(true - out), axis=-1)):
        weighted = [["mae"], ["binary_accuracy"]]
        model.compile("sgd", [loss, "binary_crossentropy"], weighted_metrics=weighted)
        found.append(model.test_on_batch(x, y, weights))
    assert len(found[0]) == 5
    assert found[1] == pytest.approx(found[0], rel=1e-9)


def test_weighted_metrics_beside_a_loss_of_python() -> None:
    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(size=(15, 3)), rng.normal(size=(15, 1)), rng.uniform(0, 2, 15)
    model = dc.Sequential([dc.Input(3), dc.Dense(1)], dtype="float64", seed=0)
    model.compile("sgd", lambda true, out: (true - out) ** 2, weighted_metrics=["mae"])
    _, found = model.evaluate(x, y, sample_weight=weight)
    each = np.abs(model.predict(x) - y)[:, 0]
    assert found == pytest.approx((weight * each).sum() / weight.sum())
