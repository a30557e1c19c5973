"""Members that share a backbone, bins of columns, activations that are learnt: what is their own.

That they compute what the reference computes, at every level, with any number of threads, saved and
loaded: `test_layers.STACKS`.
"""

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import assert_close
from densecore import layers
from densecore.export import export, program_of
from densecore.export.c_header import to_text
from densecore.layers import (
    BatchEnsembleDense,
    EnsembleDense,
    ParametricActivation,
    PiecewiseLinearEmbedding,
)
from graphs import expected_gradients, network_of_graph, twin
from test_export import in_onnxruntime, run_headers
from test_export_programs import needs

COLUMNS, MEMBERS = 5, 4


def data(rows: int = 300, dtype: str = "float32") -> Any:
    x = np.random.default_rng(0).normal(size=(rows, COLUMNS)).astype(dtype)
    return x, (np.abs(x[:, :1]) + x[:, 1:2]).astype(dtype)


def bins(number: int = 6, columns: int | None = 3, clip: bool = False) -> Any:
    layer = PiecewiseLinearEmbedding(number, columns, clip)
    layer.adapt(data()[0])
    return layer


def stack(mini: bool = False) -> list[Any]:
    shared = {"use_output_scale": False, "shared_bias": True} if mini else {}
    return [
        dc.Input(COLUMNS),
        bins(),
        BatchEnsembleDense(8, members=MEMBERS, **shared),
        ParametricActivation("selu", learning_rate_multiplier=0.1),
        layers.Dropout(0.1),
        BatchEnsembleDense(7, "relu", use_input_scale=not mini, **shared),
        EnsembleDense(1),
        layers.Flatten(),
    ]


def model_of(dtype: str = "float32", mini: bool = False) -> dc.Sequential:
    model = dc.Sequential(stack(mini), dtype=dtype, seed=3)
    model.compile("adamw", "mse")
    return model


def trained(model: dc.Sequential, first: int = 0, epochs: int = 4, **options: Any) -> bytes:
    x, y = data(dtype=model.dtype)
    y = np.repeat(y, MEMBERS, axis=1)
    model.fit(x, y, epochs=epochs, initial_epoch=first, batch_size=64, verbose=0, **options)
    return bytes(model.parameters.tobytes())


# Training of a model that has them all -----------------------------------------------------------


@pytest.mark.parametrize("mini", [False, True])
def test_resumed_pickled_and_in_an_ensemble(mini: bool, dtype: str, tmp_path: Path) -> None:
    whole = trained(model_of(dtype, mini))
    half = model_of(dtype, mini)
    trained(half, epochs=2)
    half.save(tmp_path / "half.safetensors")
    for model in (
        dc.load_model(tmp_path / "half.safetensors"), pickle.loads(pickle.dumps(half)),
        copy.deepcopy(half),
    ):  # fmt: skip
        assert trained(model, 2) == whole
        assert (model.layers[0].edges == half.layers[0].edges).all()
    ensemble = dc.Ensemble(model_of(dtype, mini), seeds=[3, 4])
    x, y = data(dtype=dtype)
    ensemble.fit(x, np.repeat(y, MEMBERS, axis=1), epochs=4, batch_size=64, verbose=0)
    assert ensemble.member(0).parameters.tobytes() == whole


def test_weights_files_and_frozen_models(tmp_path: Path) -> None:
    model, x = model_of(), data()[0]
    trained(model)
    model.save_weights(tmp_path / "w.safetensors")
    again = model_of()
    again.load_weights(tmp_path / "w.safetensors")
    assert again.predict(x).tobytes() == model.predict(x).tobytes()
    frozen = model.freeze()
    assert np.asarray(frozen(x)).tobytes() == model.predict(x).tobytes()
    assert np.asarray(frozen(x[:1])).tobytes() == model.predict(x)[:1].tobytes()


def test_it_learns_and_the_mean_is_better_than_the_members() -> None:
    x, y = data(1500)
    model = model_of()
    model.compile(dc.optimizers.AdamW(0.01), "mse")
    model.fit(x[:1000], np.repeat(y[:1000], MEMBERS, axis=1), epochs=30, verbose=0)
    found = model.predict(x[1000:])
    errors = ((found - y[1000:]) ** 2).mean(axis=0)
    mean = float(((found.mean(axis=1, keepdims=True) - y[1000:]) ** 2).mean())
    assert mean < errors.mean()
    assert mean < 0.02 * y.var()


