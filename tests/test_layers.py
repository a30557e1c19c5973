"""Layers besides the dense one: against the reference, by their derivatives, in training, saved."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import LEVELS, assert_close
from densecore import layers
from densecore._base import core
from densecore.reference import layers as oracle
from densecore.reference import table_layers
from graphs import MERGES

INPUTS, ROWS = 6, 150
# The longest sums have a term per row (means over a batch, gradients): each term is rounded once,
# by half an eps of what the sum may grow to; a second half is for the layers around it.
TOLERANCE = {dtype: ROWS * float(np.finfo(dtype).eps) for dtype in ("float32", "float64")}


def bins(number: int, columns: Any, clip: bool = False) -> Any:
    """A layer of bins, two of which have no width in the second column."""
    layer = layers.PiecewiseLinearEmbedding(number, columns, clip)
    x = np.random.default_rng(8).normal(1, 2, (50, INPUTS if columns is None else columns))
    x[:30, 1] = 0.5
    layer.adapt(x)
    return layer


STACKS: dict[str, Any] = {
    "activation": lambda: [dc.Dense(7), layers.BatchNormalization(), layers.Activation("tanh")],
    "softmax last": lambda: [layers.LayerNormalization(), layers.Activation("softmax")],
    "layer norm": lambda: [dc.Dense(9, "tanh"), layers.LayerNormalization(), dc.Dense(3)],
    "layer norm alone": lambda: [layers.LayerNormalization(scale=False)],
    "rms norm": lambda: [dc.Dense(9, "tanh"), layers.RMSNormalization(), dc.Dense(3)],
    "rms norm alone": lambda: [layers.RMSNormalization(epsilon=0.1)],
    "group norm": lambda: [dc.Dense(12, "tanh"), layers.GroupNormalization(3), dc.Dense(3)],
    "group norm alone": lambda: [layers.GroupNormalization(2, center=False)],
    "unit norm": lambda: [dc.Dense(9, "tanh"), layers.UnitNormalization(), dc.Dense(3)],
    "unit norm alone": lambda: [layers.UnitNormalization()],
    "batch norm": lambda: [dc.Dense(9), layers.BatchNormalization(), dc.Dense(3, "sigmoid")],
    "batch norm first": lambda: [layers.BatchNormalization(center=False), dc.Dense(3)],
    "frozen batch norm": lambda: [dc.Dense(9), layers.BatchNormalization(trainable=False)],
    "dropout": lambda: [dc.Dense(40, "tanh"), layers.Dropout(0.3), dc.Dense(3)],
    "dropout first": lambda: [layers.Dropout(0.25), dc.Dense(3)],
    "spatial dropout": lambda: [
        dc.Dense(12, "tanh"), layers.Reshape((4, 3)), layers.SpatialDropout1D(0.4),
        layers.Flatten(), dc.Dense(3),
    ],
    "noise": lambda: [dc.Dense(40, "tanh"), layers.GaussianNoise(0.3), dc.Dense(3)],
    "noise first and last": lambda: [
        layers.GaussianNoise(0.5), dc.Dense(3), layers.GaussianNoise(0.1),
    ],
    "residual": lambda: [layers.Residual([dc.Dense(9, "tanh"), dc.Dense(6)]), dc.Dense(2)],
    "residual last": lambda: [layers.Residual([dc.Dense(6, "sigmoid")])],
    "residuals": lambda: [
        dc.Dense(5, "tanh"),
        layers.Residual([
            layers.BatchNormalization(),
            dc.Dense(8, "tanh"),
            layers.Dropout(0.2),
            dc.Dense(5),
            layers.Residual([layers.LayerNormalization(), dc.Dense(5, "sigmoid")]),
        ]),
        layers.Activation("tanh"),
        dc.Dense(2),
    ],
    "normalization": lambda: [
        layers.Normalization(mean=np.arange(6.0), variance=[4.0, 1, 1, 2, 1, 0]),
        dc.Dense(4, "tanh"),
        dc.Dense(1),
        layers.Normalization(mean=5.0, variance=9.0, invert=True),
    ],
    "scale": lambda: [layers.Scale(), dc.Dense(5, "tanh"), layers.Scale(), dc.Dense(2)],
    "scale alone": lambda: [layers.Scale()],
    "periodic": lambda: [
        layers.PeriodicEmbedding(4, 3, 5), layers.Scale(), dc.Dense(7, "tanh"), dc.Dense(2),
    ],
    "periodic alone": lambda: [layers.PeriodicEmbedding()],
    "periodic later": lambda: [
        dc.Dense(5, "tanh"), layers.PeriodicEmbedding(2, 2, 17), dc.Dense(2),
    ],
    "members": lambda: [
        layers.BatchEnsembleDense(7, "tanh", members=3), layers.BatchEnsembleDense(5),
        layers.EnsembleDense(2), layers.Flatten(),
    ],
    "members of parts": lambda: [
        layers.Reshape((3, 2)), layers.EnsembleDense(4, use_bias=False), layers.Flatten(),
        layers.Activation("tanh"), layers.Reshape((3, 4)),
        layers.BatchEnsembleDense(2, use_output_scale=False, use_bias=False),
        layers.Flatten(),
    ],
    "members that share nearly all": lambda: [
        layers.BatchEnsembleDense(6, members=4, use_output_scale=False, shared_bias=True),
        layers.BatchEnsembleDense(3, use_input_scale=False, shared_bias=True),
        layers.BatchEnsembleDense(3, use_input_scale=False, use_output_scale=False),
        layers.Flatten(),
    ],
    "heads of members": lambda: [layers.EnsembleDense(3, members=5), layers.Flatten()],
    "many members": lambda: [
        layers.BatchEnsembleDense(70, "tanh", members=9), layers.BatchEnsembleDense(80, "tanh"),
        layers.Dropout(0.1), layers.EnsembleDense(2), layers.Flatten(),
    ],
    "parametric": lambda: [
        dc.Dense(7), layers.ParametricActivation("selu"), dc.Dense(5, "tanh"),
        layers.ParametricActivation("mish"), dc.Dense(2),
    ],
    "parametric alone": lambda: [layers.ParametricActivation("tanh")],
    "piecewise": lambda: [bins(4, 3), dc.Dense(7, "tanh"), dc.Dense(2)],
    "piecewise alone": lambda: [bins(5, None, True)],
    "piecewise later": lambda: [dc.Dense(5), bins(3, 2), dc.Dense(2)],
    "wide": lambda: [
        dc.Dense(300, "tanh"),
        layers.LayerNormalization(),
        layers.Residual([dc.Dense(300, "tanh"), layers.Dropout(0.1), layers.BatchNormalization()]),
        dc.Dense(2),
    ],
}  # fmt: skip


def model_of(name: str, dtype: str, seed: int = 3) -> dc.Sequential:
    """With weights that are not what initialisation leaves: gamma is not 1, averages not 0."""
    model = dc.Sequential([dc.Input(INPUTS), *STACKS[name]()], dtype=dtype, seed=seed)
    rng = np.random.default_rng(seed)
    for layer in model._all_layers():
        if layer.parameter_names and not isinstance(layer, dc.Dense):
            for array in layer.weights:
                array[...] = rng.uniform(0.5, 2, array.shape)
    return model


def data(dtype: str, rows: int = ROWS) -> Any:
    return np.random.default_rng(5).normal(1, 2, (rows, INPUTS)).astype(dtype)


def random_numbers(model: dc.Sequential, index: int, step: int, rows: int) -> Any:
    """What the core's layer `index` draws for the rows of a step: the factors of dropout."""
    return model._network.random_numbers(index, step, rows)


