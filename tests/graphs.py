"""Random graphs of layers, in the core's form and as the reference's."""

from typing import Any

import numpy as np

from conftest import NETWORKS
from densecore.reference import graph as oracle
from densecore.reference import layers as simple

MERGES = ["concatenate", "add", "subtract", "multiply", "average", "maximum", "minimum", "dot"]
Spec = dict[str, Any]


def random_graph(
    rng: np.random.Generator, inputs: int, nodes: int, widest: int, outputs: int = 3
) -> list[Spec]:
    """Specifications of layers: dense ones, some of which share parameters, merges of one to four
    inputs, and normalisations; everything is used, and the last layer is dense."""
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
        kind = str(rng.choice([*MERGES, "dense", "dense", "share", "layer_normalization"]))
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
        elif kind == "layer_normalization":
            add({"kind": kind, "sources": [taken]}, width)
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


def twin(network: Any, specs: list[Spec]) -> oracle.Graph:
    """The reference's graph with the core's parameters."""
    nodes: list[Any] = []
    for number, spec in enumerate(specs):
        arrays = network.layer_views(number)[0]
        kind = spec["kind"]
        layer: Any
        if kind == "dense":
            layer = simple.Dense(
                arrays["kernel"].T, arrays.get("bias"), spec.get("activation", "linear")
            )
        elif kind == "layer_normalization":
            layer = simple.LayerNormalization(arrays["gamma"], arrays["beta"])
        elif kind == "embedding":
            layer = oracle.Embedding(arrays["embeddings"])
        elif kind in ("concatenate", "heads"):
            names = [name for name, _ in spec["activations"]] if kind == "heads" else None
            layer = oracle.Heads(names)
        elif kind in ("add", "average", "subtract"):
            layer = oracle.Sum([1, -1] if kind == "subtract" else None, kind == "average")
        elif kind == "multiply":
            layer = oracle.Product()
        elif kind in ("maximum", "minimum"):
            layer = oracle.Extremum(kind == "maximum")
        else:
            layer = oracle.Dot(
                (spec.get("first_rows", 1), spec.get("second_rows", 1)),
                (spec.get("first_across", False), spec.get("second_across", False)),
            )
        nodes.append((layer, spec.get("sources", [(number - 1, 0, -1)])))
    return oracle.Graph(nodes)


def expected_gradients(network: Any, specs: list[Spec], graph: oracle.Graph) -> Any:
    """The reference's gradients, where the core has them."""
    flat = np.zeros(network.parameter_count, network.parameters.dtype)
    start = network.parameters.__array_interface__["data"][0]
    for number, arrays in graph.gradients.items():
        root = specs[number].get("shares", number)
        views = network.layer_views(root)[0]
        for view, gradient in zip(views.values(), arrays, strict=True):
            begin = (view.__array_interface__["data"][0] - start) // flat.itemsize
            values = gradient.T if specs[number]["kind"] == "dense" else gradient
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
    return network
