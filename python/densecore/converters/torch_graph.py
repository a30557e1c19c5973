"""PyTorch modules whose ``forward`` is more than a stack, as graphs of layers."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import layers
from .._base.lazy import imports
from .._data.structures import mapped
from ..layers.merge import Merge
from ..layers.weight import Zeros
from ..models.functional import Functional
from ..models.model import Model
from .torch_functions import ACTIVATION_NAMES, FUNCTIONS, call, without_row
from .torch_layers import ACTIVATIONS, CONTAINERS, LAYERS, WITHOUT_EFFECT, Reader, kind_of
from .torch_numbers import Numbers

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]

_MERGES: Mapping[str, type[Merge]] = {
    "add": layers.Add, "average": layers.Average, "concatenate": layers.Concatenate,
    "maximum": layers.Maximum, "minimum": layers.Minimum, "multiply": layers.Multiply,
    "subtract": layers.Subtract,
}  # fmt: skip
_POOLS: Mapping[str, Any] = {
    "mean": layers.GlobalAveragePooling1D, "maximum": layers.GlobalMaxPooling1D,
}  # fmt: skip


def _features(module: "nn.Module") -> int | None:
    """The features that a module takes, where it says so."""
    for name in ("in_features", "num_features", "num_channels"):
        if hasattr(module, name):
            return int(getattr(module, name))
    shape = getattr(module, "normalized_shape", None)
    return int(shape[0]) if shape is not None and len(shape) == 1 else None


def _is_read_as_one(module: "nn.Module") -> bool:
    """Whether a stack has only what `Reader` knows wherever it stands: activations then become a
    part of the dense layers before them."""
    for child in module.children():
        kind = kind_of(child)
        if kind in CONTAINERS:
            if not _is_read_as_one(child):
                return False
        elif kind == "Flatten" or not (kind in LAYERS or kind in ACTIVATIONS):
            return False
    return True


class GraphReader:
    """Layers that are called with symbols, as modules and functions are met.

    Attributes
    ----------
    weights : list
        Layers with the arrays that they get once the model is built.
    dtypes : set of str
    """

    def __init__(self) -> None:
        self.weights: list[tuple[layers.Layer, dict[str, Any]]] = []
        self.dtypes: set[str] = set()
        self._made: dict[int, list[layers.Layer]] = {}
        self._of_numbers: dict[tuple[Any, ...], layers.Layer] = {}

    def module(self, place: str, module: "nn.Module", given: Sequence[Any]) -> list[Any]:
        """A module applied to symbols; one that is called again has the same layers.

        Raises
        ------
        ValueError
            It cannot be layers here; the message names its place.
        """
        kind = kind_of(module)
        if kind == "LayerGraph":
            return self.layer_graph(place, module, given)
        if kind in CONTAINERS and not _is_read_as_one(module):
            found = list(given)
            for key, child in module.named_children():
                found = self.module(f"{place}.{key}" if place else key, child, found)
            return found
        (x, *rest) = given
        if kind == "Flatten":
            return [layers.Flatten()(x) if len(x.row) > 1 else x]
        if kind == "GLU":
            return [call(self, "glu", [x], {"dim": module.dim})]
        if kind == "CosineSimilarity":
            return [call(self, "cosine_similarity", list(given), {"dim": module.dim})]
        if kind == "Columns":
            return [x[:, module.first : module.last]]
        if kind == "Dropout1d":  # of (features, steps)
            steps = layers.SpatialDropout1D(module.p)(layers.Permute((2, 1))(x))
            return [layers.Permute((2, 1))(steps)]
        if kind in WITHOUT_EFFECT:
            return [x]
        if id(module) not in self._made:
            self._made[id(module)] = self._layers(place, kind, module)
        found_layers = self._made[id(module)]
        if isinstance(found_layers[0], Merge):
            return [found_layers[0]([x, *rest])]
        if rest:
            raise ValueError(
                f"from_torch: {place}: found {len(given)} inputs of {kind}, wanted one"
            )
        one = kind == "Embedding" and without_row(x)
        for layer in found_layers:
            x = layer(x)
        return [layers.Flatten()(x) if one else x]

    def _layers(self, place: str, kind: str, module: "nn.Module") -> list[layers.Layer]:
        if kind == "Merge":
            options = {"axis": module.axis} if module.kind == "concatenate" else {}
            return [_MERGES[module.kind](**options)]
        if kind == "Dot":
            return [layers.Dot((module.first, module.second), module.normalize)]
        if kind == "RepeatVector":
            return [layers.RepeatVector(module.n)]
        if kind == "Permute":
            return [layers.Permute(module.dims)]
        if kind == "Pool":
            return [_POOLS[module.kind](keepdims=module.keepdims)]
        if kind == "Zeros":
            return [Zeros()]
        if kind == "Element":
            return [layers.ElementFunction(module.function, module.constant, module.constant_first)]
        reader = Reader()
        reader.read(place, module)
        self.weights += reader.weights
        self.dtypes |= reader.dtypes
        return reader.layers

    def parameters(
        self, key: tuple[Any, ...], arrays: Mapping[str, Any], make: Callable[[], layers.Layer]
    ) -> layers.Layer:
        """The layer that has numbers as its arrays; the same at each use.

        Parameters
        ----------
        key : tuple
            The kind of use, and the keys of the numbers.

        Raises
        ------
        ValueError
            A parameter that is trained is used in another way, too: two layers would have it.
        """
        if key in self._of_numbers:
            return self._of_numbers[key]
        layer = make()
        if layer.trainable and any(set(key[1:]) & set(other[1:]) for other in self._of_numbers):
            raise ValueError("found a parameter that is used in several ways, wanted one")
        self._of_numbers[key] = layer
        self.weights.append((layer, dict(arrays)))
        self.dtypes |= {array.dtype.name for array in arrays.values()}
        return layer

    def layer_graph(self, place: str, module: "nn.Module", given: Sequence[Any]) -> list[Any]:
        """A graph of this package applied to symbols."""
        values = dict(zip(module.inputs, given, strict=True))
        for key, taken, made in module.calls:
            where = f"{place}.{key}" if place else key
            found = self.module(where, module.layers[key], [values[each] for each in taken])
            values.update(zip(made, found, strict=True))
        return [values[each] for each in module.outputs]

    def model(self, inputs: Any, outputs: Any, name: str | None) -> Model:
        """The model between symbols, with its weights.

        Raises
        ------
        ValueError
            Numbers of several types, or arrays of other shapes.
        """
        if len(self.dtypes) > 1:
            raise ValueError(
                f"from_torch: found numbers of {' and '.join(sorted(self.dtypes))}, wanted one type"
            )
        dtype = next(iter(self.dtypes), None)
        made = Functional(inputs, outputs, name, dtype=dtype)
        set_weights(self.weights)
        return made


def set_weights(weights: Sequence[tuple[layers.Layer, Mapping[str, Any]]]) -> None:
    """Give layers their arrays.

    Raises
    ------
    ValueError
        An array has another shape than the layer's.
    """
    for layer, arrays in weights:
        views = layer._named_weights()
        for key, array in arrays.items():
            if array.size != 1 and views[key].shape != array.shape:
                raise ValueError(
                    f"from_torch: layer {layer.name}: found {key} of shape {array.shape}, wanted "
                    f"{views[key].shape}"
                )
            views[key][...] = array


def from_layer_graph(module: "nn.Module", name: str | None) -> Model:
    """The model of a module that `to_torch` made of a graph."""
    reader = GraphReader()
    inputs = [
        layers.Input(tuple(row), name=each)
        for row, each in zip(module.input_rows, module.input_names, strict=True)
    ]
    outputs = reader.module("", module, inputs)
    rest, ends = iter(inputs), iter(outputs)
    given = mapped(lambda _: next(rest), module.input_structure)
    return reader.model(given, mapped(lambda _: next(ends), module.output_structure), name)


# Any module, traced ---------------------------------------------------------------------------


def from_traced(module: "nn.Module", input_shape: Any, name: str | None) -> Model:
    """The model of a module whose ``forward`` torch.fx follows.

    Parameters
    ----------
    input_shape : None, int, tuple of int, or a list or dictionary of them
        The shape of a row of each input; by default the features of the modules that take them.

    Raises
    ------
    ValueError
        A call cannot be a layer here; the message names it.
    """
    with imports:
        import torch.fx

    class Tracer(torch.fx.Tracer):  # type: ignore[misc,name-defined,unused-ignore]
        def is_leaf_module(self, child: "nn.Module", place: str) -> bool:
            kind = kind_of(child)
            known = (*LAYERS, *ACTIVATIONS, *WITHOUT_EFFECT, "LayerGraph", "Flatten", "GLU",
                     "CosineSimilarity")  # fmt: skip
            return kind in known or bool(super().is_leaf_module(child, place))

        def iter(self, obj: Any) -> Any:
            node = obj.node  # parts of a vector, whose number is known
            if str(getattr(node.target, "__name__", node.target)) == "chunk":
                count = node.args[1] if len(node.args) > 1 else node.kwargs["chunks"]
                return iter([obj[place] for place in range(count)])
            return super().iter(obj)

    try:
        graph = Tracer().trace(module)
    except Exception as error:
        raise ValueError(
            f"from_torch: {type(module).__name__}: found a forward that torch.fx cannot follow "
            f"({type(error).__name__}: {error}), wanted modules and functions, without conditions "
            "that depend on numbers"
        ) from None
    parts = dict(module.named_modules())
    reader = GraphReader()
    shapes = _shapes(graph, parts, input_shape)
    inputs: list[Any] = []
    values: dict[Any, Any] = {}

    def value(thing: Any) -> Any:
        return values[thing] if isinstance(thing, torch.fx.Node) else thing

    for node in graph.nodes:
        if node.op == "output":
            outputs = mapped(value, _plain(node.args[0]))
            given = inputs[0] if len(inputs) == 1 else inputs
            return reader.model(given, outputs, name)
        place = f"{node.op} {node.name}"
        if node.op == "placeholder":
            values[node] = layers.Input(shapes[node.name], name=node.name)
            inputs.append(values[node])
            continue
        taken = [mapped(value, _plain(each)) for each in node.args]
        options = {key: value(each) for key, each in node.kwargs.items()}
        try:
            if node.op == "call_module":
                found = reader.module(str(node.target), parts[node.target], taken)
                values[node] = found[0] if len(found) == 1 else found
            elif node.op in ("call_function", "call_method"):
                target = node.target if node.op == "call_method" else node.target.__name__
                values[node] = call(reader, str(target).strip("_"), taken, options)
            else:
                values[node] = Numbers(module, str(node.target))
        except (ValueError, TypeError) as error:
            text = str(error).removeprefix("from_torch: ")
            raise ValueError(f"from_torch: {place}: {text}") from None
    raise ValueError("from_torch: found a forward that returns nothing")


def _plain(structure: Any) -> Any:
    """torch.fx's immutable lists and dictionaries as plain ones."""
    if isinstance(structure, Mapping):
        return {key: _plain(part) for key, part in structure.items()}
    if isinstance(structure, list | tuple):
        return [_plain(part) for part in structure]
    return structure