def twin(model: dc.Sequential, step: int, rows: int) -> oracle.Stack:
    """The same layers in NumPy; `step` numbers the training step, for the masks."""
    place = iter(range(1000))

    def one(layer: Any) -> list[oracle.Layer]:
        if isinstance(layer, dc.Dense):
            next(place)
            bias = None if layer.bias is None else layer.bias.copy()
            return [oracle.Dense(layer.weight.copy(), bias, layer.activation)]
        if isinstance(layer, layers.Residual):
            inner = [part for piece in layer.layers for part in one(piece)]
            next(place)  # the addition
            return [oracle.Residual(inner)]
        if isinstance(layer, layers.Activation):
            next(place)
            return [oracle.Activation(layer.activation)]
        if isinstance(layer, layers.Reshape | layers.Flatten):
            return [oracle.Activation("linear")]
        if isinstance(layer, layers.SpatialDropout1D):
            factors = random_numbers(model, next(place), step, rows).reshape(rows, 4, 3)
            assert (factors == factors[:, :1]).all()
            return [oracle.SpatialDropout(factors[:, 0], 4)]
        if isinstance(layer, layers.Dropout):
            return [oracle.Dropout(random_numbers(model, next(place), step, rows))]
        if isinstance(layer, layers.GaussianNoise):
            return [oracle.GaussianNoise(random_numbers(model, next(place), step, rows))]
        next(place)
        if isinstance(layer, layers.Normalization):
            return [oracle.Normalization(layer.mean, layer.variance, layer.invert)]
        if isinstance(layer, layers.UnitNormalization):
            return [oracle.UnitNormalization()]
        if isinstance(layer, layers.RMSNormalization):
            return [oracle.RMSNormalization(layer.scale.copy(), layer.epsilon)]
        if isinstance(layer, layers.Scale):
            return [oracle.Scale(layer.scale.copy())]
        if isinstance(layer, layers.PeriodicEmbedding):
            return [oracle.PeriodicEmbedding(*(array.copy() for array in layer.weights))]
        if isinstance(layer, layers.EnsembleDense):
            members, _, one_input = layer._sizes(vars(layer)["_row"])
            found = layer._named_weights()
            roles = ("kernel", "bias", "input_scale", "output_scale")
            arrays = [None if found.get(r) is None else found[r].copy() for r in roles]
            made: list[oracle.Layer] = [table_layers.MemberDense(*arrays, members, one_input)]
            if layer.activation != "linear":
                next(place)
                made.append(oracle.Activation(layer.activation))
            return made
        if isinstance(layer, layers.ParametricActivation):
            return [table_layers.ParametricActivation(layer.alpha.copy(), layer.activation)]
        if isinstance(layer, layers.PiecewiseLinearEmbedding):
            edges = layer.edges.astype(layer.lower.dtype)
            return [table_layers.PiecewiseLinear(edges[:, :-1], edges[:, 1:], layer.clip)]
        units = layer.weights[0].size
        gamma = np.ones(units) if layer.gamma is None else layer.gamma.copy()
        beta = np.zeros(units) if layer.beta is None else layer.beta.copy()
        if isinstance(layer, layers.LayerNormalization):
            return [oracle.LayerNormalization(gamma, beta, layer.epsilon)]
        if isinstance(layer, layers.GroupNormalization):
            return [oracle.GroupNormalization(layer.groups, gamma, beta, layer.epsilon)]
        moving = layer.moving_mean.copy(), layer.moving_variance.copy()
        return [oracle.BatchNormalization(gamma, beta, *moving, layer.momentum, layer.epsilon)]

    return oracle.Stack([part for layer in model.layers for part in one(layer)])


