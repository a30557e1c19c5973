"""All parameters or all gradients at once: target networks, noise on parameters, clipping."""

import math
from typing import Any

from .._base import checks, seeds
from .compiled import Compiled


class WholeBuffers(Compiled):
    """Calls of a model for custom loops that change all parameters or all gradients."""

    def blend_from(self, model: "WholeBuffers", tau: float) -> None:
        """Move all weights towards another model's: ``w += tau · (model's - w)``.

        A target network that follows slowly (Polyak's average), in one call of the core. Weights
        that no gradient changes, such as the moving statistics of `BatchNormalization`, are
        blended as the others are; so are those of layers that are not trainable. Optimizer and
        counters stay as they are.

        Parameters
        ----------
        model : model
            Of the same layers, shapes and dtype: a `clone_model`, or one made by the same code.
        tau : float
            From 0 (nothing changes) to 1 (a copy).

        Raises
        ------
        ValueError
            Another architecture or dtype, naming the first array that differs; a tau out of range.
        TypeError
            Something that is no model.
        """
        if not isinstance(model, WholeBuffers):
            raise TypeError(f"blend_from: found {checks.shown(model)}, wanted a model")
        share = checks.number("tau", tau, least=0, most=1)
        own, other = self._network, model._network
        if own is other:
            return
        if self._dtype != model._dtype:
            raise ValueError(f"blend_from: found a model of {model.dtype}, wanted {self.dtype}")
        if not own.blend(other, share):  # type: ignore[arg-type]
            raise ValueError(f"blend_from: {_difference(self, model)}")
        self._constrain()

    def add_noise(self, stddev: float, seed: int | None = None) -> None:
        """Add normal numbers to all trainable weights: exploration in the space of parameters
        (Plappert et al., arXiv 1706.01905).

        Parameters
        ----------
        stddev : float
            Their standard deviation, from 0 to 1e30.
        seed : int, optional
            The numbers follow from it and from each weight's place; by default a new one.

        Raises
        ------
        ValueError, TypeError
            A deviation that is negative or no number.
        """
        deviation = checks.number("stddev", stddev, least=0, most=1e30)
        number = seeds.fresh() if seed is None else checks.seed(seed)
        self._network.add_noise(deviation, number)
        self._constrain()

    def clip_gradients(self, max_norm: float | None = None, *, value: float | None = None) -> float:
        """Shorten ``model.gradients`` before `apply_gradients`; returns their norm before that.

        The optimizer's own ``clipnorm``, ``global_clipnorm`` and ``clipvalue`` do the same in every
        step; this call is for loops that change the limit, or want to know the norm.

        Parameters
        ----------
        max_norm : float, optional
            Gradients whose Euclidean norm, over all trainable weights, is larger are scaled to this
            one.
        value : float, optional
            Limit each element to -value … value, after that.

        Returns
        -------
        float
            The norm before. When it is NaN or infinite, `max_norm` changes nothing.

        Raises
        ------
        ValueError, TypeError
            A limit that is not positive.
        """
        most = math.inf if max_norm is None else checks.number("max_norm", max_norm, above=0)
        limit = math.inf if value is None else checks.number("value", value, above=0)
        return self._network.clip_gradients(most, limit)

    def layer_gradients(self) -> dict[str, dict[str, Any]]:
        """Views of ``model.gradients`` by layer and by weight: ``["dense"]["kernel"]``.

        Layers without parameters are left out; of one that is used several times there is one
        entry, with the sum.
        """
        self._network  # noqa: B018 - builds
        found: dict[str, dict[str, Any]] = {}
        for layer in dict.fromkeys(self._all_layers()):
            views = {name: layer._gradient(name) for name in layer.parameter_names}
            given = {name: view for name, view in views.items() if view is not None}
            if given:
                found[str(layer.name)] = given
        return found


def _difference(own: Compiled, other: Compiled) -> str:
    """In which array two models differ first."""
    mine, theirs = own._parameter_tensors(), other._parameter_tensors()
    layers = {f"layers.{number}": layer.name for number, layer in enumerate(own._layers)}
    for name, array in mine.items():
        layer = layers.get(".".join(name.split(".")[:2]), "?")
        what = f"{name} (layer {layer})"
        if name not in theirs:
            return f"found a model without {what}, wanted the same layers"
        if theirs[name].shape != array.shape:
            return f"{what}: found shape {theirs[name].shape}, wanted {array.shape}"
    more = [name for name in theirs if name not in mine]
    if more:
        return f"found a model with {more[0]}, wanted the same layers"
    return "found a model whose layers are connected otherwise, wanted the same layers"