def _shapes(graph: Any, parts: Mapping[str, Any], given: Any) -> dict[str, Shape]:
    """The shape of a row of each input."""
    nodes = [node for node in graph.nodes if node.op == "placeholder"]
    if isinstance(given, Mapping):
        found = dict(given)
    elif isinstance(given, list):
        found = {node.name: shape for node, shape in zip(nodes, given, strict=False)}
    else:
        found = {} if given is None else {nodes[0].name: given}
    shapes = {}
    for node in nodes:
        shape = found[node.name] if node.name in found else _features_of(node, parts)
        if shape is None:
            raise ValueError(
                f"from_torch: input {node.name}: found no module that says its number of features, "
                "wanted input_shape="
            )
        shapes[node.name] = (shape,) if isinstance(shape, int) else tuple(shape)
    return shapes


def _features_of(node: Any, parts: Mapping[str, Any]) -> int | None:
    """The features of a value, as the modules that take it say, themselves or after functions that
    keep them."""
    for user in node.users:
        if user.op == "call_module":
            module = parts[user.target]
            kind = kind_of(module)
            if _features(module) is not None:
                return _features(module)
            keeps = kind in ACTIVATIONS or kind in WITHOUT_EFFECT or "Dropout" in kind
        else:
            name = user.target if user.op == "call_method" else getattr(user.target, "__name__", "")
            several = sum(hasattr(each, "users") for each in user.args) > 1
            keeps = str(name) in ACTIVATION_NAMES or (str(name) in FUNCTIONS and not several)
        if keeps and (found := _features_of(user, parts)) is not None:
            return found
    return None