def expected_gradients(model: dc.Sequential, stack: oracle.Stack) -> Any:
    """The reference's, in the order of ``model.gradients``, without what the model leaves out."""
    flat = []

    def collect(layer: oracle.Layer, own: Any) -> None:
        if isinstance(own, layers.Residual) or isinstance(layer, oracle.Residual):
            for inner, piece in zip(layer.layers, own.layers, strict=True):  # type: ignore[attr-defined]
                collect(inner, piece)
        elif isinstance(layer, oracle.Dense):
            flat.append(layer.gradients[0].T)
            flat.extend(layer.gradients[1:])
        elif len(layer.gradients) in (1, 4) or isinstance(layer, table_layers.MemberDense):
            flat.extend(layer.gradients)
        elif layer.gradients:
            if own.scale:
                flat.append(layer.gradients[0])
            if own.center:
                flat.append(layer.gradients[1])

    # An activation of members is a layer by itself, without gradients.
    of_layers = [
        each for each in stack.layers if each.gradients or not isinstance(each, oracle.Activation)
    ]
    own_layers = [
        each for each in model.layers
        if not isinstance(each, layers.Activation | layers.Reshape | layers.Flatten)
    ]  # fmt: skip
    for layer, own in zip(of_layers, own_layers, strict=True):
        collect(layer, own)
    return np.concatenate([g.ravel() for g in flat]) if flat else np.zeros(0)


def test_every_kind_of_layer_is_in_a_stack() -> None:
    kinds = {spec["kind"] for name in STACKS for spec in model_of(name, "float32")._plan().specs}
    # A Python function has its tests in test_activations.py, those of graphs in test_graphs.py.
    elsewhere = {"function", *MERGES, "heads", "embedding", "activity_regularization", "columns"}
    assert kinds | elsewhere == core.layer_kinds().keys()


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ({"kind": "dens"}, ValueError, "unknown kind of layer 'dens'; known: dense, activation"),
        ({"units": 3}, ValueError, "layer: found no kind"),
        ({"kind": "dense", "units": 2**40}, ValueError, "layer 0: units: found 1099511627776"),
        ({"kind": "dense", "units": 2.5}, ValueError, "found 2.5, wanted a whole number from 1"),
        ({"kind": "dense", "units": "2"}, TypeError, "must be real number, not str"),
        ({"kind": "dense", "rate": 0.5}, ValueError,
         "kind 'dense': found an unknown entry 'rate'; known: units, use_bias"),
        ({"kind": "dropout", "rate": 1}, ValueError, "rate: found 1, wanted 0 <= rate < 1"),
        ({"kind": "dropout", "vectors": 3}, ValueError, "vectors: found 3 in a row of 4, wanted a"),
        ({"kind": "dropout", "activation": "relu"}, ValueError, "unknown entry 'activation'"),
        ({"kind": "batch_normalization", "momentum": 2}, ValueError, "0 <= momentum <= 1"),
        ({"kind": "layer_normalization", "epsilon": float("nan")}, ValueError, "found nan"),
        ({"kind": "add", "from": 0}, ValueError, "layer 0 (add): sources: found layer 0"),
    ],
)  # fmt: skip
def test_the_core_refuses_what_a_kind_does_not_have(
    spec: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        core.NetworkF32(4, [spec])


def test_only_some_kinds_have_functions_and_random_numbers() -> None:
    network = core.NetworkF32(4, [{"kind": "dense", "units": 2}])
    with pytest.raises(ValueError, match="kind 'dense', wanted one of kind 'function'"):
        network.set_function(0, np.tanh, np.tanh)
    with pytest.raises(ValueError, match="layer 0: found one without random numbers"):
        network.random_numbers(0, 0, 1)


@pytest.mark.parametrize("name", [name for name in STACKS if name != "frozen batch norm"])
def test_forward_and_backward_are_the_references(name: str, dtype: str) -> None:
    model, x = model_of(name, dtype), data(dtype)
    first_open_pass = 2**64 - 1
    stack = twin(model, first_open_pass, ROWS)
    out = model.forward(x)
    assert_close(out, stack.forward(x, training=True), TOLERANCE[dtype], "output")
    g = np.random.default_rng(1).normal(size=out.shape).astype(dtype)
    dx = model.backward(g, input_gradient=True)
    expected = stack.backward(g)
    assert_close(dx, expected, 5 * TOLERANCE[dtype], "dC/dx")
    assert_close(model.gradients, expected_gradients(model, stack), 5 * TOLERANCE[dtype], "dC/dp")


@pytest.mark.parametrize("name", STACKS)
def test_prediction_is_the_references(name: str, dtype: str) -> None:
    model, x = model_of(name, dtype), data(dtype)
    expected = twin(model, 0, ROWS).forward(x, training=False)
    assert_close(model.predict(x), expected, TOLERANCE[dtype])
    # A row's bits are its own.
    for begin, end in ((0, 1), (1, 70), (70, ROWS)):
        part = model.predict(x[begin:end])
        assert part.tobytes() == model.predict(x)[begin:end].tobytes()


@pytest.mark.parametrize("name", STACKS)
def test_derivatives_are_differences(name: str) -> None:
    """Central differences, for a few parameters and inputs of each stack."""
    model, x = model_of(name, "float64"), data("float64", 20)
    rng = np.random.default_rng(2)
    g = rng.normal(size=(20, model.output_shape[1]))

    def value(changed: Any) -> float:
        # Prediction: another mask at each open pass would be another function.
        return float((model.forward(changed, training=False) * g).sum())

    value(x)
    dx = model.backward(g, input_gradient=True)
    found = model.gradients.copy()
    frozen = name == "frozen batch norm"
    dense = 9 * INPUTS + 9  # what comes before the frozen layer
    for i in rng.choice(dense if frozen else max(found.size, 1), min(found.size, 12)):
        keep, step = model.parameters[i], 1e-5
        model.parameters[i] = keep + step
        high = value(x)
        model.parameters[i] = keep - step
        low = value(x)
        model.parameters[i] = keep
        assert abs((high - low) / (2 * step) - found[i]) <= 1e-7 * np.abs(found).max()
    for row, column in rng.integers(0, [20, INPUTS], (5, 2)):
        moved = x.copy()
        moved[row, column] += 1e-5
        high = value(moved)
        moved[row, column] -= 2e-5
        assert abs((high - value(moved)) / 2e-5 - dx[row, column]) <= 1e-7 * np.abs(dx).max()


def _of_first_derivatives(name: str) -> bool:
    return any(kind in name for kind in ("periodic", "members", "parametric", "piecewise"))


@pytest.mark.parametrize("name", [name for name in STACKS if not _of_first_derivatives(name)])
def test_second_derivatives_are_differences(name: str) -> None:
    """Along a line through the inputs, and the loss's Hessian by the parameters times a vector."""
    model, x, step = model_of(name, "float64"), data("float64", 20), 1e-5
    rng = np.random.default_rng(4)
    line = rng.normal(size=INPUTS)
    _, high, _ = model.input_derivatives(x + step * line, line)
    _, low, _ = model.input_derivatives(x - step * line, line)
    _, _, bent = model.input_derivatives(x, line)
    # The differences' own error is about step^2 of the derivatives of fourth order.
    assert_close(bent, (high - low) / (2 * step), 1e-7)

    model.compile("sgd", "mse")
    y = rng.normal(size=(20, model.output_shape[1]))
    vector = rng.normal(size=model.parameters.size)
    if name == "frozen batch norm":
        vector[9 * INPUTS + 9 :] = 0  # what is not trained is constant
    found = model.hessian_vector_product(x, y, vector)
    start, gradients = model.parameters.copy(), []
    step = 1e-4 / max(1, float(np.linalg.norm(vector)))
    for sign in (1, -1):
        model.parameters[:] = start + sign * step * vector
        out = model.forward(x, training=False)
        model.backward(2 * (out - y) / y.size)
        gradients.append(model.gradients.copy())
    assert_close(found, (gradients[0] - gradients[1]) / (2 * step), 1e-7)


@pytest.mark.parametrize("name", STACKS)
def test_same_bits_for_any_number_of_threads(name: str, dtype: str) -> None:
    x = data(dtype, 700)
    before, results = dc.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 7):
            dc.set_num_threads(threads)
            model = model_of(name, dtype)
            model.compile("adam", "mse")
            y = np.zeros((700, model.output_shape[1]), dtype)
            history = model.fit(x, y, epochs=2, batch_size=256, verbose=0)
            tensors = [array.tobytes() for array in model.weights]
            results.append((tensors, history.history, model.predict(x).tobytes()))
    finally:
        dc.set_num_threads(before)
    assert all(result == results[0] for result in results[1:])


