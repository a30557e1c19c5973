"""Optimizers with Keras's names and defaults.

An optimizer object holds settings only; what it accumulates (Adam's moments, the step count)
belongs to the model that is compiled with it. Settings may change at any time and hold from the
next step on: ``model.optimizer.learning_rate = 1e-4``.
"""

from typing import Any

from . import _core
from ._names import unknown


class Optimizer:
    """Base class: a named update rule and its hyperparameters, each an attribute.

    Raises
    ------
    ValueError
        A hyperparameter is out of its range; the message says which, what was found and wanted.
    """

    name: str
    _settings: _core.OptimizerSettings

    def __init__(self, **hyperparameters: float) -> None:
        object.__setattr__(self, "_settings", _core.OptimizerSettings(self.name))
        for key, value in hyperparameters.items():
            self._set(key, value)

    def _set(self, key: str, value: Any) -> None:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"{self.name}: {key}: found {type(value).__name__}, wanted a number"
            ) from None
        self._settings.set(key, number)

    def __getattr__(self, key: str) -> float:
        # Only called for what is not an ordinary attribute.
        if not key.startswith("_") and key in self._settings.values():
            return self._settings.get(key)
        raise AttributeError(f"{type(self).__name__} has no attribute '{key}'")

    def __setattr__(self, key: str, value: Any) -> None:
        self._set(key, value)

    def get_config(self) -> dict[str, Any]:
        """What `get` needs to make an equal one; JSON-able."""
        return {"name": self.name, **self._settings.values()}

    def __reduce__(self) -> tuple[Any, ...]:
        return get, (self.get_config(),)

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value:g}" for key, value in self._settings.values().items())
        return f"{type(self).__name__}({shown})"


class SGD(Optimizer):
    """Stochastic gradient descent: W ← W - learning_rate · ∂C/∂W (the note's Eq. 29 and 30).

    Parameters
    ----------
    learning_rate : float
        Step length, > 0.
    """

    name = "sgd"

    def __init__(self, learning_rate: float = 0.01) -> None:
        super().__init__(learning_rate=learning_rate)


class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015, algorithm 1).

    Parameters
    ----------
    learning_rate : float
        Step length, > 0.
    beta_1, beta_2 : float
        Decay of the first and the second moment, in [0, 1).
    epsilon : float
        Added to the root of the second moment, > 0.
    """

    name = "adam"

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


_CLASSES: dict[str, type[Optimizer]] = {cls.name: cls for cls in Optimizer.__subclasses__()}


def names() -> list[str]:
    """Every optimizer that `compile` accepts by name."""
    return list(_core.optimizer_names())


def get(optimizer: "str | Optimizer | dict[str, Any]") -> Optimizer:
    """An optimizer from its name, its configuration, or itself.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    config = dict(optimizer) if isinstance(optimizer, dict) else {"name": optimizer}
    name = config.pop("name", None)
    resolved = name.lower() if isinstance(name, str) else name
    if not isinstance(resolved, str) or resolved not in _CLASSES:
        unknown("optimizer", name, _CLASSES)
    return _CLASSES[resolved](**config)


def __getattr__(name: str) -> Any:
    # Where Keras has it; most programs need none.
    if name == "schedules":
        import importlib

        return importlib.import_module(".schedules", __package__)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
