"""Layers that change their input at random in training."""

from typing import Any, ClassVar

from .._base import checks
from .base import Layer
from .lowering import Plan, Row


class Dropout(Layer):
    """In training, each input becomes 0 with probability `rate`; the others grow by 1/(1 - rate).

    Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, 2014.
    The mask of a step follows from the model's seed, the step, the layer and the row: it is the
    same for any number of threads, and after a resumption.

    Parameters
    ----------
    rate : float
        In [0, 1).
    noise_shape : None, default None
    seed : int, optional
        Accepted for Keras's sake, and without effect: masks follow from the model's seed.
    """

    _keeps_mask: ClassVar[bool | None] = True
    config_names: ClassVar[tuple[str, ...]] = ("rate",)

    def __init__(
        self, rate: float, noise_shape: None = None, seed: int | None = None, **general: Any
    ) -> None:
        super().__init__(**general)
        if noise_shape is not None:
            raise ValueError(
                f"Dropout: noise_shape: found {checks.shown(noise_shape)}, wanted None: each unit "
                "has a mask of its own"
            )
        self.rate = checks.number("Dropout: rate", rate, least=0, below=1)

    def _plan(self, plan: Plan) -> None:
        plan.add({"kind": "dropout", "rate": self.rate})


class SpatialDropout1D(Dropout):
    """Dropout of rows (steps, features) that takes a feature from all steps of a row, or from none.

    Tompson et al., *Efficient object localization using convolutional networks*, 2015. After an
    embedding a dimension drops out for all words of a text; single numbers would be known from the
    words beside them.

    Parameters
    ----------
    rate : float
        The probability with which a feature drops out, in [0, 1).
    seed : int, optional
        Accepted for Keras's sake, and without effect: masks follow from the model's seed.

    Raises
    ------
    TypeError, ValueError
        `rate` is not such a number. In a model: rows of another number of dimensions.
    """

    def __init__(self, rate: float, seed: int | None = None, **general: Any) -> None:
        super().__init__(rate, seed=seed, **general)

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else self._steps_and_features(row)

    def _plan(self, plan: Plan) -> None:
        steps, _ = self._steps_and_features(plan.row)
        plan.add({"kind": "dropout", "rate": self.rate, "vectors": steps})