@pytest.mark.parametrize(
    "name", ["residuals", "periodic", "members", "parametric", "piecewise", "many members"]
)
def test_every_level_agrees(name: str, dtype: str) -> None:
    """Levels with fused multiply-adds to the bit, the others closely."""
    results = {}
    x = data(dtype, 40)
    for level in LEVELS:
        model = model_of(name, dtype)
        network = type(model._network)(INPUTS, model._plan().specs, level)
        network.parameters[:] = model.parameters
        out = network.forward(x)
        network.backward(np.ones_like(out))
        results[level] = (out, network.gradients)
    fused = [results[level] for level in ("avx512", "avx2", "neon") if level in results]
    for out, gradients in fused[1:]:
        assert out.tobytes() == fused[0][0].tobytes()
        assert gradients.tobytes() == fused[0][1].tobytes()
    for out, gradients in results.values():
        assert_close(out, results[LEVELS[0]][0], TOLERANCE[dtype])
        assert_close(gradients, results[LEVELS[0]][1], 10 * TOLERANCE[dtype])


class TestDropout:
    def test_rate_and_factor(self) -> None:
        model = dc.Sequential([dc.Input(64), layers.Dropout(0.2)], seed=0)
        out = model.forward(np.ones((2000, 64), np.float32))
        kept = out[out != 0]
        assert np.unique(kept).size == 1
        assert abs(kept[0] - 1 / 0.8) < 1e-4
        assert abs(kept.size / out.size - 0.8) < 4 * np.sqrt(0.16 / out.size)
        assert abs(out.mean() - 1) < 0.01
        # Neither rows, nor columns, nor passes repeat.
        assert np.unique(out, axis=0).shape[0] == 2000
        assert np.unique(out.T, axis=0).shape[0] == 64
        assert (model.forward(np.ones((2000, 64), np.float32)) != out).any()

    def test_prediction_keeps_everything(self) -> None:
        model = dc.Sequential([dc.Input(4), layers.Dropout(0.9)], seed=0)
        x = data("float32")[:, :4].copy()
        assert (model.predict(x) == x).all()

    def test_a_feature_drops_out_of_all_steps(self) -> None:
        model = dc.Sequential([dc.Input((5, 3)), layers.SpatialDropout1D(0.4)], seed=0)
        out = model.forward(np.ones((2000, 5, 3), np.float32))
        assert out.shape == (2000, 5, 3)
        assert (out == out[:, :1]).all()
        kept = (out[:, 0] != 0).mean(axis=0)
        assert (np.abs(kept - 0.6) < 4 * np.sqrt(0.24 / 2000)).all()
        assert len(np.unique(out[:, 0], axis=0)) == 8  # features by themselves
        assert (model.predict(np.ones((2, 5, 3))) == 1).all()
        with pytest.raises(ValueError, match=r"found rows of shape \(4,\), wanted \(steps, feat"):
            dc.Sequential([dc.Input(4), layers.SpatialDropout1D(0.4)])

    def test_masks_follow_the_step_and_resume(self, tmp_path: Path) -> None:
        x, y = data("float32"), np.zeros((ROWS, 3), np.float32)
        whole = model_of("dropout", "float32")
        whole.compile("sgd", "mse")
        whole.fit(x, y, epochs=4, verbose=0)
        halves = model_of("dropout", "float32")
        halves.compile("sgd", "mse")
        halves.fit(x, y, epochs=2, verbose=0)
        halves.save(tmp_path / "m.safetensors")
        again = dc.load_model(tmp_path / "m.safetensors")
        again.fit(x, y, epochs=4, initial_epoch=2, verbose=0)
        assert again.parameters.tobytes() == whole.parameters.tobytes()

    @pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
    def test_bad_rates(self, rate: float) -> None:
        with pytest.raises(
            ValueError, match=r"Dropout: rate: found .*, wanted a number >= 0 and < 1"
        ):
            layers.Dropout(rate)


