"""Losses by their names: as functions, as what `compile` takes, and as files hold them."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .._autodiff.traced import Traced
from .._base.registry import Registry, get_registered_object
from .base import OF_VERSION_0_1, Loss


class LossFunction:
    """A loss as a function of targets and predictions: ``losses.huber(y_true, y_pred, delta=2)``.

    `compile` takes it too, for the loss of that name.

    Parameters
    ----------
    cls : type
        The loss's class.
    """

    def __init__(self, cls: type[Loss]) -> None:
        self._class = cls
        # The options before the reduction may be given by their places, as in Keras.
        names = list(inspect.signature(cls.__init__).parameters)[1:]
        self._places = names[: names.index("reduction")] if "reduction" in names else []
        self.name = self.__name__ = cls.kind
        self.__doc__ = cls.__doc__

    def __call__(self, y_true: ArrayLike, y_pred: Any, *given: Any, **options: Any) -> Any:
        """The loss of every row.

        Parameters
        ----------
        y_true, y_pred : array_like
            As for `Loss`.
        *given, **options
            Those of the loss's class: by their places those before the reduction.

        Returns
        -------
        ndarray of y_pred's shape without its last axis

        Raises
        ------
        ValueError, TypeError
            As for `Loss`.
        """
        twice = [key for key in self._places[: len(given)] if key in options]
        if len(given) > len(self._places) or twice:
            found = f"{twice[0]} twice" if twice else f"{len(given)} options by their places"
            raise TypeError(
                f"{self.name}: found {found}, wanted (y_true, y_pred"
                f"{''.join(f', {key}' for key in self._places)})"
            )
        options.update(zip(self._places, given, strict=False))
        operators = getattr(y_pred, "operators", None) or getattr(y_true, "operators", None)
        if operators is not None:  # symbols of a model that is being described
            return operators["loss"](self._class(**options), y_true, y_pred)
        rows = self._class(**options)._rows(y_true, y_pred)
        return rows if isinstance(rows, Traced) else rows.reshape(np.shape(y_pred)[:-1])

    def __repr__(self) -> str:
        return f"<loss {self.name}>"


class _Losses(Registry[Loss]):
    #: Classes that the core does not know, by their names.
    in_python: ClassVar[dict[str, type[Loss]]] = {}

    def words(self) -> list[str]:
        return [*super().words(), *self.in_python]

    def maker(self, name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        if isinstance(name, str) and get_registered_object(name, custom_objects) is None:
            return self.in_python.get(name) or super().maker(name, custom_objects)
        return super().maker(name, custom_objects)

    def get(self, identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Loss:
        known = identifier.name if isinstance(identifier, LossFunction) else identifier
        return super().get(known, custom_objects)

    get.__doc__ = Registry.get.__doc__


LOSSES = _Losses("loss", Loss)


def stored_config(loss: Loss) -> dict[str, Any]:
    """`Loss.get_config` as a model file holds it.

    Files of 0.1 have an entry ``reduction`` with words that meant something else then:
    ``"mean"`` a division by the weights, ``"sum"`` a sum over the outputs as well. Hence the
    entry has another name now.

    Parameters
    ----------
    loss : Loss
    """
    config = loss.get_config()
    if "reduction" in config:  # a custom loss has its own options
        config["batch_reduction"] = config.pop("reduction")
    return config


def from_stored(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Loss:
    """The loss that `stored_config` describes, or a file of version 0.1.

    Parameters
    ----------
    config : dict
    custom_objects : dict, optional
        Further classes by name.

    Raises
    ------
    ValueError
        The name is unknown, or an option is out of range.
    """
    config = dict(config)
    if "batch_reduction" in config:
        config["reduction"] = config.pop("batch_reduction")
    elif "reduction" in config:
        config["reduction"] = OF_VERSION_0_1.get(config["reduction"], config["reduction"])
    return LOSSES.deserialize(config, custom_objects)
