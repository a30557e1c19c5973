"""Random models over layer kinds, widths, activations and shapes of graphs, for what must hold for
any model: a seed is a model, its rows, and every number in it."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import densecore as dc
from densecore import layers

#: Functions of single elements that stay finite, as users write them of symbols.
ELEMENTS: list[Callable[[Any], Any]] = [
    lambda x: 1 - x, lambda x: 0.5 * x, np.tanh, np.square, lambda x: np.exp(-np.square(x)),
    np.sin, np.abs, lambda x: np.log1p(np.abs(x)), lambda x: np.sqrt(x**2 + 1), lambda x: x / 3.0,
    lambda x: 2.0 / (x**2 + 1.0), lambda x: np.maximum(x, 0.25), lambda x: np.minimum(x, 0.5),
    np.arcsinh, lambda x: np.logaddexp(x, 0.0), lambda x: -x, np.cos, lambda x: np.sign(x) * x,
    lambda x: np.expm1(np.minimum(x, 1.0)),
]  # fmt: skip
MERGES: list[Callable[[], Any]] = [
    layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum
]  # fmt: skip

Rows = list[np.ndarray]


class Gate(layers.Layer):
    """A custom layer with weights in each of the ways that there are, and a layer in it."""

    def __init__(self, units: int, **general: Any) -> None:
        super().__init__(**general)
        self.units = units
        self.inner = layers.Dense(units, "tanh", name="inner")

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight((self.units,), "ones", name="bias")
        self.factors = self.add_weight((self.units,), "ones", name="factors")
        self.alone = self.add_weight((self.units,), "ones", name="alone")

    def call(self, x: Any) -> Any:
        h = self.inner(x)
        return (x @ self.kernel + self.bias) * self.factors * h + np.tanh(self.alone) * h


class Both(layers.Layer):
    """A custom layer of two inputs and two outputs, which calls a layer twice."""

    def __init__(self, units: int, **general: Any) -> None:
        super().__init__(**general)
        self.shared = layers.Dense(units, "sigmoid")
        self.gate = Gate(units)

    def call(self, a: Any, b: Any) -> Any:
        return self.shared(a) - self.shared(b), self.gate(layers.concatenate([a, b]))


class _Author:
    """Layers and widths as a generator of random numbers has them."""

    def __init__(self, seed: int, without: frozenset[type]) -> None:
        self.rng = np.random.default_rng([seed, 18])
        self.without = without
        # One that overflows; one that other libraries compute as a difference: near 0 they lose
        # what a normalisation after it makes large; and one with a step, where a rounding decides.
        left = ("exponential", "tanh_shrink", "threshold")
        self.names = [name for name in dc.activations.names() if name not in left]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, things: Any) -> Any:
        return things[int(self.rng.integers(len(things)))]

    def activation(self) -> str:
        return str(self.pick(self.names))

    def dense(self, units: int) -> layers.Dense:
        return layers.Dense(units, self.activation(), use_bias=self.chance(0.7))

    def unary(self, width: int) -> Any:
        """A layer that takes one vector of features and keeps its width."""
        rng = self.rng
        divisors = [n for n in range(1, width + 1) if width % n == 0]
        kinds: list[Callable[[], Any]] = [
            lambda: self.dense(width),
            lambda: layers.Activation(self.activation()),
            lambda: layers.ReLU(2.0, 0.1, 0.2),
            lambda: layers.LeakyReLU(0.2),
            lambda: layers.ELU(0.7),
            layers.Softmax,
            layers.PReLU,
            lambda: layers.BatchNormalization(scale=self.chance(0.5)),
            lambda: layers.LayerNormalization(center=self.chance(0.5)),
            layers.RMSNormalization,
            lambda: layers.GroupNormalization(int(self.pick([*divisors, -1]))),
            layers.UnitNormalization,
            lambda: layers.Normalization(
                mean=rng.normal(size=width), variance=rng.uniform(0.5, 2, width),
                invert=self.chance(0.5),
            ),
            layers.Scale,
            lambda: layers.PeriodicEmbedding(1, 1 + int(rng.integers(1, 4)), 5, sigma=0.5),
            lambda: layers.Rescaling(rng.uniform(0.5, 2, width), rng.normal()),
            lambda: layers.Dropout(0.3),
            lambda: layers.GaussianNoise(0.3),
            lambda: layers.GaussianDropout(0.3),
            lambda: layers.AlphaDropout(0.3),
            lambda: layers.ActivityRegularization(0.1, 0.2),
            layers.Identity,
            lambda: layers.Residual([self.dense(width), self.dense(width)]),
        ]  # fmt: skip
        while True:
            layer = self.pick(kinds)()
            if not {type(each) for each in layer._walk()} & self.without:
                return layer

    def block(self, width: int) -> dc.Sequential:
        """A model to be called as a layer."""
        found = [dc.Input(width), self.dense(5), *(self.unary(5) for _ in range(2))]
        return dc.Sequential([*found, self.dense(4)], seed=1)

    def two_inputs(self, width: int) -> dc.Model:
        """A model of two inputs and two outputs, to be called as a layer."""
        a, b = dc.Input(width), dc.Input(3)
        h = layers.concatenate([self.dense(3)(a), b])
        return dc.Model([a, b], [self.dense(2)(h), h], seed=2)


def _graph(author: _Author, dtype: str, seed: int) -> tuple[dc.Model, Rows]:
    """A functional model, and rows of its inputs."""
    rng = author.rng
    inputs: list[Any] = []
    whole: list[bool] = []
    pool: list[Any] = []
    for number in range(int(rng.integers(1, 4))):
        form = author.pick(["vector", "vector", "matrix", "categories"])
        if form == "categories" and layers.Embedding in author.without:
            form = "vector"
        rows = {"vector": (int(rng.integers(3, 9)),), "matrix": (3, 4), "categories": (2,)}[form]
        given = dc.Input(rows, name=f"in {number}" if author.chance(0.8) else None)
        inputs.append(given)
        whole.append(form == "categories")
        if form == "categories":
            table = layers.Embedding(7, 3, missing=author.chance(0.3) and not author.without)
            pool.append(layers.Flatten()(table(given)))
        elif form == "matrix":
            each = layers.Dense(author.pick([2, 5]), author.activation())(given)
            end = ["flat", "permuted", "largest", "deep", "mean"][(seed + number) % 5]
            if end == "mean":
                each = layers.GlobalAveragePooling1D()(author.dense(3)(each))
            elif end == "largest":
                each = layers.GlobalMaxPooling1D(keepdims=author.chance(0.3))(each)
            elif end == "permuted":
                each = layers.SpatialDropout1D(0.3)(layers.Permute((2, 1))(each))
            elif end == "deep":
                each = author.dense(3)(each)
            pool.append(layers.Flatten()(each) if len(each.row) > 1 else each)
        else:
            pool.append(given)
            if author.chance(0.3):
                pool.append(given[:, 1:3])
    shared = author.dense(4)
    unused = list(pool)

    def take() -> Any:
        found = author.pick(unused if unused and author.chance(0.5) else pool)
        unused[:] = [symbol for symbol in unused if symbol is not found]
        return found

    def of_width(symbol: Any, width: int) -> Any:
        return symbol if symbol.row == (width,) else author.dense(width)(symbol)

    for _ in range(int(rng.integers(3, 9))):
        a = take()
        form = author.pick(["unary", "unary", "unary", "merge", "concatenate", "dot", "element",
                            "repeat", "matrices", "shared", "model", "models", "part", "own",
                            "both"])  # fmt: skip
        found: list[Any]
        if form == "merge":
            b = of_width(take(), 1 if author.chance(0.2) else a.row[0])
            found = [author.pick(MERGES)()([a, b])]
        elif form == "concatenate":
            found = [layers.Concatenate()([a, take(), a][: int(rng.integers(2, 4))])]
        elif form == "dot":
            b = of_width(take(), a.row[0])
            found = [layers.Dot(axes=-1, normalize=author.chance(0.5))([a, b])]
        elif form == "element":
            found = [author.pick(ELEMENTS)(a)]
        elif form == "repeat":
            found = [layers.Flatten()(layers.RepeatVector(int(rng.integers(1, 4)))(a))]
        elif form == "matrices":
            one = layers.Reshape((2, 3))(of_width(a, 6))
            other = layers.Reshape((3, 4))(of_width(take(), 12))
            axes = (2, 1)
            if author.chance(0.5):
                one, other, axes = other, one, (1, 2)
            found = [layers.Flatten()(layers.Dot(axes=axes)([one, other]))]
        elif form == "shared":
            found = [shared(of_width(a, 5)), shared(of_width(take(), 5))]
        elif form == "model":
            block = author.block(a.row[0])
            found = [block(a), *([block(a)] if author.chance(0.3) else [])]
        elif form == "part":
            a = author.dense(a.row[0])(a)  # of an input, others would have to take the rest
            first = int(rng.integers(a.row[0]))
            found = [a[:, first : first + int(rng.integers(1, 4))]]
        elif form == "own":
            found = [Gate(int(rng.integers(2, 5)))(a)]
        elif form == "both":
            found = list(Both(3)(a, of_width(take(), a.row[0])))
        elif form == "models":
            found = author.two_inputs(a.row[0])([a, of_width(take(), 3)])
        else:
            found = [author.unary(a.row[0])(a)]
        pool += found
        unused += found
    a = take()
    last = MERGES[seed % len(MERGES)]()([a, of_width(take(), a.row[0])])  # each of them soon
    pool.append(last)
    unused.append(last)
    ends = [author.pick(unused)] if unused and author.chance(0.5) else []
    rest = [symbol for symbol in unused if symbol not in ends] or [pool[-1]]
    joined = layers.concatenate(rest) if len(rest) > 1 else rest[0]
    outputs: Any = [author.dense(int(rng.integers(1, 5)))(joined), *ends]
    if author.chance(0.3):
        outputs.append(layers.Reshape((2, 3))(author.dense(6)(joined)))
    if author.chance(0.2):
        outputs.append(outputs[0])
    if len(outputs) > 1 and author.chance(0.3):
        outputs = {f"out {number}": each for number, each in enumerate(outputs)}
    elif len(outputs) == 1:
        (outputs,) = outputs
    given = inputs[0] if len(inputs) == 1 else inputs
    if len(inputs) > 1 and author.chance(0.3):
        given = {f"key {number}": each for number, each in enumerate(inputs)}
    model = dc.Model(given, outputs, dtype=dtype, seed=seed)
    arrays = [
        rng.integers(0, 7, (12, *each.row)).astype(dtype)
        if is_whole
        else rng.normal(0.3, 1.2, (12, *each.row)).astype(dtype)
        for each, is_whole in zip(inputs, whole, strict=True)
    ]
    return model, arrays


def outputs_of(model: Any, x: Rows) -> Rows:
    """Predictions as a list, whatever the structure of inputs and outputs."""
    found = model.predict(x if len(x) > 1 else x[0], verbose=0)
    if isinstance(found, dict):
        return list(found.values())
    return list(found) if isinstance(found, list | tuple) else [found]


def random_graph_model(
    seed: int, dtype: str, without: frozenset[type] = frozenset()
) -> tuple[dc.Model, Rows]:
    """A functional model of random layers, and rows of each of its inputs.

    Parameters
    ----------
    seed : int
        The first model from there on whose predictions are ordinary numbers.
    without : frozenset of type
        Kinds of layers that it is to do without.
    """
    for attempt in itertools.count():
        author = _Author(seed + 1000 * attempt, without)
        # Chosen by double precision, so that a seed is one model in both.
        exact, rows = _filled(author, "float64", seed)
        found = outputs_of(exact, rows)
        if not all(np.isfinite(each).all() and 1e-3 < np.abs(each).max() < 1e4 for each in found):
            continue
        if dtype == "float64":
            return exact, rows
        return _filled(_Author(seed + 1000 * attempt, without), dtype, seed)
    raise AssertionError


def _filled(author: _Author, dtype: str, seed: int) -> tuple[dc.Model, Rows]:
    """A graph with numbers in all of its arrays that are not the initial ones."""
    model, x = _graph(author, dtype, seed)
    for layer in model._all_layers():
        own = layers.Dense | layers.Normalization | layers.Residual | layers.PeriodicEmbedding
        if isinstance(layer, own) or not layer.parameter_names:
            continue
        for array in layer.weights:
            array[...] = author.rng.uniform(0.5, 2, array.shape)
    return model, x


def tolerances(seed: int, model: dc.Model, x: Rows, **options: Any) -> Iterator[float]:
    """For each output 1e-6 of its largest number, unless the network itself multiplies roundings,
    as layers do that normalise a few numbers: then a few times of what ours is off from double
    precision."""
    wanted = outputs_of(model, x)
    if model.dtype == "float64":
        yield from [1e-11] * len(wanted)
        return
    exact, _ = random_graph_model(seed, "float64", **options)
    exact.set_weights([array.astype(np.float64) for array in model.get_weights()])
    truths = outputs_of(exact, [each.astype(np.float64) for each in x])
    for truth, found in zip(truths, wanted, strict=True):
        yield max(1e-6, 4 * float(np.abs(truth - found).max() / np.abs(found).max()))


def assert_near(
    found: Any, model: dc.Model, x: Rows, limits: Iterator[float], what: str, same_type: bool = True
) -> None:
    """Compare outputs of another program with the model's."""
    wanted = outputs_of(model, x)
    assert len(found) == len(wanted), what
    for one, other, limit in zip(map(np.asarray, found), wanted, limits, strict=True):
        assert one.shape == other.shape, (what, one.shape, other.shape)
        assert one.dtype == other.dtype or not same_type, what
        error = np.abs(one - other).max() / np.abs(other).max()
        assert error <= limit, (what, float(error), limit, model.layers)