class TestGaussianNoise:
    def test_noise_is_normal(self) -> None:
        model = dc.Sequential([dc.Input(64), layers.GaussianNoise(0.5)], dtype="float64", seed=0)
        x = np.ones((2000, 64))
        noise = model.forward(x) - x
        n = noise.size
        # Five deviations of the estimates: of the mean, the variance, and of shares of the
        # numbers, which are binomial.
        assert abs(noise.mean()) < 5 * 0.5 / np.sqrt(n)
        assert abs(noise.var() / 0.25 - 1) < 5 * np.sqrt(2 / n)
        for deviations, share in ((1, 0.682689492), (2, 0.954499736), (3, 0.997300204)):
            inside = (np.abs(noise) < 0.5 * deviations).mean()
            assert abs(inside - share) < 5 * np.sqrt(share * (1 - share) / n)
        # Neither rows, nor columns, nor passes repeat.
        assert np.unique(noise).size == n
        assert (model.forward(x) - x != noise).all()

    def test_seeds_and_layers_have_noise_of_their_own(self) -> None:
        def noise(seed: int) -> Any:
            both = [layers.GaussianNoise(1), layers.GaussianNoise(1)]
            network = dc.Sequential([dc.Input(4), *both], seed=seed)._network
            return [network.random_numbers(layer, 7, 5) for layer in (0, 1)]

        first, again, other = noise(0), noise(0), noise(1)
        assert (first[0] == again[0]).all()
        assert (first[0] != first[1]).all()
        assert (first[0] != other[0]).all()

    def test_prediction_adds_nothing(self) -> None:
        model = dc.Sequential([dc.Input(4), layers.GaussianNoise(3)], seed=0)
        x = data("float32")[:, :4].copy()
        assert (model.predict(x) == x).all()

    @pytest.mark.parametrize("stddev", [-0.1, float("nan"), float("inf")])
    def test_bad_deviations(self, stddev: float) -> None:
        with pytest.raises(ValueError, match=r"GaussianNoise: stddev: found .*, wanted"):
            layers.GaussianNoise(stddev)


class TestGroupNormalization:
    def test_one_group_is_layer_normalization(self, dtype: str) -> None:
        x = data(dtype)
        one = dc.Sequential([dc.Input(INPUTS), layers.GroupNormalization(1)], dtype=dtype, seed=0)
        other = dc.Sequential([dc.Input(INPUTS), layers.LayerNormalization()], dtype=dtype, seed=0)
        assert (one.predict(x) == other.predict(x)).all()

    def test_a_group_for_each_feature(self) -> None:
        model = dc.Sequential([dc.Input(4), layers.GroupNormalization(-1)], seed=0)
        assert (model.predict(data("float32")[:, :4]) == 0).all()

    def test_groups_must_divide_the_features(self) -> None:
        with pytest.raises(ValueError, match="found 6 features in 4 groups"):
            dc.Sequential([dc.Input(6), layers.GroupNormalization(4)], seed=0).build()
        with pytest.raises(ValueError, match=r"layer 0 \(group_normalization\): found 6 units"):
            core.NetworkF32(6, [{"kind": "group_normalization", "groups": 4}])
        with pytest.raises(ValueError, match="groups: found 0, wanted"):
            layers.GroupNormalization(0)


class TestUnitNormalization:
    def test_rows_of_zeros_and_of_all_sizes(self, dtype: str) -> None:
        model = dc.Sequential([dc.Input(2), layers.UnitNormalization()], dtype=dtype, seed=0)
        x = np.array([[0, 0], [3, 4], [-3e-9, 4e-9], [3e15, -4e15]], dtype)
        wanted = [[0, 0], [0.6, 0.8], [-0.6, 0.8], [0.6, -0.8]]
        assert_close(model.predict(x), np.array(wanted, dtype), TOLERANCE[dtype])
        gradient = model.input_gradient(x, np.ones_like(x))
        assert np.isfinite(gradient).all()
        value, _, second = model.input_derivatives(x, np.ones(2))
        assert_close(value, np.array(wanted, dtype), TOLERANCE[dtype])
        assert np.isfinite(second).all()


