"""Random networks of every kind of layer: in ONNX Runtime, in C, in PyTorch and in Keras."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers
from densecore.export import export, program_of
from densecore.export.c_header import to_text
from random_models import random_graph_model
from test_export import COMPILERS, ON_X86, at_the_portable_level, in_onnxruntime, run_headers
from test_layers import STACKS

NETWORKS = 16


def random_network(seed: int, dtype: str) -> tuple[dc.Sequential, np.ndarray]:
    """A network of random layers with random numbers in all of them, and rows for it."""
    rng = np.random.default_rng(seed)
    names = dc.activations.names()

    def activation() -> Any:
        return str(rng.choice(names))

    def block(width: int, depth: int) -> list[Any]:
        kinds: dict[str, Any] = {
            "dense": lambda: layers.Dense(width, activation(), use_bias=bool(rng.integers(2))),
            "activation": lambda: layers.Activation(activation()),
            "relu": lambda: layers.ReLU(2.0, 0.1, 0.2),
            "leaky": lambda: layers.LeakyReLU(0.2),
            "elu": lambda: layers.ELU(0.7),
            "softmax": lambda: layers.Softmax(),
            "batch": lambda: layers.BatchNormalization(scale=bool(rng.integers(2))),
            "layer": lambda: layers.LayerNormalization(center=bool(rng.integers(2))),
            "rms": lambda: layers.RMSNormalization(),
            "group": lambda: layers.GroupNormalization(int(rng.choice([2, 3, -1]))),
            "unit": lambda: layers.UnitNormalization(),
            "fixed": lambda: layers.Normalization(
                mean=rng.normal(size=width), variance=rng.uniform(0.5, 2, width),
                invert=bool(rng.integers(2)),
            ),
            "scale": lambda: layers.Scale(),
            "rescaling": lambda: layers.Rescaling(rng.uniform(0.5, 2, width), rng.normal()),
            "dropout": lambda: layers.Dropout(0.3),
            "noise": lambda: layers.GaussianNoise(0.3),
            "gaussian dropout": lambda: layers.GaussianDropout(0.3),
            "alpha dropout": lambda: layers.AlphaDropout(0.3),
            "penalty": lambda: layers.ActivityRegularization(0.1, 0.2),
            "identity": lambda: layers.Identity(),
        }  # fmt: skip
        found = []
        for kind in rng.choice(list(kinds), int(rng.integers(2, 5))):
            # What has inner layers only, and what sends several rows to one number, would hide the
            # others' mistakes.
            found.append(kinds[kind]())
        if depth and rng.integers(2):
            found.append(layers.Residual(block(width, depth - 1)))
        if rng.integers(3) == 0:
            found += [layers.Reshape((2, -1)), layers.Flatten()]
        return found

    shape = (2, 3, 2) if rng.integers(3) == 0 else (6 * int(rng.integers(1, 3)),)
    stack: list[Any] = [dc.Input(shape)]
    if len(shape) > 1:
        if rng.integers(2):
            stack.append(layers.Rescaling(0.5, 0.25))
        stack.append(layers.Flatten())
    stack += block(int(np.prod(shape)), 1)
    width = 6 * int(rng.integers(1, 5))
    if seed % 4 == 1:
        stack.append(layers.PeriodicEmbedding(4, 3, 5, sigma=0.5))
    elif seed % 4 == 3:
        stack.append(layers.PeriodicEmbedding(units=2, frequencies=20, sigma=2.0))
    stack += [layers.Dense(width, activation()), *block(width, 1)]
    last = [layers.Reshape((3, -1))] if rng.integers(4) == 0 else []
    model = dc.Sequential([*stack, layers.Dense(6), *last], dtype=dtype, seed=seed)
    for layer in model._all_layers():
        if not isinstance(
            layer, layers.Dense | layers.Normalization | layers.Residual | layers.PeriodicEmbedding
        ):
            for array in layer.weights:
                array[...] = rng.uniform(0.5, 2, array.shape)
    x = rng.normal(0.5, 1.5, (40, *shape)).astype(dtype)
    return model, x


def assert_near(found: np.ndarray, wanted: np.ndarray, tolerance: float, what: Any) -> None:
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert error <= tolerance, (what, float(error))


#: What no random network has: categories and texts (test_export_preprocessing.py), Python functions
#: (test_a_layer_that_is_a_python_function_is_refused), what functions of symbols such as
#: ``ops.sum`` make (test_export_symbol_functions.py), attention and masks (test_attention.py), and
#: members, bins and parametric activations (test_table_layers.py, test_one_hot.py).
NOT_IN_NETWORKS = {
    "AdditiveAttention", "Attention", "BatchEnsembleDense", "CategoryEncoding", "Discretization",
    "EinsumDense", "EnsembleDense", "GroupQueryAttention", "Hashing", "InputLayer",
    "IntegerLookup", "Lambda", "Masking", "MultiHeadAttention", "Noise", "OneHotDense",
    "ParametricActivation", "PiecewiseLinearEmbedding", "RowSum", "Spread", "StringLookup",
    "TextVectorization",
}  # fmt: skip


@pytest.mark.slow
def test_the_random_networks_have_every_kind_of_layer() -> None:
    """Every public kind: exporters compare what these networks predict."""
    models = [random_network(seed, "float32")[0] for seed in range(NETWORKS)]
    graphs = [random_graph_model(seed, "float32")[0] for seed in range(24)]
    found = {type(layer).__name__ for model in [*models, *graphs] for layer in model._all_layers()}
    known = (getattr(layers, name) for name in layers.__all__)
    kinds = {
        each.__name__
        for each in known
        if isinstance(each, type) and issubclass(each, layers.Layer) and each is not layers.Layer
    }
    assert kinds - found <= NOT_IN_NETWORKS, kinds - found - NOT_IN_NETWORKS


@pytest.mark.parametrize("where", ["onnx", "h", "to_torch", "to_keras", "to_jax"])
@pytest.mark.parametrize("kind", ["Lambda", "Waves"])
def test_a_layer_that_is_a_python_function_is_refused(
    kind: str, where: str, tmp_path: Path
) -> None:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    if where.startswith("to_"):
        pytest.importorskip(where.removeprefix("to_"))
    made = layers.Lambda(_waves, name="wave") if kind == "Lambda" else Waves(name="wave")
    model = dc.Sequential([dc.Input(2), made, dc.Dense(1)], seed=0)
    found = "found Lambda, wanted one of: Act" if kind == "Lambda" else "found a function of single"
    with pytest.raises(ValueError, match=f"layer wave: {found}"):
        getattr(model, where)() if where[2:3] == "_" else model.export(tmp_path / f"m.{where}")
    assert list(tmp_path.iterdir()) == []


def _waves(x: Any) -> Any:
    """A function that symbols do not know: it runs in Python."""
    return np.where(np.asarray(x) > 0, x, 0.5 * x)


class Waves(layers.Layer):
    """A kind of layer of a user's own."""

    def call(self, inputs: Any) -> Any:
        return _waves(inputs)


