"""A trained network as PyTorch modules, layer by layer, so that it can be trained further there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import layers
from .._base.lazy import imports
from ..layers.lowering import Row
from ..layers.own import OwnLayer
from .calls import Calls, calls_of, calls_within, check_built, name_of, written_out
from .layer_forms import form_of
from .layer_table import TORCH

if TYPE_CHECKING:
    from ..models.compiled import Compiled


def _import() -> Any:
    """PyTorch.

    Raises
    ------
    ImportError
        PyTorch is not installed; the message says how to get it.
    """
    try:
        with imports:
            import torch
    except ImportError:
        raise ImportError("to_torch needs PyTorch: pip install torch") from None
    return torch


def _residual(torch: Any, layer: layers.Residual, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import Residual

    modules: list[Any] = []
    for each in layer._layers:
        modules += _made(torch, each, [row], dtype)
        (row,) = each._output_rows([row])
    return [Residual(modules)]


def _made(
    torch: Any, layer: layers.Layer, rows: list[Row], dtype: Any, form: Any = None
) -> list[Any]:
    """The modules that a layer becomes, one after another.

    Raises
    ------
    ValueError
        There are none; the message names the layer.
    """
    if layer._inner_model is not None:
        return [_module(torch, layer._inner_model, dtype)]
    inner = calls_within(layer, rows, form)
    if inner is not None:
        parts = layer._parts() if isinstance(layer, OwnLayer) else inner.layers
        return [_graph(torch, parts, inner, dtype)]
    if isinstance(layer, layers.Residual):
        made = _residual(torch, layer, rows[0], dtype)
    else:
        made = form_of(layer, TORCH)(torch, layer, rows, dtype)
    if not layer.trainable:
        for module in made:
            module.requires_grad_(False)
    return made


def _module(torch: Any, model: "Compiled", dtype: Any) -> Any:
    """A model as a module: a stack as ``nn.Sequential``, another graph as a `LayerGraph`."""
    calls = calls_of(model)
    if calls.is_stack:
        modules: list[Any] = []
        for step in calls.steps:
            rows = [calls.rows[step.inputs[0]]]
            modules += _made(torch, step.layer, rows, dtype, step.form)
        return torch.nn.Sequential(*modules)
    return _graph(torch, model._layers, calls, dtype)


def _graph(torch: Any, parts: Sequence[layers.Layer], calls: Calls, dtype: Any) -> Any:
    """Calls of layers as a module; `parts` are the layers in the order of the model's weights."""
    with imports:
        from .torch_modules import LayerGraph

    whole = calls
    calls = written_out(whole)
    if calls is not whole:
        parts = calls.layers
    forms = {step.layer: step.form for step in calls.steps}
    rows = {
        id(step.layer): [calls.rows[value] for value in step.inputs]
        for step in reversed(calls.steps)
    }
    made: dict[str, Any] = {}
    names: dict[layers.Layer, str] = {}
    for layer in parts:
        if id(layer) not in rows:  # of a custom layer that was called with other rows, too
            continue
        modules = _made(torch, layer, rows[id(layer)], dtype, forms[layer])
        one = len(modules) == 1
        name, number = name_of(layer), 1
        while name in made:  # parts of custom layers may be called alike
            name, number = f"{name_of(layer)}_{number}", number + 1
        names[layer] = name
        made[name] = modules[0] if one else torch.nn.Sequential(*modules)
    return LayerGraph(
        made,
        [(names[step.layer], step.inputs, step.outputs) for step in calls.steps],
        calls.inputs, calls.outputs, calls.input_names, [calls.rows[each] for each in calls.inputs],
        calls.input_structure, calls.output_structure,
    )  # fmt: skip


def to_torch(model: "Compiled", *, optimizer: bool = False) -> Any:
    """A model as a PyTorch module with the same weights, in evaluation mode.

    ``Dense`` becomes ``Linear`` and the module of its activation; layers that PyTorch has no module
    for (``Residual``, ``Normalization``) become modules of this package. A stack is an
    ``nn.Sequential``; a graph of layers is a module whose ``forward`` takes its inputs one after
    another, as a list or tuple, or as a dictionary, and returns a tensor, a tuple or a dictionary,
    as the model has its outputs.

    Parameters
    ----------
    model : Sequential or Model
        Built: with parameters.
    optimizer : bool, default False
        Also make the optimizer that the model is compiled with (SGD, Adam, AdamW, RMSprop,
        Adagrad), with its state: training goes on there where it stands here.

    Returns
    -------
    torch.nn.Module
        Its parameters are copies, of the model's dtype.
    torch.optim.Optimizer
        With ``optimizer=True``.

    Raises
    ------
    ImportError
        PyTorch is not installed.
    RuntimeError
        The model has no parameters yet, or no optimizer where one is wanted.
    ValueError
        A layer or an optimizer that PyTorch has no form for; the message names it.
    """
    torch = _import()
    check_built("to_torch", model)
    made = _module(torch, model, getattr(torch, model.dtype)).eval()
    if optimizer:
        with imports:
            from .torch_optimizers import give

        return made, give(model, made, torch)
    return made