class TestBatchNormalization:
    def test_moving_averages_as_keras(self) -> None:
        model = dc.Sequential([dc.Input(3), layers.BatchNormalization(momentum=0.9)], seed=0)
        model.compile("sgd", "mse")
        x = np.random.default_rng(0).normal(5, 3, (64, 3)).astype(np.float32)
        model.train_on_batch(x, x)
        layer = model.layers[0]
        assert_close(layer.moving_mean, 0.1 * x.mean(axis=0), 1e-5)
        assert_close(layer.moving_variance, 0.9 + 0.1 * x.var(axis=0), 1e-5)

    def test_far_from_zero_in_float32(self) -> None:
        model = dc.Sequential([dc.Input(1), layers.BatchNormalization(epsilon=0)], seed=0)
        x = (1e4 + np.random.default_rng(0).normal(size=(4000, 1))).astype(np.float32)
        out = model.forward(x)
        exact = (x.astype(float) - x.astype(float).mean()) / x.astype(float).std()
        assert np.abs(out - exact).max() < 2e-3

    def test_predictions_and_evaluation_do_not_move_them(self) -> None:
        model = model_of("batch norm", "float32")
        model.compile("sgd", "mse")
        before = [array.copy() for array in model.weights]
        model.predict(data("float32"))
        model.evaluate(data("float32"), np.zeros((ROWS, 3)))
        assert all((a == b).all() for a, b in zip(model.weights, before, strict=True))


class TestTrainable:
    def test_only_what_is_trainable_changes(self) -> None:
        model = dc.Sequential(
            [
                dc.Input(INPUTS),
                dc.Dense(5, "tanh", trainable=False),
                dc.Dense(5, "tanh"),
                dc.Dense(5, "tanh", trainable=False),
                dc.Dense(2),
            ],
            seed=0,
        )
        model.compile("adam", "mse")
        before = model.get_weights()
        model.fit(data("float32"), np.ones((ROWS, 2)), epochs=2, verbose=0)
        changed = [(a != b).any() for a, b in zip(model.get_weights(), before, strict=True)]
        assert changed == [False, False, True, True, False, False, True, True]
        model.layers[0].trainable = True
        model.layers[3].trainable = False
        before = model.get_weights()
        model.train_on_batch(data("float32"), np.ones((ROWS, 2), np.float32))
        changed = [(a != b).any() for a, b in zip(model.get_weights(), before, strict=True)]
        assert changed == [True, True, True, True, False, False, False, False]
        assert not model.layers[3].kernel_gradient.any()

    def test_same_updates_as_without(self) -> None:
        """A frozen layer changes nothing about the others' step."""
        frozen, free = (
            dc.Sequential(
                [dc.Input(INPUTS), dc.Dense(5, "tanh"), dc.Dense(2, trainable=trainable)], seed=0
            )
            for trainable in (False, True)
        )
        for model in (frozen, free):
            model.compile("sgd", "mse")
            model.train_on_batch(data("float32"), np.ones((ROWS, 2), np.float32))
        assert (frozen.layers[0].kernel == free.layers[0].kernel).all()

    def test_single_rows(self) -> None:
        model = dc.Sequential(
            [dc.Input(INPUTS), dc.Dense(3, "tanh", trainable=False), dc.Dense(2)], seed=0
        )
        model.compile("sgd", "mse")
        before = model.layers[0].kernel.copy()
        model.fit(data("float32"), np.ones((ROWS, 2)), batch_size=1, verbose=0)
        assert (model.layers[0].kernel == before).all()


class TestActivationLayer:
    def test_joins_the_dense_layer_before(self) -> None:
        apart = dc.Sequential(
            [dc.Input(4), dc.Dense(5), layers.Activation("tanh"), dc.Dense(3),
             layers.Activation("softmax")], seed=0,
        )  # fmt: skip
        joined = dc.Sequential([dc.Input(4), dc.Dense(5, "tanh"), dc.Dense(3, "softmax")], seed=0)
        x = data("float32")[:, :4].copy()
        for model in (apart, joined):
            model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
            model.fit(x, np.arange(ROWS) % 3, epochs=3, verbose=0)
        assert apart.parameters.tobytes() == joined.parameters.tobytes()
        assert [layer.name for layer in apart.layers] == [
            "dense", "activation", "dense_1", "activation_1",
        ]  # fmt: skip

    def test_not_across_a_branch(self) -> None:
        """The block takes the dense layer's output before the function."""
        model = dc.Sequential(
            [dc.Input(3), dc.Dense(3), layers.Residual([layers.Activation("tanh")])], seed=0
        )
        x = data("float64")[:, :3].astype(np.float32)
        z = x @ model.layers[0].kernel
        assert_close(model.predict(x), z + np.tanh(z), 1e-6)

    def test_python_functions(self, dtype: str) -> None:
        def swish(x: Any) -> Any:
            return x / (1 + np.exp(-x))

        def derivative(x: Any, a: Any) -> Any:
            s = 1 / (1 + np.exp(-x))
            return s + a * (1 - s)

        model = dc.Sequential(
            [dc.Input(INPUTS), dc.Dense(5, activation=(np.tanh, lambda x, a: 1 - a * a)),
             dc.Dense(4), layers.Activation((swish, derivative)), dc.Dense(2)],
            dtype=dtype, seed=0,
        )  # fmt: skip
        native = dc.Sequential(
            [dc.Input(INPUTS), dc.Dense(5, "tanh"), dc.Dense(4), dc.Dense(2)],
            dtype=dtype, seed=0,
        )  # fmt: skip
        x = data(dtype)
        hidden = twin(native, 0, ROWS)
        expected = hidden.layers[2].forward(swish(hidden.layers[1].forward(
            hidden.layers[0].forward(x))))  # fmt: skip
        assert_close(model.predict(x), expected, TOLERANCE[dtype])
        model.compile("adam", "mse")
        history = model.fit(x, np.ones((ROWS, 2)), epochs=20, verbose=0).history["loss"]
        assert history[-1] < history[0]
        with pytest.raises(TypeError, match="a file cannot hold"):
            model.save("never.safetensors")

    def test_a_derivative_of_numpy_s_own_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r"found numpy\.cos .* such as lambda x, a: numpy\.cos"):
            layers.Activation((np.sin, np.cos))
        layers.Activation((np.sin, np.multiply))

    def test_an_error_in_a_python_function(self) -> None:
        def fail(x: Any) -> Any:
            raise ZeroDivisionError("mine")

        model = dc.Sequential([dc.Input(2), dc.Dense(2, activation=(fail, fail))], seed=0)
        model.compile("sgd", "mse")
        before = model.parameters.copy()
        with pytest.raises(ZeroDivisionError, match="mine"):
            model.fit(np.ones((3, 2)), np.ones((3, 2)), verbose=0)
        with pytest.raises(ZeroDivisionError, match="mine"):
            model.predict(np.ones((3, 2)))
        assert (model.parameters == before).all()
        wrong = dc.Sequential([dc.Input(2), dc.Dense(2, activation=(np.sum, np.sum))], seed=0)
        with pytest.raises(ValueError, match=r"activation: found .*wanted"):
            wrong.predict(np.ones((3, 2)))


