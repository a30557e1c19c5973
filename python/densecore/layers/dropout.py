"""Layers that change their input at random in training."""

from typing import Any, ClassVar

from .._base import checks
from .._base.lazy import imports
from .base import Layer
from .lowering import Plan, Row


def _rate_of(kind: str, rate: Any) -> Any:
    """A rate in [0, 1), or a schedule of it."""
    if isinstance(rate, float | int):
        return checks.number(f"{kind}: rate", rate, least=0, below=1)
    with imports:  # most programs need none
        from .. import schedules

    schedule = schedules.schedule_of(f"{kind}: rate", rate)
    first = rate if schedule is None else schedule(0)
    number = checks.number(f"{kind}: rate", first, least=0, below=1)
    return number if schedule is None else schedule


class _Rates:
    """A schedule as the core calls it, with many steps at a time."""

    def __init__(self, schedule: Any) -> None:
        self._schedule = schedule
        # By this processes that train together compare their models.
        self.__qualname__ = getattr(schedule, "__qualname__", None) or repr(schedule)

    def __call__(self, first: int, count: int) -> Any:
        with imports:
            from .. import schedules

        return schedules.rates(self._schedule, first, count, 1.0)


class Dropout(Layer):
    """In training, each input becomes 0 with probability `rate`; the others grow by 1/(1 - rate).

    Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, 2014.
    The mask of a step follows from the model's seed, the step, the layer and the row: it is the
    same for any number of threads, and after a resumption.

    Parameters
    ----------
    rate : float or callable
        In [0, 1); or a schedule of it, as of the learning rate: a function of the number of the
        training step, or an array with a rate for each. ``model(x, training=True)`` outside of
        training takes that of step 0.
    noise_shape : None, default None
    seed : int, optional
        Accepted for Keras's sake, and without effect: masks follow from the model's seed.
    """

    _keeps_mask: ClassVar[bool | None] = True
    config_names: ClassVar[tuple[str, ...]] = ("rate",)

    def __init__(
        self, rate: Any, noise_shape: None = None, seed: int | None = None, **general: Any
    ) -> None:
        super().__init__(**general)
        if noise_shape is not None:
            raise ValueError(
                f"Dropout: noise_shape: found {checks.shown(noise_shape)}, wanted None: each unit "
                "has a mask of its own"
            )
        self.rate = _rate_of(type(self).__name__, rate)

    @property
    def first_rate(self) -> float:
        """The rate of the first step: the rate itself when it is a number."""
        return float(self.rate(0) if callable(self.rate) else self.rate)

    def _spec(self) -> dict[str, Any]:
        """The layer in the core."""
        spec: dict[str, Any] = {"kind": "dropout", "rate": self.first_rate}
        if callable(self.rate):
            spec["schedule"] = _Rates(self.rate)
        return spec

    def _plan(self, plan: Plan) -> None:
        plan.add(self._spec())

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` makes an equal layer; JSON-able.

        Raises
        ------
        TypeError
            The rate is a function that has no `get_config`.
        """
        config = super().get_config()
        if callable(self.rate):
            with imports:
                from .. import schedules

            if not hasattr(self.rate, "get_config"):
                raise TypeError(
                    f"layer {self.name}: rate: found the function {self.rate!r}, which a file "
                    "cannot hold; wanted a number or a schedule of densecore.schedules"
                )
            config["rate"] = schedules.serialize(self.rate)
        return config


class SpatialDropout1D(Dropout):
    """Dropout of rows (steps, features) that takes a feature from all steps of a row, or from none.

    Tompson et al., *Efficient object localization using convolutional networks*, 2015. After an
    embedding a dimension drops out for all words of a text; single numbers would be known from the
    words beside them.

    Parameters
    ----------
    rate : float or callable
        The probability with which a feature drops out, in [0, 1), or a schedule of it, see
        `Dropout`.
    seed : int, optional
        Accepted for Keras's sake, and without effect: masks follow from the model's seed.

    Raises
    ------
    TypeError, ValueError
        `rate` is not such a number. In a model: rows of another number of dimensions.
    """

    def __init__(self, rate: Any, seed: int | None = None, **general: Any) -> None:
        super().__init__(rate, seed=seed, **general)

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else self._steps_and_features(row)

    def _plan(self, plan: Plan) -> None:
        steps, _ = self._steps_and_features(plan.row)
        plan.add({**self._spec(), "vectors": steps})
