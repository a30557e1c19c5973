"""The data that a model is trained on, checked and as the core takes them."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._data.dataset import Data, prepare
from .._data.matching import matched
from .._data.row_sources import Rows
from ..losses.function import CallableLoss
from .added_only import AddedOnly
from .free_metrics import are_free
from .heads import HeadsLoss
from .own_steps import ModelLoss
from .vectors import VectorsLoss

if TYPE_CHECKING:
    from .compiled import Compiled


def data_of(
    model: "Compiled",
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None = None,
    some: bool = False,
) -> Data:
    """Rows, targets and weights for the core; builds the model for them if it has no network yet.

    Parameters
    ----------
    model : Compiled
    x, y, sample_weight, class_weight
        As `fit` takes them.
    some : bool, default False
        These are some of the rows, whose weights may all be 0.

    Raises
    ------
    ValueError, TypeError
        Data that do not suit the model or its loss. The first data that a model sees do not decide
        its inputs then.
    """
    loss = model._compiled_loss()
    new = model._input_row is None
    try:
        model._build_for(x)
        loss = model._compiled_loss()  # another one now, if rows of outputs are several vectors
        rows = model._rows(x)
        if isinstance(loss, HeadsLoss):
            return data_of_heads(model, loss, rows, y, sample_weight, class_weight, some)
        if isinstance(loss, AddedOnly):
            return loss.data(rows, model._outputs, model._dtype)
        if isinstance(loss, ModelLoss):
            y = loss.prepared(y, len(rows))
        y, sample_weight = only_array(model, y), only_array(model, sample_weight)
        columns = _settle_targets(model, y, len(rows))
        return prepare(
            rows,
            y,
            sample_weight,
            class_weight,
            dtype=model._dtype,
            outputs=columns or loss.target_columns(model._outputs),
            sparse=loss.sparse,
            some=some,
            finite=not is_own(loss),
        )
    except (TypeError, ValueError):
        if new:
            model._forget_inputs()
        raise


def data_of_heads(
    model: "Compiled",
    loss: HeadsLoss,
    x: Rows,
    y: Any,
    sample_weight: Any,
    class_weight: Any,
    some: bool = False,
) -> Data:
    """The same for a model of several outputs, with targets for each of them that has a loss."""
    if class_weight is not None:
        raise ValueError(
            "class_weight: found one for a model of several outputs, wanted sample_weight"
        )
    if y is None:
        raise ValueError("y: found None, wanted the targets")
    if len(x) == 0:
        raise ValueError("x: found no rows, wanted at least one")
    names = [head.name for head in loss.trained]
    structure = model._output_structure
    if isinstance(y, Mapping):  # targets of outputs without a loss are left out
        every = [head.name for head in loss.heads]
        y = {key: part for key, part in y.items() if key in names or key not in every}
    elif isinstance(y, list | tuple) and len(y) == len(loss.heads) > len(names):
        y = [part for head, part in zip(loss.heads, y, strict=True) if head.loss is not None]
    parts = matched("y", y, structure if len(names) == len(loss.heads) else 0, names)
    targets = loss.targets(parts, model._dtype, len(x))
    if loss._changed:
        model._network_changed()
    return Data(x, targets, loss.weights(sample_weight, model._dtype, len(x), some))


def is_own(loss: Any) -> bool:
    """Whether a loss is a function of the user's, which may know what NaN among targets says."""
    given = loss.given if isinstance(loss, ModelLoss | VectorsLoss) else None
    return isinstance(loss, CallableLoss) and (given is None or is_own(given))


def only_array(model: "Compiled", given: Any) -> Any:
    """The data of the only output, where they are in a list or dictionary of one entry."""
    if given is None or type(given) is np.ndarray:  # without the slow look below
        return given
    found = model._only(given)
    # A list of one number is a row.
    if isinstance(given, Mapping) or getattr(found, "ndim", 0) > 0:
        return found
    return given


def _settle_targets(model: "Compiled", y: Any, rows: int) -> int | None:
    """Let a loss in Python, which takes any targets, adapt to these; the network is compiled again
    if that changes the loss's kind of targets or where metrics are computed.

    Returns the columns of the targets; None for other losses, and for the usual number.
    """
    loss = model._compiled_loss()
    if not isinstance(loss, CallableLoss):
        return None
    outputs = model._outputs
    if loss.take_targets(y, rows, outputs):
        model._network_changed()
    shape = np.shape(y)
    columns = 1 if len(shape) < 2 else math.prod(shape[1:])
    if isinstance(loss, ModelLoss) and loss.given is not None and loss.given.in_core:
        return None
    if isinstance(loss, VectorsLoss):
        return columns
    usual = loss.sparse or columns == outputs or (len(shape) < 2 and not loss._flat)
    free = not usual and are_free(model._compiled_metrics, columns)
    if model._compiled_metrics and free != model._free_metrics:
        model._free_metrics = free
        model._network_changed()
    if usual:
        return None
    if model._compiled_metrics and not free:
        raise ValueError(
            f"y: found shape {shape}, wanted {(rows, outputs)}: metrics compare targets with "
            "outputs (y may have any columns where the loss and all metrics are custom, and one "
            "where metrics are means over outputs, such as 'mae')"
        )
    return columns