class TestNormalization:
    def test_adapts_to_inputs_and_targets(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        x = rng.normal([0, 1e3, -5], [1, 50, 1e-3], (500, 3))
        y = 1e4 + 300 * (x[:, :1] + (x[:, 1:2] - 1e3) / 50)
        scaled, back = layers.Normalization(), layers.Normalization(invert=True)
        scaled.adapt(x)
        model = dc.Sequential([dc.Input(3), scaled, dc.Dense(8, "tanh"), dc.Dense(1), back], seed=0)
        back.adapt(y)
        assert_close(scaled.mean, x.mean(axis=0), 1e-6)
        assert_close(back.variance, y.var(axis=0), 1e-6)
        model.compile(dc.optimizers.Adam(0.01), "mse")
        model.fit(x, y, epochs=60, verbose=0)
        assert np.abs(model.predict(x) - y).std() < 0.15 * y.std()
        model.save(tmp_path / "m.safetensors")
        again = dc.load_model(tmp_path / "m.safetensors")
        assert again.predict(x).tobytes() == model.predict(x).tobytes()

    def test_a_constant_feature_becomes_zero(self) -> None:
        layer = layers.Normalization()
        layer.adapt(np.full((5, 2), 3.0))
        model = dc.Sequential([dc.Input(2), layer])
        assert (model.predict(np.full((2, 2), 3.0)) == 0).all()

    def test_rescaling(self) -> None:
        model = dc.Sequential([dc.Input(2), layers.Rescaling(1 / 255, offset=-0.5)])
        assert_close(model.predict([[0, 255.0]]), [[-0.5, 0.5]], 1e-6)

    def test_errors(self) -> None:
        layer = layers.Normalization()
        with pytest.raises(ValueError, match="adapt: found no rows"):
            layer.adapt(np.zeros((0, 3)))
        with pytest.raises(TypeError, match="adapt: found dtype <U1"):
            layer.adapt(np.array([["a"]]))
        layer.adapt(np.zeros((4, 3)))
        with pytest.raises(ValueError, match="numbers for 3 features, wanted 2"):
            dc.Sequential([dc.Input(2), layer])


def test_flatten_takes_images() -> None:
    images = np.random.default_rng(0).normal(size=(20, 4, 5)).astype(np.float32)
    model = dc.Sequential([layers.Flatten(input_shape=(4, 5)), dc.Dense(3, "softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, np.arange(20) % 3, verbose=0)
    assert model.predict(images).shape == (20, 3)
    assert model.input_shape == (None, 4, 5)


@pytest.mark.parametrize("name", STACKS)
def test_saved_and_loaded(name: str, dtype: str, tmp_path: Path) -> None:
    model = model_of(name, dtype)
    model.compile("adam", "mse")
    y = np.zeros((ROWS, model.output_shape[1]), dtype)
    model.fit(data(dtype), y, epochs=1, verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = dc.load_model(tmp_path / "m.safetensors")
    assert again.get_config() == model.get_config()
    for found, expected in zip(again.weights, model.weights, strict=True):
        assert found.tobytes() == expected.tobytes()
    again.fit(data(dtype), y, epochs=1, verbose=0)
    model.fit(data(dtype), y, epochs=1, verbose=0)
    assert again.parameters.tobytes() == model.parameters.tobytes()


@pytest.mark.parametrize("last", [dc.Dense(4), layers.Dropout(0.1), layers.LayerNormalization()])
def test_weights_in_order_of_keras(last: Any) -> None:
    model = dc.Sequential(
        [dc.Input(3), dc.Dense(2), layers.BatchNormalization(), dc.Dense(4), last]
    )
    shapes = [array.shape for array in model.get_weights()][:8]
    assert shapes == [(3, 2), (2,), (2,), (2,), (2,), (2,), (2, 4), (4,)]
    model.set_weights([array + 1 for array in model.get_weights()])
    assert model.layers[1].moving_variance.tolist() == [2, 2]
    assert model.count_params() == sum(array.size for array in model.get_weights())


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: layers.Residual([]), "found no layers"),
        (lambda: dc.Sequential([dc.Input(3), layers.Residual([dc.Dense(4)])]), "from 3 to 4 units"),
        (lambda: layers.BatchNormalization(momentum=2), "momentum: found 2"),
        (lambda: layers.LayerNormalization(epsilon=-1), "epsilon: found -1"),
        (lambda: layers.BatchNormalization(axis=0), "axis: found 0, wanted -1"),
        (lambda: layers.Activation("relo"), "did you mean 'relu'"),
        (lambda: layers.Normalization(mean=1.0), "found one of mean and variance"),
        (lambda: layers.Rescaling(0), "wanted numbers > 0"),
        (lambda: dc.Sequential([dc.Dense(2, name="a"), dc.Dense(2, name="a")]), "name 'a' twice"),
    ],
)
def test_errors_say_what_is_wanted(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_summary_shows_blocks_and_what_is_frozen() -> None:
    model = model_of("residuals", "float32")
    model.layers[0].trainable = False
    lines: list[str] = []
    model.summary(lines.append)
    text = "\n".join(lines)
    assert "dense (Dense, frozen)" in text
    assert "  batch_normalization (BatchNormalization)" in text
    assert f"Total params: {model.count_params():,} (" in text


@pytest.mark.parametrize(
    "last",
    [
        lambda: layers.BatchNormalization(),
        lambda: layers.Residual([dc.Dense(3)]),
        lambda: layers.Rescaling(2.0),
        lambda: layers.Activation((np.sin, lambda x, a: np.cos(x))),
        lambda: layers.Dropout(0.0),
    ],
)
def test_a_loss_of_logits_sees_the_last_layer(last: Any) -> None:
    model = dc.Sequential([dc.Input(4), dc.Dense(3), last()], dtype="float64", seed=0)
    loss = dc.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, ["accuracy"])
    x, y = data("float64")[:, :4].copy(), np.arange(ROWS) % 3
    z = model.predict(x)
    expected = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(ROWS), y])
    found = model.evaluate(x, y, return_dict=True)
    assert found["loss"] == pytest.approx(expected, rel=1e-10)  # type: ignore[call-overload,index]
    before = model.parameters.copy()
    model.fit(x, y, verbose=0)
    assert (model.parameters != before).any()


