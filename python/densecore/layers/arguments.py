"""Arguments that every kind of layer takes, and those that none does."""

from collections.abc import Sequence
from typing import Any

from .._base import checks
from .._base.lazy import imports

# Keras's arguments that change nothing when they are None or False, and cannot be had otherwise.
_KERAS_ONLY = frozenset(
    {
        "data_format",
        "lora_alpha",
        "lora_rank",
        "noise_shape",
        "quantization_config",
        "synchronized",
        "weights",
    }
)

#: Arguments that are a number for all arrays of a layer, or numbers by their names.
MULTIPLIERS = ("learning_rate_multiplier", "weight_decay_multiplier")


def refuse_others(kind: type, base: type, others: dict[str, Any]) -> None:
    """TypeError for arguments that no layer of this kind has, nor `base`, the class of layers."""
    for name, value in others.items():
        if name in _KERAS_ONLY and (value is None or value is False):
            continue
        with imports:
            import inspect  # only an error pays for it

        why = "which densecore's layers do not have" if name in _KERAS_ONLY else "which is unknown"
        known = [*inspect.signature(kind).parameters, *inspect.signature(base).parameters]
        public = dict.fromkeys(key for key in known if key not in ("general", "others"))
        raise TypeError(
            f"{kind.__name__}: found the argument {name}={checks.shown(value)}, {why}; known: "
            f"{', '.join(public)}"
        )


def multipliers(what: str, given: Any, arrays: Sequence[str], **limits: float) -> dict[str, float]:
    """A number for all arrays, or numbers by their names, as a dict without those of 1.

    Raises
    ------
    ValueError, TypeError
        A name that is none of `arrays`, or a number outside the limits; `what` is whose they are.
    """
    if given is None:
        return {}
    numbers = given if isinstance(given, dict) else dict.fromkeys(arrays, given)
    unknown_names = [name for name in numbers if name not in arrays]
    if unknown_names:
        raise ValueError(
            f"{what}: found {unknown_names[0]!r}, wanted names among "
            f"{', '.join(arrays) or 'none: the layer has no arrays'}"
        )
    found = {
        name: checks.number(f"{what}: {name}", value, **limits) for name, value in numbers.items()
    }
    return {name: value for name, value in found.items() if value != 1}
