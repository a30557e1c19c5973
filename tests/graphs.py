"""Random graphs of layers, in the core's form and as the reference's."""

from collections.abc import Callable
from typing import Any

import numpy as np

from conftest import NETWORKS
from densecore.reference import graph as oracle
from densecore.reference import layers as simple
from densecore.reference import table_layers

MERGES = ["concatenate", "add", "subtract", "multiply", "average", "maximum", "minimum", "dot",
          "first", "transposed_dense"]  # fmt: skip
Spec = dict[str, Any]
Arrays = dict[str, Any]


def unary(rng: np.random.Generator, width: int, coupled: bool) -> tuple[Spec, int]:
    """A layer of one input besides the dense one, and its units; `coupled`: it may be one that
    looks at all rows of a batch."""
    flags = {"scale": bool(rng.integers(2)), "center": bool(rng.integers(2))}
    divisors = [n for n in range(1, width + 1) if width % n == 0]
    first = int(rng.integers(width))
    count = int(rng.integers(1, width - first + 1))
    columns = int(rng.integers(1, width + 1))
    choices: list[tuple[Spec, int]] = [
        ({"kind": "layer_normalization", "epsilon": 0.1, **flags}, width),
        ({"kind": "group_normalization", "groups": int(rng.choice(divisors)), "epsilon": 0.1,
          **flags}, width),
        ({"kind": "unit_normalization"}, width),
        ({"kind": "rms_normalization", "epsilon": 0.1}, width),
        ({"kind": "activation", "activation": "tanh"}, width),
        ({"kind": "scale"}, width),
        ({"kind": "normalization", "invert": bool(rng.integers(2))}, width),
        ({"kind": "periodic_embedding", "columns": columns, "units": 3, "frequencies": 2},
         width + 2 * columns),
        ({"kind": "activity_regularization", "l1": 0.1, "l2": 0.2, "linear": -0.1,
          "whole": bool(rng.integers(2))}, width),
        ({"kind": "columns", "first": first, "count": count}, count),
        ({"kind": "columns", "first": first, "count": count}, count),
    ]  # fmt: skip
    if coupled:
        norm = {"kind": "batch_normalization", "epsilon": 0.1, **flags}
        choices += [(norm, width)] * 3
    return choices[int(rng.integers(len(choices)))]