def test_a_layer_stands_in_one_place_only() -> None:
    shared = dc.Dense(4)
    with pytest.raises(ValueError, match="twice, wanted each once"):
        dc.Sequential([dc.Input(4), layers.Residual([shared, shared])])
    with pytest.raises(ValueError, match="name 'a' twice"):
        dc.Sequential(
            [dc.Input(4), layers.Residual([dc.Dense(4, name="a"), dc.Dense(4, name="a")])]
        )
    # What did not become a model leaves its layers free.
    wrong = dc.Dense(5)
    with pytest.raises(ValueError, match="from 4 to 5 units"):
        dc.Sequential([dc.Input(4), layers.Residual([wrong])])
    assert dc.Sequential([dc.Input(4), wrong]).output_shape == (None, 5)


def test_residual_can_be_frozen_from_the_start() -> None:
    block = layers.Residual([dc.Dense(4)], trainable=False)
    assert not block.trainable
    assert not block.layers[0].trainable


def test_small_and_large_scales() -> None:
    back = layers.Normalization(mean=0.0, variance=1e-18, invert=True)
    model = dc.Sequential([dc.Input(1), back], dtype="float64")
    assert model.predict([[2.0]])[0, 0] == pytest.approx(2e-9, rel=1e-12)
    assert dc.Sequential([dc.Input(1), layers.Rescaling(1e9)]).predict([[1.0]])[0, 0] == 1e9
    with pytest.raises(ValueError, match="overflow float32"):
        dc.Sequential([dc.Input(1), layers.Rescaling(1e-20)])
    with pytest.raises(TypeError, match="Rescaling: found adapt"):
        layers.Rescaling(2.0).adapt([[1.0]])


def test_the_first_derivatives_of_a_periodic_embedding_only() -> None:
    model = model_of("periodic", "float64")
    with pytest.raises(ValueError, match="'periodic_embedding', of which only the first"):
        model.input_derivatives(data("float64", 3), np.ones(INPUTS))


def test_periodic_embeddings_say_what_is_wanted() -> None:
    with pytest.raises(ValueError, match="columns: found 7, wanted at most 6, the number of feat"):
        dc.Sequential([dc.Input(INPUTS), layers.PeriodicEmbedding(7)])
    with pytest.raises(ValueError, match="PeriodicEmbedding: units: found 1"):
        layers.PeriodicEmbedding(units=1)
    with pytest.raises(ValueError, match="PeriodicEmbedding: sigma: found 0"):
        layers.PeriodicEmbedding(sigma=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cosines_far_from_zero(dtype: str) -> None:
    """To the bits that the product of frequency and column leaves."""
    model = dc.Sequential([dc.Input(1), layers.PeriodicEmbedding(1, 2, 1)], dtype=dtype, seed=0)
    layer = model.layers[0]
    layer.set_weights([[[1.0]], [[0.0]], [[1.0]], [[0.0]]])
    x = np.concatenate([np.linspace(-3, 3, 1001), np.arange(-500, 500) + 0.125]).astype(dtype)
    expected = np.cos(2 * np.pi * (x.astype(np.float64) % 1))
    assert_close(model.predict(x[:, None])[:, 1], expected, 4 * float(np.finfo(dtype).eps))
    strange = np.array([[np.inf], [-np.inf], [1e30], [np.nan]], dtype)
    found = model.predict(strange)[:, 1]
    assert (np.abs(found[:3]) <= 1).all()
    assert np.isnan(found[3])
