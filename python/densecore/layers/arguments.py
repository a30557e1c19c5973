"""Arguments that every kind of layer takes, and those that none does."""

import math
import re
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


#: A factor of 1/√fan_in or of √fan_in, as text.
_OF_FAN_IN = re.compile(r"\s*(?:([^*/\s]+)\s*(?:(/)|\*)\s*)?sqrt\(\s*fan_in\s*\)\s*")


def by_fan_in(text: str) -> tuple[float, bool] | None:
    """The factor of a text such as ``"1/sqrt(fan_in)"`` or ``"2*sqrt(fan_in)"``, and whether it is
    divided; None for another text."""
    found = _OF_FAN_IN.fullmatch(text)
    try:
        return None if found is None else (float(found[1] or 1), found[2] is not None)
    except ValueError:
        return None


def resolved(multiplier: Any, fan_in: int) -> float:
    """A multiplier as a number, for a layer of so many inputs."""
    if not isinstance(multiplier, str):
        return float(multiplier)
    parts = by_fan_in(multiplier)
    assert parts is not None
    factor, divided = parts
    return factor / math.sqrt(fan_in) if divided else factor * math.sqrt(fan_in)


def _multiplier(what: str, value: Any, limits: dict[str, float]) -> Any:
    if not isinstance(value, str):
        return checks.number(what, value, **limits)
    parts = by_fan_in(value)
    if parts is None:
        raise ValueError(
            f"{what}: found {checks.shown(value)}, wanted a number, or a text such as "
            "'1/sqrt(fan_in)' or '2*sqrt(fan_in)'"
        )
    checks.number(what, parts[0], **limits)
    return value


def multipliers(what: str, given: Any, arrays: Sequence[str], **limits: float) -> dict[str, Any]:
    """A number for all arrays, or numbers by their names, as a dict without those of 1; or texts
    that are numbers once the number of inputs is known.

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
    found = {name: _multiplier(f"{what}: {name}", value, limits) for name, value in numbers.items()}
    return {name: value for name, value in found.items() if value != 1}