def random_graph(
    rng: np.random.Generator,
    inputs: int,
    nodes: int,
    widest: int,
    outputs: int = 3,
    coupled: bool = False,
) -> list[Spec]:
    """Specifications of layers: dense ones, some of which share parameters, merges of one to four
    inputs, and others, `coupled` batch normalisation; everything is used, and the last layer is
    dense."""
    specs: list[Spec] = []
    widths: list[int] = []
    unused: set[int] = set()

    def add(spec: Spec, width: int) -> None:
        for number, _, _ in spec["sources"]:
            unused.discard(number)
        specs.append(spec)
        widths.append(width)
        unused.add(len(specs) - 1)

    def source() -> tuple[tuple[int, int, int], int]:
        number = int(rng.integers(-1, len(widths)))
        if number >= 0:
            return (number, 0, -1), widths[number]
        first = int(rng.integers(inputs))
        columns = int(rng.integers(1, inputs - first + 1))
        return (-1, first, columns), columns

    def dense(taken: tuple[int, int, int], units: int, **more: Any) -> None:
        activation = str(rng.choice(["linear", "relu", "tanh", "softmax", "gelu"]))
        add({"kind": "dense", "units": units, "activation": activation, "sources": [taken],
             "use_bias": bool(rng.integers(2)), **more}, units)  # fmt: skip

    dense((-1, 0, -1), int(rng.integers(1, widest)))
    while len(specs) < nodes:
        kind = str(rng.choice([*MERGES, "dense", "dense", "share", "unary", "unary"]))
        taken, width = source()
        if kind == "dense":
            dense(taken, int(rng.integers(1, widest)))
        elif kind == "share":
            root = int(rng.integers(len(specs)))
            if specs[root]["kind"] != "dense" or "shares" in specs[root]:
                continue
            wanted = specs[root]["sources"][0]
            wanted_width = widths[wanted[0]] if wanted[0] >= 0 else wanted[2] % (inputs + 1)
            same = [i for i, w in enumerate(widths) if w == wanted_width]
            if same:
                other = {k: v for k, v in specs[root].items() if k in ("units", "use_bias")}
                add({"kind": "dense", **other, "activation": "tanh", "shares": root,
                     "sources": [(int(rng.choice(same)), 0, -1)]}, widths[root])  # fmt: skip
        elif kind == "unary":
            spec, units = unary(rng, width, coupled)
            if spec["kind"] == "columns" and taken[0] < 0:
                continue  # of x a source is its columns
            add({**spec, "sources": [taken]}, units)
        elif kind == "first":
            others = [(i, 0, -1) for i in rng.choice(len(specs), int(rng.integers(1, 3)))]
            add({"kind": kind, "sources": [taken, *others]}, width)
        elif kind == "transposed_dense":
            roots = [
                i for i, spec in enumerate(specs)
                if spec["kind"] == "dense" and "shares" not in spec and widths[i] == width
            ]  # fmt: skip
            if roots:
                root = int(rng.choice(roots))
                before, _, columns = specs[root]["sources"][0]
                units = widths[before] if before >= 0 else columns if columns >= 0 else inputs
                add({"kind": kind, "units": units, "use_bias": specs[root]["use_bias"],
                     "shares": root, "sources": [taken]}, units)  # fmt: skip
        elif kind == "concatenate":
            others = [source() for _ in range(int(rng.integers(1, 5)))]
            total = sum(w for _, w in others)
            if total <= 4 * widest:
                add({"kind": kind, "sources": [s for s, _ in others]}, total)
        elif kind == "dot":
            same = [i for i, w in enumerate(widths) if w == width]
            if same:
                add({"kind": kind, "sources": [taken, (int(rng.choice(same)), 0, -1)]}, 1)
        else:
            fitting = [i for i, w in enumerate(widths) if w in (width, 1)]
            count = 1 if kind == "subtract" else int(rng.integers(0, 4))
            if fitting and width > 1:
                more = [(int(i), 0, -1) for i in rng.choice(fitting, count)]
                add({"kind": kind, "sources": [taken, *more]}, width)
    add({"kind": "concatenate", "sources": [(i, 0, -1) for i in sorted(unused)]},
        sum(widths[i] for i in unused))  # fmt: skip
    dense((len(specs) - 1, 0, -1), outputs)
    specs[-1]["activation"] = "linear"
    return specs


def function_of(name: str, numbers: Any = ()) -> simple.Activation:
    """The reference's activation of a core's name."""
    if name == "gelu_tanh":
        return simple.Activation("gelu", True)
    return simple.Activation("relu" if name == "relu_general" else name, *numbers)


def _dense(spec: Spec, arrays: Arrays) -> simple.Dense:
    f = function_of(spec.get("activation", "linear"), spec.get("activation_parameters", ()))
    layer = simple.Dense(arrays["kernel"].T, arrays.get("bias"))
    layer.function, layer.numbers = f.function, f.numbers
    return layer


def _norm(kind: Any) -> Callable[[Spec, Arrays], simple.Layer]:
    """What makes a normalisation with a gamma and a beta that may be missing."""

    def made(spec: Spec, arrays: Arrays) -> simple.Layer:
        known = (arrays[name] for name in ("gamma", "beta", "moving_mean") if name in arrays)
        found, dtype = next(known, None), arrays["dtype"]
        width = arrays["width"] if found is None else found.size
        gamma = arrays.get("gamma", np.ones(width, dtype))
        beta = arrays.get("beta", np.zeros(width, dtype))
        given: list[Any] = [gamma, beta, spec.get("epsilon", 1e-3)]
        if kind is simple.GroupNormalization:
            given.insert(0, int(spec.get("groups", 32)))
        if kind is simple.BatchNormalization:
            given[2:2] = [arrays["moving_mean"], arrays["moving_variance"]]
            given.insert(4, spec.get("momentum", 0.99))
        layer: simple.Layer = kind(*given)
        return layer

    return made


