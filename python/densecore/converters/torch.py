"""PyTorch modules as models. The caller has PyTorch; this file does not import it."""

from typing import TYPE_CHECKING, Any

from .. import layers
from .._base.lazy import imports
from ..models.model import Model
from ..models.sequential import Sequential
from .torch_graph import from_layer_graph, from_traced, set_weights
from .torch_layers import ACTIVATIONS, CONTAINERS, LAYERS, WITHOUT_EFFECT, Reader, kind_of

if TYPE_CHECKING:
    from torch import nn


def _is_stack(module: "nn.Module") -> bool:
    """Whether a module is read without its ``forward``: it is a stack, or a module of PyTorch's
    own, which is refused by its name if it is no layer here."""
    kind = kind_of(module)
    if kind in CONTAINERS:
        return all(_is_stack(child) for child in module.children())
    own = type(module).__module__.startswith("torch.nn.")
    return kind in LAYERS or kind in ACTIVATIONS or kind in WITHOUT_EFFECT or own


def from_torch(
    module: "nn.Module", *, optimizer: Any = None, loss: Any = None, metrics: Any = None,
    name: str | None = None, input_shape: Any = None,
) -> Model:  # fmt: skip
    """The model of a PyTorch module: the same layers with copies of the weights.

    Parameters
    ----------
    module : torch.nn.Module
        An ``nn.Sequential`` of ``Linear``, ``BatchNorm1d``, ``LayerNorm``, ``RMSNorm``,
        ``GroupNorm``, ``Dropout``, ``AlphaDropout``, ``Embedding``, ``Flatten``, ``Unflatten``,
        ``Identity``, activations, and such stacks; or one of these; or what ``to_torch`` made; or
        any module whose ``forward`` calls such modules and functions
        (``F.relu``, ``torch.cat``, operators, slices of inputs), with several inputs and outputs,
        as torch.fx follows it.
    optimizer : torch.optim.Optimizer, optional
        SGD, Adam, AdamW, RMSprop or Adagrad of all the module's parameters: the model is compiled
        with its rule and takes its state, so that training goes on where it stands.
    loss, metrics : optional
        As of ``compile``; a loss is wanted where there is an optimizer.
    name : str, optional
        The model's; by default ``"sequential"``, or of a graph ``"functional"``.
    input_shape : int, tuple of int, or a list or dictionary of them, optional
        The shape of a row of each input. By default the features of the modules that take it.

    Returns
    -------
    Sequential or Model
        A stack, or a graph of layers, of the parameters' dtype; predictions agree with those of the
        module in evaluation mode to rounding. A module whose weight takes no gradient becomes a
        layer that is not trained.

    Raises
    ------
    TypeError
        It is not a module, or there is an optimizer and no loss.
    ValueError
        A module cannot be a layer here, or the optimizer no rule; the message names it.

    Notes
    -----
    PyTorch's ``BatchNorm1d`` puts the unbiased variance into its running average, Keras and this
    library the biased one: trained further, the averages differ by a factor of n / (n - 1). A
    ``PReLU`` with one slope for all features becomes one with a slope for each.
    """
    if not hasattr(module, "named_children"):
        raise TypeError(f"from_torch: found {type(module).__name__}, wanted a torch.nn.Module")
    if optimizer is not None and loss is None:
        raise TypeError("from_torch: found an optimizer and no loss, wanted both")
    if not _is_stack(module):
        if optimizer is not None:
            raise ValueError("from_torch: found an optimizer of a graph, wanted one of a stack")
        if type(module).__name__ == "LayerGraph":
            return from_layer_graph(module, name)
        return from_traced(module, input_shape, name)
    reader = Reader()
    reader.read("", module)
    shape = reader.inputs if input_shape is None else input_shape
    if shape is None:
        raise ValueError(
            "from_torch: found no module that says the number of inputs, wanted input_shape="
        )
    if len(reader.dtypes) > 1:
        raise ValueError(
            f"from_torch: found numbers of {' and '.join(sorted(reader.dtypes))}, wanted one type"
        )
    dtype = next(iter(reader.dtypes), None)
    model = Sequential([layers.Input(shape), *reader.layers], dtype=dtype, name=name)
    set_weights(reader.weights)
    if optimizer is not None:
        with imports:
            from ..export.torch_optimizers import take

        try:
            take(model, module, optimizer, loss, metrics)
        except ValueError as error:
            raise ValueError(f"from_torch: {error}") from None
    return model
