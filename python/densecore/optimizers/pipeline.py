"""What happens to gradients and parameters around an update rule, and the checks of its numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple

Check = Callable[[str, Any], Any]


def flag(key: str, value: Any) -> bool:
    """The value of an option that is on or off; TypeError for anything else."""
    if not isinstance(value, int) or value not in (0, 1):
        raise TypeError(f"{key}: found {value!r}, wanted True or False")
    return bool(value)


def as_number(key: str, value: Any, wanted: str = "a number") -> float:
    """A number as a float; TypeError for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{key}: found {type(value).__name__}, wanted {wanted}") from None
    except OverflowError:  # an integer of hundreds of digits, which no range has
        return float("inf")


def _number_where(wanted: str, accepts: Callable[[float], bool]) -> Check:
    def check(key: str, value: Any) -> float:
        found = as_number(key, value, wanted)
        if not (abs(found) < float("inf") and accepts(found)):
            raise ValueError(f"{key}: found {value}, wanted {wanted}")
        return found

    return check


def _count_from(least: int) -> Check:
    wanted = f"an integer >= {least} and < 2^31"

    def check(key: str, value: Any) -> int:
        found = as_number(key, value, wanted)
        if not (least <= found < 2**31 and found.is_integer()):
            raise ValueError(f"{key}: found {value}, wanted {wanted}")
        return int(found)

    return check


class _Field(NamedTuple):
    default: Any
    check: Check  # (name, value) -> the value as it is kept, or an error


_POSITIVE = _number_where("a number > 0", lambda value: value > 0)
FIELDS: dict[str, _Field] = {
    "weight_decay": _Field(None, _number_where("a number >= 0", lambda value: value >= 0)),
    "clipnorm": _Field(None, _POSITIVE),
    "clipvalue": _Field(None, _POSITIVE),
    "global_clipnorm": _Field(None, _POSITIVE),
    "use_ema": _Field(False, flag),
    "ema_momentum": _Field(
        0.99, _number_where("a number from 0 to 1", lambda value: 0 <= value <= 1)
    ),
    "ema_overwrite_frequency": _Field(None, _count_from(1)),
    "gradient_accumulation_steps": _Field(None, _count_from(2)),
}
# With these the core keeps arrays for every parameter.
WITH_STATE = ("use_ema", "gradient_accumulation_steps")
_CLIPPINGS = ("clipnorm", "clipvalue", "global_clipnorm")


class Pipeline:
    """What happens to gradients and parameters around the update rule: Keras's common keywords.

    Parameters
    ----------
    weight_decay : float, optional
        Before each update parameters shrink by learning_rate · weight_decay of themselves, ≥ 0.
    clipnorm, global_clipnorm : float, optional
        The longest that the gradient of each parameter array, or all of them as one vector, may
        be, > 0. At most one of the three clippings.
    clipvalue : float, optional
        The largest that an element of the gradient may be, > 0.
    use_ema : bool
        Whether a moving average of the parameters is kept.
    ema_momentum : float
        Its decay, in [0, 1].
    ema_overwrite_frequency : int, optional
        After how many steps the average replaces the parameters, ≥ 1.
    gradient_accumulation_steps : int, optional
        Over how many batches gradients are averaged before an update, ≥ 2.

    Raises
    ------
    ValueError, TypeError
        A value is out of its range, now or when it is changed later.
    """

    weight_decay: float | None
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