def _heads(spec: Spec, arrays: Arrays) -> oracle.Heads:
    return oracle.Heads([function_of(name, numbers) for name, numbers in spec["activations"]])


def _dot(spec: Spec, arrays: Arrays) -> oracle.Dot:
    rows = int(spec.get("first_rows", 1)), int(spec.get("second_rows", 1))
    return oracle.Dot(rows, (spec.get("first_across", False), spec.get("second_across", False)))


#: From a kind of the core's to its oracle; the arrays are those of `layer_views`.
ORACLES: dict[str, Callable[[Spec, Arrays], Any]] = {
    "dense": _dense,
    "transposed_dense": lambda spec, arrays: oracle.TransposedDense(_dense({}, arrays)),
    "activation": lambda spec, arrays: function_of(
        spec.get("activation", "linear"), spec.get("activation_parameters", ())
    ),
    "dropout": lambda spec, arrays: simple.Dropout(arrays["random"]),
    "gaussian_noise": lambda spec, arrays: simple.GaussianNoise(arrays["random"]),
    "layer_normalization": _norm(simple.LayerNormalization),
    "group_normalization": _norm(simple.GroupNormalization),
    "batch_normalization": _norm(simple.BatchNormalization),
    "rms_normalization": lambda spec, arrays: simple.RMSNormalization(
        arrays["scale"], spec.get("epsilon", 1e-6)
    ),
    "unit_normalization": lambda spec, arrays: simple.UnitNormalization(),
    "normalization": lambda spec, arrays: simple.Normalization(
        arrays["mean"], arrays["variance"], bool(spec.get("invert", False))
    ),
    "scale": lambda spec, arrays: simple.Scale(arrays["scale"]),
    "periodic_embedding": lambda spec, arrays: simple.PeriodicEmbedding(
        *(arrays[name] for name in ("frequencies", "phases", "kernel", "bias"))
    ),
    "parametric_activation": lambda spec, arrays: table_layers.ParametricActivation(
        arrays["alpha"], spec["function"], *spec["function_parameters"]
    ),
    "piecewise_linear": lambda spec, arrays: table_layers.PiecewiseLinear(
        *(
            arrays[name][: spec["columns"] * spec["bins"]].reshape(spec["columns"], -1)
            for name in ("lower", "upper")
        ),
        bool(spec["clip"]),
    ),
    "member_dense": lambda spec, arrays: table_layers.MemberDense(
        arrays["kernel"]
        if spec["shared_kernel"]
        else arrays["kernel"].reshape(spec["members"], -1, spec["units"]),
        *(arrays.get(name) for name in ("bias", "input_scale", "output_scale")),
        spec["members"],
        bool(spec["one_input"]),
    ),
    "activity_regularization": lambda spec, arrays: simple.ActivityRegularization(
        *(spec.get(name, 0.0) * arrays["penalties"] for name in ("l1", "l2", "linear")),
        bool(spec.get("whole", False)),
    ),
    "function": lambda spec, arrays: simple.Function(*spec["function"]),
    "columns": lambda spec, arrays: oracle.Columns(int(spec["first"]), int(spec["count"])),
    "embedding": lambda spec, arrays: oracle.Embedding(
        arrays["embeddings"], bool(spec.get("missing", False))
    ),
    "concatenate": lambda spec, arrays: oracle.Heads(),
    "heads": _heads,
    "first": lambda spec, arrays: oracle.First(),
    "add": lambda spec, arrays: oracle.Sum(),
    "average": lambda spec, arrays: oracle.Sum(average=True),
    "subtract": lambda spec, arrays: oracle.Sum([1, -1]),
    "multiply": lambda spec, arrays: oracle.Product(),
    "maximum": lambda spec, arrays: oracle.Extremum(True),
    "minimum": lambda spec, arrays: oracle.Extremum(False),
    "dot": _dot,
}