@pytest.mark.parametrize("where", ["onnx", "to_torch", "to_keras", "to_jax"])
def test_a_lambda_that_symbols_know_is_exported(where: str, tmp_path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    made = layers.Lambda(lambda x: np.sin(x) * x + 1.0, name="wave")
    model = dc.Sequential([dc.Input(2), made, dc.Dense(1)], seed=0)
    x = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    if where == "onnx":
        model.export(tmp_path / "m.onnx")
        found = in_onnxruntime(tmp_path / "m.onnx", x)
    elif where == "to_torch":
        torch = pytest.importorskip("torch")
        found = model.to_torch()(torch.from_numpy(x)).detach().numpy()
    elif where == "to_keras":
        pytest.importorskip("keras")
        found = np.asarray(model.to_keras()(x))
    else:
        pytest.importorskip("jax")
        function, parameters = model.to_jax()
        found = np.asarray(function(parameters, x))
    assert found == pytest.approx(model.predict(x, verbose=0), abs=1e-6)


TOLERANCES = {"float32": 1e-6, "float64": 1e-14}


def tolerance_of(model: dc.Sequential, x: np.ndarray, wanted: np.ndarray, seed: int) -> float:
    """1e-6 in single precision, unless the network itself multiplies roundings, as layers do that
    normalise a few numbers: then a few times of what ours is off from double precision."""
    dtype = model.dtype
    if dtype == "float64":
        return 100 * TOLERANCES[dtype]
    exact, _ = random_network(seed, "float64")
    exact.set_weights([array.astype(np.float64) for array in model.get_weights()])
    truth = exact.predict(x.astype(np.float64), verbose=0)
    return max(TOLERANCES[dtype], 4 * float(np.abs(truth - wanted).max() / np.abs(wanted).max()))


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_onnx_runtime_predicts_the_same(seed: int, dtype: str, tmp_path: Path) -> None:
    model, x = random_network(seed, dtype)
    export(model, tmp_path / "model.onnx")
    wanted = model.predict(x, verbose=0)
    found = in_onnxruntime(tmp_path / "model.onnx", x)
    assert_near(found, wanted, tolerance_of(model, x, wanted, seed), model.layers)
    none = in_onnxruntime(tmp_path / "model.onnx", x[:0])
    assert none.shape == (0, *wanted.shape[1:])


@pytest.mark.skipif(not ON_X86, reason="elsewhere the portable level fuses multiply-adds")
@pytest.mark.parametrize("cc", COMPILERS[:1])
@pytest.mark.slow
def test_c_headers_have_the_bits_of_the_portable_level(cc: str, dtype: str, tmp_path: Path) -> None:
    made = [random_network(seed, dtype) for seed in range(NETWORKS)]
    headers = {}
    for number, (model, x) in enumerate(made):
        x.reshape(len(x), -1)[0] = 0  # a row of length 0
        model.name = f"net {number}"
        headers[f"net_{number}"], _ = to_text(program_of(model), ["a test"])
    wanted_all = at_the_portable_level([m for m, _ in made], [x for _, x in made], tmp_path)
    found_all = [
        run_headers({name: text}, [x], cc, tmp_path)[0]
        for (name, text), (_, x) in zip(headers.items(), made, strict=True)
    ]
    for (model, x), found, wanted in zip(made, found_all, wanted_all, strict=True):
        same = found == wanted.reshape(len(x), -1)
        assert same.all(), (model.layers, found[~same][:3])


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_torch_predicts_the_same_and_comes_back(seed: int, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    model, x = random_network(seed, dtype)
    module = model.to_torch()
    with torch.no_grad():
        found = module(torch.from_numpy(x)).numpy()
    wanted = model.predict(x, verbose=0)
    # PyTorch's own products and exponentials round otherwise than ours.
    tolerance = max(tolerance_of(model, x, wanted, seed), 4 * TOLERANCES[dtype])
    assert_near(found, wanted, tolerance, model.layers)
    back = dc.from_torch(module)
    assert_near(back.predict(x.reshape(len(x), -1), verbose=0).reshape(wanted.shape), wanted,
                tolerance, model.layers)  # fmt: skip


def test_from_torch_finds_the_inputs_of_what_widens_rows() -> None:
    torch = pytest.importorskip("torch")
    stack = [dc.Input(7), layers.PeriodicEmbedding(4, 3, 5), layers.PeriodicEmbedding(2, 2, 5)]
    model = dc.Sequential([*stack, dc.Dense(2)], seed=0)
    back = dc.from_torch(model.to_torch())
    assert back.input_shape == (None, 7)
    x = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    with torch.no_grad():
        wanted = model.to_torch()(torch.from_numpy(x)).numpy()
    assert_near(back.predict(x, verbose=0), wanted, 1e-5, "torch")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("seed", range(NETWORKS))
def test_keras_predicts_the_same_and_comes_back(seed: int, dtype: str) -> None:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    pytest.importorskip("keras")
    model, x = random_network(seed, dtype)
    if any(isinstance(layer, layers.PeriodicEmbedding) for layer in model._all_layers()):
        with pytest.raises(ValueError, match=r"layer \w+: found PeriodicEmbedding, wanted"):
            model.to_keras()
        return
    theirs = model.to_keras()
    wanted = model.predict(x, verbose=0)
    assert_near(np.asarray(theirs(x)), wanted, 1e-5, model.layers)
    if not any(isinstance(layer, layers.Residual) for layer in model.layers):
        back = dc.from_keras(theirs)
        assert_near(back.predict(x, verbose=0), wanted, 10 * TOLERANCES[dtype], model.layers)


# Kinds that an exporter does not know -------------------------------------------------------------


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("ending", ["onnx", "h"])
def test_a_stack_of_the_layers_tests_is_exported_or_refused_by_name(
    name: str, ending: str, tmp_path: Path
) -> None:
    model = dc.Sequential([dc.Input(6), *STACKS[name]()], seed=0)
    refusal = ""
    try:
        export(model, tmp_path / f"model.{ending}")
    except ValueError as error:
        refusal = str(error)
    assert refusal.startswith("layer ") == bool(refusal)
    assert len(list(tmp_path.iterdir())) == int(not refusal)


class Doubled(layers.Dense):
    """A kind of layer that is more than its base: not a dense layer to an exporter."""

    def _plan(self, plan: Any) -> None:
        super()._plan(plan)


class Raised(layers.Dense):
    """The same with the other method that says what a layer is in the core."""

    def _lower(self, plan: Any, sources: list[Any]) -> list[Any]:
        return super()._lower(plan, sources)


class Renamed(layers.Dense):
    """A kind of layer that computes what its base does."""


@pytest.mark.parametrize("kind", [Doubled, Raised])
def test_a_layer_that_computes_something_of_its_own_is_refused(kind: Any, tmp_path: Path) -> None:
    model = dc.Sequential([dc.Input(2), kind(3, name="twice")], seed=0)
    refusal = f"layer twice: found {kind.__name__}, wanted one of: Activation, "
    with pytest.raises(ValueError, match=refusal):
        export(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
    export(dc.Sequential([dc.Input(2), Renamed(3)], seed=0), tmp_path / "model.onnx")


def test_to_torch_refuses_it_too() -> None:
    pytest.importorskip("torch")
    model = dc.Sequential([dc.Input(2), Doubled(3, name="twice")], seed=0)
    with pytest.raises(ValueError, match="layer twice: found Doubled"):
        model.to_torch()


# Graphs -------------------------------------------------------------------------------------------


def graph(dtype: str, merges: bool) -> tuple[dc.Model, np.ndarray]:
    """A graph of layers: a chain, or one with what merges values."""
    x = dc.Input((5,))
    h = layers.Dense(6, "tanh")(x)
    if merges:
        g = layers.Dense(6, "relu")(x)
        parts = [
            layers.Add()([h, g, layers.Dense(6)(x)]), layers.Subtract()([h, g]),
            layers.Multiply()([h, g]), layers.Average()([g, h]), layers.Maximum()([g, h]),
            layers.Minimum()([h, g]),
        ]  # fmt: skip
        h = layers.Concatenate()([*parts, layers.LayerNormalization()(h)])
    model = dc.Model(x, layers.Dense(3, "softmax")(h), dtype=dtype, seed=0)
    return model, np.random.default_rng(0).normal(size=(20, 5)).astype(dtype)


@pytest.mark.parametrize("merges", [False, True])
def test_graphs_are_exported(merges: bool, dtype: str, tmp_path: Path) -> None:
    model, x = graph(dtype, merges)
    wanted = model.predict(x, verbose=0)
    model.name = "net"
    export(model, tmp_path / "m.onnx")
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    assert_near(in_onnxruntime(tmp_path / "m.onnx", x), wanted, tolerance, "graph")
    text, _ = to_text(program_of(model), ["a test"])
    (found,) = run_headers({"net": text}, [x], "gcc", tmp_path)
    assert_near(found, wanted, 1e-5 if dtype == "float32" else 1e-13, "graph")


# Dense layers on rows of several dimensions -------------------------------------------------------


def several_vectors(dtype: str) -> tuple[dc.Sequential, np.ndarray]:
    """Rows of 3 vectors, each of which dense layers take by itself, then one vector of all."""
    block = layers.Residual([layers.Dense(5, "tanh"), layers.Dense(5, use_bias=False)])
    model = dc.Sequential(
        [
            dc.Input((3, 4)), layers.Dense(6, "gelu", use_bias=False), layers.Dense(5, "softmax"),
            block, layers.Flatten(), layers.Dense(6), layers.Reshape((2, 3)),
        ],
        dtype=dtype, seed=0, name="net",
    )  # fmt: skip
    return model, np.random.default_rng(0).normal(size=(20, 3, 4)).astype(dtype)


def test_dense_layers_on_rows_of_several_dimensions_are_exported(
    dtype: str, tmp_path: Path
) -> None:
    model, x = several_vectors(dtype)
    wanted = model.predict(x, verbose=0)
    export(model, tmp_path / "m.onnx")
    assert_near(in_onnxruntime(tmp_path / "m.onnx", x), wanted, TOLERANCES[dtype], "onnx")
    assert in_onnxruntime(tmp_path / "m.onnx", x[:0]).shape == (0, 2, 3)
    text, _ = to_text(program_of(model), ["a test"])
    (found,) = run_headers({"net": text}, [x], "gcc", tmp_path)
    assert_near(found.reshape(wanted.shape), wanted, TOLERANCES[dtype], "C")
    text, _ = to_text(program_of(model), ["a test"], int8=True)
    (found,) = run_headers({"net": text}, [x], "gcc", tmp_path)
    assert_near(found.reshape(wanted.shape), wanted, 0.05, "C of 8 bits")


def test_torch_takes_rows_of_several_dimensions(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    model, x = several_vectors(dtype)
    with torch.no_grad():
        found = model.to_torch()(torch.from_numpy(x)).numpy()
    assert_near(found, model.predict(x, verbose=0), TOLERANCES[dtype], "torch")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_and_jax_take_rows_of_several_dimensions(dtype: str) -> None:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    pytest.importorskip("keras")
    model, x = several_vectors(dtype)
    wanted = model.predict(x, verbose=0)
    assert_near(np.asarray(model.to_keras()(x)), wanted, 1e-5, "keras")
    function, parameters = model.to_jax()
    assert_near(np.asarray(function(parameters, x)), wanted, 1e-5, "jax")