def test_configurations() -> None:
    model = model_of()
    again = dc.Sequential.from_config(model.get_config())
    for one, other in zip(model.layers, again.layers, strict=True):
        assert one.get_config() == other.get_config()
        assert repr(one) == repr(other)
    assert again.layers[2].learning_rate_multiplier == {"alpha": 0.1}


# Members ------------------------------------------------------------------------------------------


def test_a_member_is_the_network_of_its_own_weights() -> None:
    """W diag(r) and diag(s) as one matrix: dense layers give the same."""
    model = dc.Sequential(
        [dc.Input(COLUMNS), BatchEnsembleDense(6, "tanh", members=MEMBERS),
         BatchEnsembleDense(5, "relu"), EnsembleDense(2, "softmax")], dtype="float64", seed=1,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    for array in model.weights:
        array[...] = rng.normal(size=array.shape)
    x = data(20, "float64")[0]
    found = model.predict(x)
    first, second, heads = model.layers
    for member in range(MEMBERS):
        alone = dc.Sequential(
            [dc.Input(COLUMNS), dc.Dense(6, "tanh"), dc.Dense(5, "relu"), dc.Dense(2, "softmax")],
            dtype="float64",
        )
        for layer, own in zip(alone.layers[:2], (first, second), strict=True):
            r, s = own.input_scale[member], own.output_scale[member]
            layer.set_weights([r[:, None] * own.kernel * s, own.bias[member]])
        alone.layers[2].set_weights([heads.kernel[member], heads.bias[member]])
        np.testing.assert_allclose(found[:, member], alone.predict(x), rtol=1e-12, atol=1e-14)


def test_shapes_and_first_values() -> None:
    model = dc.Sequential(
        [dc.Input(3), BatchEnsembleDense(6, members=MEMBERS), BatchEnsembleDense(5),
         EnsembleDense(2)], seed=1,
    )  # fmt: skip
    first, second, heads = model.layers
    assert [array.shape for array in first.weights] == [(3, 6), (4, 6), (4, 3), (4, 6)]
    assert set(np.unique(first.input_scale)) == {-1, 1}
    assert (second.input_scale == 1).all()
    assert (first.output_scale == 1).all()
    assert heads.kernel.shape == (4, 5, 2)
    assert (heads.kernel[0] != heads.kernel[1]).all()
    limit = np.sqrt(6 / (5 + 2))
    assert np.abs(heads.kernel).max() <= limit
    assert first.count_params() == 18 + 24 + 12 + 24
    again = dc.Sequential([dc.Input(3), BatchEnsembleDense(6, members=MEMBERS)], seed=1)
    assert again.parameters.tobytes() == b"".join(array.tobytes() for array in first.weights)


def test_classes_per_member_and_their_mean() -> None:
    """A loss of each member, and the mean of the probabilities as another model."""
    x = data()[0]
    labels = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    inputs = dc.Input(COLUMNS)
    hidden = BatchEnsembleDense(16, "relu", members=MEMBERS)(inputs)
    members = EnsembleDense(3, "softmax")(hidden)
    model = dc.Model(inputs, members, seed=0)
    model.compile(dc.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x, np.repeat(labels[:, None], MEMBERS, axis=1), epochs=40, verbose=0)
    mean = dc.Model(inputs, layers.GlobalAveragePooling1D()(members))
    probabilities = mean.predict(x)
    np.testing.assert_allclose(probabilities, model.predict(x).mean(axis=1), rtol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.95


def test_frozen_and_multiplied() -> None:
    model = model_of()
    model.layers[1].trainable = False
    before = [array.copy() for array in model.layers[1].weights]
    trained(model)
    assert all((a == b).all() for a, b in zip(before, model.layers[1].weights, strict=True))
    other = dc.Sequential(
        [dc.Input(COLUMNS),
         BatchEnsembleDense(4, members=2, learning_rate_multiplier={"input_scale": 1e-6})], seed=0,
    )  # fmt: skip
    other.compile("sgd", "mse")
    scales = other.layers[0].input_scale.copy()
    kernel = other.layers[0].kernel.copy()
    other.fit(data()[0], np.zeros((300, 2, 4)), verbose=0)
    np.testing.assert_allclose(other.layers[0].input_scale, scales, atol=1e-5)
    assert (other.layers[0].kernel != kernel).any()


FLAGS = ("shared_kernel", "use_bias", "shared_bias", "input_scale", "output_scale")


@pytest.mark.parametrize("flags", range(2 ** len(FLAGS)))
@pytest.mark.parametrize("one_input", [False, True])
def test_every_form_in_a_graph_is_the_references(flags: int, one_input: bool, dtype: str) -> None:
    """Shared with another layer, with several consumers, and beside the other kinds."""
    chosen = {name: bool(flags >> place & 1) for place, name in enumerate(FLAGS)}
    units = 2 if one_input else 3
    specs: list[Any] = [
        {"kind": "piecewise_linear", "columns": 3, "bins": 2, "clip": bool(flags & 1)},
        {"kind": "dense", "units": 6, "activation": "tanh"},
        {"kind": "member_dense", "members": 3, "units": units, "one_input": one_input, **chosen},
        {"kind": "parametric_activation", "function": "tanh", "function_parameters": [],
         "sources": [(1, 0, -1)]},
        {"kind": "member_dense", "members": 3, "units": units, "one_input": one_input, **chosen,
         "shares": 2, "sources": [(3, 0, -1)]},
        {"kind": "concatenate", "sources": [(2, 0, -1), (4, 0, -1), (1, 0, -1), (3, 0, -1)]},
        {"kind": "dense", "units": 2, "activation": "linear"},
    ]  # fmt: skip
    network = network_of_graph(dtype, 4, specs, seed=flags)
    rng = np.random.default_rng(flags)
    x, g = (rng.normal(size=(70, size)).astype(dtype) for size in (4, 2))
    graph = twin(network, specs)
    tolerance = 300 * float(np.finfo(dtype).eps)
    out = network.forward(x)
    assert_close(out, graph.forward(x, training=True), tolerance, "output")
    dx = network.backward(g, True)
    assert_close(dx, graph.backward(g), 10 * tolerance, "dC/dx")
    assert_close(
        network.gradients[: network.parameter_count],
        expected_gradients(network, specs, graph), 10 * tolerance, "dC/dp",
    )  # fmt: skip


# Bins ---------------------------------------------------------------------------------------------


def test_bins_are_between_quantiles() -> None:
    x = np.random.default_rng(0).normal(size=(501, 2))
    layer = PiecewiseLinearEmbedding(5)
    layer.adapt(x)
    np.testing.assert_allclose(layer.edges, np.quantile(x, np.linspace(0, 1, 6), axis=0).T)
    model = dc.Sequential([dc.Input(2), layer], dtype="float64")
    found = model.predict(x).reshape(-1, 2, 5)
    assert found.min() >= 0
    assert found.max() <= 1
    # Their sum grows by 1 from bin to bin: it says where a number lies among the quantiles.
    share = found.sum(axis=2)[:, 0] / 5
    order = np.argsort(x[:, 0])
    np.testing.assert_allclose(share[order][::100], np.linspace(0, 1, 6), atol=1e-12)
    assert (np.diff(share[order]) > 0).all()


def test_beyond_the_edges() -> None:
    x, outside = np.arange(11.0)[:, None], np.array([[-5.0], [20.0], [np.nan]])
    for clip, wanted in ((False, [[-2, 0], [1, 5]]), (True, [[0, 0], [1, 1]])):
        layer = PiecewiseLinearEmbedding(4, clip=clip)
        layer.adapt(x)
        found = dc.Sequential([dc.Input(1), layer], dtype="float64")(outside)
        np.testing.assert_allclose(np.asarray(found)[:2][:, [0, 3]], wanted)
        assert np.isnan(np.asarray(found)[2]).all()


def test_columns_of_few_values() -> None:
    x = np.array([[0.0, 3.0], [0.0, 3.0], [1.0, 3.0], [1.0, 3.0]])
    layer = PiecewiseLinearEmbedding(3)
    layer.adapt(x)
    model = dc.Sequential([dc.Input(2), layer], dtype="float64")
    found = model.predict(x).reshape(4, 2, 3)
    assert (found[:, 1] == 0).all()  # one value only
    assert (found[:2, 0] == 0).all()
    assert (found[2:, 0].max(axis=1) == 1).all()
    assert np.isfinite(found).all()


def test_bins_before_and_after_there_is_a_model() -> None:
    x = data()[0]
    layer = PiecewiseLinearEmbedding(4)
    model = dc.Sequential([dc.Input(COLUMNS), layer, dc.Dense(1)], seed=0)
    np.testing.assert_allclose(layer.edges, np.tile(np.linspace(0, 1, 5), (COLUMNS, 1)))
    layer.adapt(x)
    assert layer.edges.min() == x.min()
    for again in (pickle.loads(pickle.dumps(bins())), copy.copy(bins())):
        assert (again.edges == bins().edges).all()
    assert model.count_params() == 2 * COLUMNS * 4 + COLUMNS * 4 + 1


# Formats ------------------------------------------------------------------------------------------


def _exported(mini: bool) -> Any:
    model, x = model_of(mini=mini), data(50)[0]
    trained(model)
    model.name = "net"
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, EnsembleDense | ParametricActivation):
            for array in layer.weights:
                array[...] = rng.normal(size=array.shape)
    return model, x


@pytest.mark.parametrize("mini", [False, True])
def test_onnx_and_c(mini: bool, tmp_path: Path) -> None:
    model, x = _exported(mini)
    wanted = model.predict(x)
    text, _ = to_text(program_of(model), ["a test"])
    (found,) = run_headers({"net": text}, [x], needs("gcc"), tmp_path)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    export(model, tmp_path / "m.onnx")
    found = in_onnxruntime(tmp_path / "m.onnx", x)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mini", [False, True])
def test_jax(mini: bool) -> None:
    pytest.importorskip("jax")
    model, x = _exported(mini)
    function, parameters = model.to_jax()
    np.testing.assert_allclose(
        np.asarray(function(parameters, x)), model.predict(x), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_others_refuse_by_name(name: str) -> None:
    pytest.importorskip(name)
    with pytest.raises(ValueError, match=r"found (Piecewise|BatchEnsemble|Parametric)\w+, wanted"):
        getattr(model_of(), f"to_{name}")()


# Mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: BatchEnsembleDense(0), "BatchEnsembleDense: units: found 0"),
        (lambda: EnsembleDense(2, members=0), "EnsembleDense: members: found 0"),
        (lambda: dc.Sequential([dc.Input(3), EnsembleDense(2)]), "members: found none for rows of"),
        (
            lambda: dc.Sequential([dc.Input((4, 3)), EnsembleDense(2, members=5)]),
            r"found rows of shape (4, 3), wanted (5, features) or (features,)",
        ),
        (
            lambda: dc.Sequential([dc.Input((4, 3, 2)), EnsembleDense(2)]),
            "found rows of shape (4, 3, 2), wanted (members, features)",
        ),
        (lambda: PiecewiseLinearEmbedding(0), "PiecewiseLinearEmbedding: bins: found 0"),
        (
            lambda: dc.Sequential([dc.Input(3), PiecewiseLinearEmbedding(columns=4)]),
            "columns: found 4, wanted at most 3",
        ),
        (lambda: bins().adapt(np.zeros((0, 5))), "adapt: found shape (0, 5)"),
        (
            lambda: bins().adapt(np.full((2, 5), np.nan)),
            "adapt: found nan in column 0, row 0, wanted finite numbers",
        ),
        (lambda: bins().adapt(np.zeros((4, 2))), "columns: found 3, wanted at most 2"),
        (
            lambda: dc.Sequential(stack()).layers[0].adapt(np.full((2, 5), 1e300)),
            "found edges that overflow float32",
        ),
        (lambda: ParametricActivation("softmax"), "wanted a function of single elements"),
    ],
)
def test_values_that_are_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        make()


def test_types_that_are_refused() -> None:
    with pytest.raises(TypeError, match="adapt: found dtype"):
        bins().adapt(np.array([["a"]]))
    with pytest.raises(TypeError, match="ParametricActivation: activation: found"):
        ParametricActivation((np.tanh, lambda x, a: 1 - a**2))
    with pytest.raises(TypeError, match="bins"):
        PiecewiseLinearEmbedding("many")
    with pytest.raises(TypeError, match="use_input_scale"):
        BatchEnsembleDense(2, use_input_scale="yes")


def test_an_ensemble_names_outputs_that_are_no_vectors() -> None:
    """It named the rows of x, which were vectors."""
    model = dc.Sequential([dc.Input(5), dc.layers.EnsembleDense(2, members=3)], seed=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"outputs of rows of shape \(3, 2\), wanted vectors: Fl"):
        dc.Ensemble(model, 2)