#: The arrays of a kind in the order of its oracle's gradients, where a kind may lack some.
NAMES = {
    "dense": ("kernel", "bias"),
    "transposed_dense": ("kernel", "bias"),
    **dict.fromkeys(
        ("layer_normalization", "group_normalization", "batch_normalization"), ("gamma", "beta")
    ),
}


def twin(
    network: Any,
    specs: list[Spec],
    penalties: bool = False,
    step: int | None = None,
    rows: int = 0,
) -> oracle.Graph:
    """The reference's graph with the core's parameters.

    Parameters
    ----------
    penalties : bool, default False
        Whether those of outputs count: they do in training, not in `forward` and `backward`.
    step, rows : int, optional
        A training step, with whose random numbers units drop out.
    """
    dtype = network.parameters.dtype
    widths = [0] * len(specs)
    if step is None:  # for normalisations without arrays; a pass takes random numbers
        network.forward(np.zeros((1, network.inputs), dtype), None, False, None, -1)
        widths = [out.shape[1] for out in network.layer_outputs()]
    nodes: list[Any] = []
    for number, spec in enumerate(specs):
        parameters, _, states = network.layer_views(number)
        own = {name: array.copy() for name, array in states.items()}
        arrays: Arrays = {**parameters, **own, "dtype": dtype, "width": widths[number]}
        arrays["penalties"] = float(penalties)
        if spec["kind"] in ("dropout", "gaussian_noise"):
            known = step is not None
            arrays["random"] = network.random_numbers(number, step, rows) if known else None
        layer = ORACLES[spec["kind"]](spec, arrays)
        nodes.append((layer, spec.get("sources", [(number - 1, 0, -1)])))
    return oracle.Graph(nodes)


def penalty_of(graph: oracle.Graph) -> float:
    """What the outputs' penalties add to the loss."""
    kind = simple.ActivityRegularization
    return sum(layer.penalty for layer in graph.layers if isinstance(layer, kind))


def expected_gradients(network: Any, specs: list[Spec], graph: oracle.Graph) -> Any:
    """The reference's gradients, where the core has them."""
    flat = np.zeros(network.parameter_count, network.parameters.dtype)
    start = network.parameters.__array_interface__["data"][0]
    for number, arrays in graph.gradients.items():
        kind = specs[number]["kind"]
        views = network.layer_views(number)[0]
        names = NAMES.get(kind, tuple(views))
        for name, gradient in zip(names, arrays, strict=False):
            if name not in views:
                continue
            view = views[name]
            begin = (view.__array_interface__["data"][0] - start) // flat.itemsize
            turned = name == "kernel" and kind in ("dense", "transposed_dense")
            values = gradient.T if turned else gradient
            flat[begin : begin + view.size] += values.ravel()
    return flat


def network_of_graph(
    dtype: str, inputs: int, specs: list[Spec], level: str | None = None, seed: int = 0
) -> Any:
    """A network of the core with parameters of order 1 / sqrt(inputs of a layer)."""
    network = NETWORKS[dtype](inputs, specs, level)
    rng = np.random.default_rng(seed)
    for number in range(len(specs)):
        for array in network.layer_views(number)[0].values():
            scale = 1 / np.sqrt(array.shape[0] if array.ndim == 2 else 4)
            array[...] = rng.normal(size=array.shape) * scale
        for array in network.layer_views(number)[2].values():
            array[...] = rng.uniform(0.5, 2, array.shape)
        states = network.layer_views(number)[2]
        if "upper" in states:  # bins of little width would make little of a rounding much
            states["upper"][...] = states["lower"] + rng.uniform(0.5, 1, states["lower"].shape)
    return network
