"""Initial weights that follow from data."""

from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from ..layers import Dense
from ..models.model import Model

# Rows times inputs times units of a product, above which rows are too many to be worth the time.
_MOST_WORK = 1e9


def initialize_from_data(
    model: Model, x: Any, points: int = 5, scale: bool = True, seed: int | None = None
) -> None:
    """Set the dense layers' first weights by what rows of data make of them, layer by layer.

    Each unit's weights are divided by the deviation of w x over the rows, so that all units start
    with a variance of 1 (layer-sequential unit variance: Mishkin & Matas, *All you need is a good
    init*, 2016). Then its bias makes w x + b zero at a mean of a few of the rows, drawn for each
    unit, with exponential weights: units bend where data are ("he+5" of Holzmüller, Grinsztajn &
    Steinwart, *Better by default*, 2024). Sums have the same bits for any number of threads.

    Layers of other kinds, and those with ``trainable=False``, stay as they are.

    Parameters
    ----------
    model : Model
        Its present weights are where it begins; members of an `Ensemble` are
        ``ensemble.member(i)``, which ``ensemble.set_member`` takes back.
    x : array_like
        Rows as of `predict`; some hundred are enough.
    points : int, default 5
        The rows of a unit's mean, at most 1000; 0 leaves the biases as they are.
    scale : bool, default True
        Whether the weights are divided. A unit whose w x is the same in all rows stays as it is.
    seed : int, optional
        Of the rows that are drawn; by default that of the model.

    Raises
    ------
    TypeError, ValueError
        Something that is no model, no rows or rows that it does not take, numbers that are not
        finite, or so many of them that their products would take minutes; no layer has changed.

    Examples
    --------
    >>> import densecore as dc, numpy as np
    >>> x = np.random.default_rng(0).normal(3, 10, (200, 4)).astype(np.float32)
    >>> model = dc.Sequential([dc.Input(4), dc.Dense(8)], seed=0)
    >>> dc.utils.initialize_from_data(model, x)
    >>> bool(np.allclose(model.predict(x, verbose=0).std(axis=0), 1, rtol=1e-3))
    True
    """
    if not isinstance(model, Model):
        raise TypeError(f"initialize_from_data: found {checks.shown(model)}, wanted a model")
    points = checks.integer("initialize_from_data: points", points, 0, 1000)
    scale = checks.flag("initialize_from_data: scale", scale)
    seed = model.seed if seed is None else checks.seed(seed)
    if not model.built:
        model._build_for(x)
    rows = model._matrix(x)
    if len(rows) == 0:
        raise ValueError("initialize_from_data: found no rows, wanted at least one")
    if not np.isfinite(rows).all():
        raise ValueError("initialize_from_data: x: found numbers that are not finite")
    # In the core's order, which is that of the data's way through the model.
    specs = model._plan().specs
    dense = [
        ([place for place in places if specs[place]["kind"] == "dense"], layer)
        for layer, places in model._places.items()
        if isinstance(layer, Dense) and layer.trainable and layer.kernel.ndim == 2
    ]
    work = max((len(rows) * len(p) * layer.kernel.size for p, layer in dense), default=0)
    if work > _MOST_WORK:
        raise ValueError(
            f"initialize_from_data: x: found {len(rows)} rows, wanted at most "
            f"{int(len(rows) * _MOST_WORK / work)}: a sample is enough"
        )
    with model._reserved():
        for number, (places, layer) in enumerate(sorted(dense, key=lambda pair: pair[0])):
            inputs = _inputs_of(model, specs, rows, places)
            _set(layer, inputs, points, scale, np.random.default_rng([seed, number]))


def _inputs_of(model: Model, specs: list[dict[str, Any]], rows: Array, places: list[int]) -> Array:
    """What the core's layers of some numbers take of rows, below each other."""
    model._network.forward(rows, None, False)
    outputs = model._network.layer_outputs()
    found = []
    for place in places:
        ((layer, first, _),) = specs[place].get("sources", [(place - 1, 0, -1)])
        before = rows if layer < 0 else outputs[layer]
        width = model._network.layer_views(place)[0]["kernel"].shape[0]
        found.append(before[:, first : first + width])
    return np.concatenate(found).astype(np.float64)


def _set(layer: Dense, x: Array, points: int, scale: bool, rng: np.random.Generator) -> None:
    # Not a product of BLAS, whose bits depend on the number of threads.
    z = np.einsum("ij,jk->ik", x, layer.kernel.astype(np.float64))
    deviation = z.std(axis=0)
    deviation[deviation <= 1e-6 * np.abs(z).max(axis=0)] = 1
    if scale:
        layer.kernel[...] = layer.kernel / deviation
        z = z / deviation
    if points and layer.bias is not None:
        chosen = rng.integers(0, len(z), (points, z.shape[1]))
        weights = rng.exponential(size=chosen.shape)
        weights /= weights.sum(axis=0)
        layer.bias[...] = -np.sum(weights * np.take_along_axis(z, chosen, axis=0), axis=0)
