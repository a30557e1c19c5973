"""Losses with Keras's names. The mathematics is in the core, its definition in `reference`."""

from typing import Any

from . import _core
from ._names import unknown

_REDUCTIONS = {"mean": "mean", "sum_over_batch_size": "mean", "sum": "sum"}


class Loss:
    """Base class: a named loss and its reduction.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        ``"mean"`` (also under Keras's name ``"sum_over_batch_size"``) divides the sum of the rows'
        losses by the sum of their weights. ``"sum"`` does not, and sums over the outputs too: for
        the mean squared error that is the note's gradient 2 (a - y).
    """

    name: str

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in _REDUCTIONS:
            unknown("reduction", reduction, _REDUCTIONS)
        self.reduction = _REDUCTIONS[reduction]

    @property
    def sparse(self) -> bool:
        """Whether targets are class numbers instead of a value per output."""
        return self.name.startswith("sparse_")

    def get_config(self) -> dict[str, Any]:
        """What `get` needs to make an equal one; JSON-able."""
        return {"name": self.name, "reduction": self.reduction}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(reduction={self.reduction!r})"


class MeanSquaredError(Loss):
    """(1/n) Σ (a - y)² over the n outputs: the note's Eq. 8."""

    name = "mean_squared_error"


class BinaryCrossentropy(Loss):
    """-(1/n) Σ (y log a + (1 - y) log(1 - a)); computed from z when the last layer is a sigmoid."""

    name = "binary_crossentropy"


class CategoricalCrossentropy(Loss):
    """-Σ y log a for targets (rows, classes); computed from z when the last layer is a softmax."""

    name = "categorical_crossentropy"


class SparseCategoricalCrossentropy(Loss):
    """-log a_c for class numbers c; computed from z when the last layer is a softmax."""

    name = "sparse_categorical_crossentropy"


_CLASSES: dict[str, type[Loss]] = {cls.name: cls for cls in Loss.__subclasses__()}
_ALIASES = {"mse": "mean_squared_error", "MSE": "mean_squared_error"}


def names() -> list[str]:
    """Every loss that `compile` accepts by name."""
    return list(_core.KernelsF64().losses())


def get(loss: "str | Loss | dict[str, Any]") -> Loss:
    """A loss from its name, its configuration, or itself.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if isinstance(loss, Loss):
        return loss
    config = dict(loss) if isinstance(loss, dict) else {"name": loss}
    name = config.pop("name", None)
    resolved = _ALIASES.get(name, name) if isinstance(name, str) else name
    if not isinstance(resolved, str) or resolved not in _CLASSES:
        unknown("loss", name, [*_CLASSES, *_ALIASES])
    return _CLASSES[resolved](**config)
