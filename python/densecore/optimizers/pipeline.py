"""The steps before and after an update rule: decay, clipping, accumulation, averages."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from .._base import checks
from .._base.lazy import imports

Check = Callable[[str, Any], Any]


class _Field(NamedTuple):
    default: Any
    check: Check  # (name, value) -> the value as it is kept, or an error


def _number_or_schedule(name: str, value: Any) -> Any:
    if isinstance(value, float | int):
        return checks.number(name, value, least=0)
    with imports:  # most programs need none
        from .. import schedules

    schedule = schedules.schedule_of(name, value)
    return checks.number(name, value, least=0) if schedule is None else schedule


_POSITIVE = partial(checks.number, above=0)
FIELDS: dict[str, _Field] = {
    "weight_decay": _Field(None, _number_or_schedule),
    "clipnorm": _Field(None, _POSITIVE),
    "clipvalue": _Field(None, _POSITIVE),
    "global_clipnorm": _Field(None, _POSITIVE),
    "use_ema": _Field(False, checks.flag),
    "ema_momentum": _Field(0.99, partial(checks.number, least=0, most=1)),
    "ema_overwrite_frequency": _Field(None, partial(checks.integer, least=1, most=2**31 - 1)),
    "gradient_accumulation_steps": _Field(None, partial(checks.integer, least=2, most=2**31 - 1)),
}
# With these the core keeps arrays for every parameter.
WITH_STATE = ("use_ema", "gradient_accumulation_steps")
_CLIPPINGS = ("clipnorm", "clipvalue", "global_clipnorm")


class Pipeline:
    """The steps before and after the update rule, by Keras's common keywords.

    Parameters
    ----------
    weight_decay : float or callable, optional
        Before each update parameters are multiplied by 1 - learning_rate · weight_decay, ≥ 0; or a
        schedule of it, as of the learning rate.
    clipnorm, global_clipnorm : float, optional
        The largest length of the gradient of each parameter array, or of all as one vector, > 0. At
        most one of the three clippings.
    clipvalue : float, optional
        The largest absolute value of an element of the gradient, > 0.
    use_ema : bool, default False
        Whether a moving average of the parameters is kept.
    ema_momentum : float, default 0.99
        Its decay, in [0, 1].
    ema_overwrite_frequency : int, optional
        After so many steps the average replaces the parameters, ≥ 1; by default at the end only.
    gradient_accumulation_steps : int, optional
        Gradients of so many batches are averaged before an update, ≥ 2; by default each updates.

    Raises
    ------
    ValueError, TypeError
        A value is out of its range, now or when it is changed later.
    """

    weight_decay: Any
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    gradient_accumulation_steps: int | None

    def __init__(self, **options: Any) -> None:
        vars(self).update({key: field.default for key, field in FIELDS.items()})
        for key, value in options.items():
            setattr(self, key, value)

    def __setattr__(self, key: str, value: Any) -> None:
        if key not in FIELDS:
            raise AttributeError(f"Pipeline has no field '{key}'")
        default, check = FIELDS[key]
        kept = None if value is None and default is None else check(key, value)
        object.__setattr__(self, key, kept)
        given = [name for name in _CLIPPINGS if getattr(self, name) is not None]
        if len(given) > 1:
            object.__setattr__(self, key, None)
            raise ValueError(f"found {' and '.join(given)}, wanted at most one way of clipping")

    def changed(self) -> dict[str, Any]:
        """Every field that is not as it is by default."""
        return {key: value for key, value in vars(self).items() if value != FIELDS[key].default}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pipeline) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.changed().items())
        return f"Pipeline({shown})"
