"""Optimizers with Keras's names and defaults.

An optimizer object holds settings only; what it accumulates (Adam's moments, the step count)
belongs to the model that is compiled with it. Settings may change at any time and hold from the
next step on: ``model.optimizer.learning_rate = 1e-4``.
"""

from collections.abc import Callable
from typing import Any

from . import _core
from ._names import unknown

Schedule = Callable[[int], float]


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
        vars(self).update(_PIPELINE_DEFAULTS)
        for key, value in options.items():
            setattr(self, key, value)

    def __setattr__(self, key: str, value: Any) -> None:
        if key not in _PIPELINE_DEFAULTS:
            raise AttributeError(f"Pipeline has no field '{key}'")
        object.__setattr__(self, key, _checked(key, value))
        given = [name for name in _CLIPPINGS if getattr(self, name) is not None]
        if len(given) > 1:
            object.__setattr__(self, key, None)
            raise ValueError(f"found {' and '.join(given)}, wanted at most one way of clipping")

    def changed(self) -> dict[str, Any]:
        """Every field that is not as it is by default."""
        return {key: value for key, value in vars(self).items() if value != _PIPELINE_DEFAULTS[key]}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pipeline) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.changed().items())
        return f"Pipeline({shown})"


# With these the core keeps arrays for every parameter.
_WITH_STATE = ("use_ema", "gradient_accumulation_steps")
_CLIPPINGS = ("clipnorm", "clipvalue", "global_clipnorm")
_PIPELINE_DEFAULTS: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "gradient_accumulation_steps": None,
}
# Of every number: what it must be, and the test for it.
_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "weight_decay": ("a number >= 0", lambda value: value >= 0),
    "clipnorm": ("a number > 0", lambda value: value > 0),
    "clipvalue": ("a number > 0", lambda value: value > 0),
    "global_clipnorm": ("a number > 0", lambda value: value > 0),
    "ema_momentum": ("a number from 0 to 1", lambda value: 0 <= value <= 1),
    "ema_overwrite_frequency": ("an integer >= 1 and < 2^31", lambda value: 1 <= value < 2**31),
    "gradient_accumulation_steps": ("an integer >= 2 and < 2^31", lambda value: 2 <= value < 2**31),
}


def _checked(key: str, value: Any) -> Any:
    if key == "use_ema":
        return _flag(key, value)
    wanted, accepts = _RANGES[key]
    if value is None and _PIPELINE_DEFAULTS[key] is None:
        return None
    number = _number(key, value, wanted)
    if not (abs(number) < float("inf") and accepts(number)):
        raise ValueError(f"{key}: found {value}, wanted {wanted}")
    if not wanted.startswith("an integer"):
        return number
    if number != int(number):
        raise ValueError(f"{key}: found {value}, wanted {wanted}")
    return int(number)


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, int) or value not in (0, 1):
        raise TypeError(f"{key}: found {value!r}, wanted True or False")
    return bool(value)


def _number(key: str, value: Any, wanted: str = "a number") -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{key}: found {type(value).__name__}, wanted {wanted}") from None
    except OverflowError:  # an integer of hundreds of digits, which no range has
        return float("inf")


class Optimizer:
    """Base class: a named update rule and its hyperparameters, each an attribute.

    Parameters
    ----------
    learning_rate : float or callable
        Step length, > 0; or a schedule, which is called with the number of steps made; or an array
        with a rate for each step.
    name : str, optional
        By default that of the rule.
    **options : float or int
        The fields of `Pipeline`: ``weight_decay``, ``clipnorm``, ``use_ema`` and so forth.

    Attributes
    ----------
    pipeline : Pipeline
    schedule : callable or None
        What computes the learning rate; None when it is a number.

    Raises
    ------
    ValueError
        A hyperparameter is out of its range; the message says which, what was found and wanted.
    """

    name: str
    pipeline: Pipeline
    schedule: Schedule | None
    # Hyperparameters that choose among the core's rules, besides its own.
    _choices: dict[str, Any]
    _shared: bool

    def __init__(
        self,
        learning_rate: Any,
        hyperparameters: dict[str, float],
        choices: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        **options: Any,
    ) -> None:
        for key in options:
            if key not in _PIPELINE_DEFAULTS:
                known = ", ".join(["name", *_PIPELINE_DEFAULTS])
                raise TypeError(
                    f"{type(self).name}: found the argument '{key}', wanted one of its own or "
                    f"{known}"
                )
        own: dict[str, Any] = {
            "pipeline": Pipeline(**options),
            "schedule": None,
            "_choices": {key: self._choice(key, value) for key, value in (choices or {}).items()},
            "_shared": False,
        }
        vars(self).update(own)
        if name is not None:
            if not isinstance(name, str):
                raise TypeError(f"name: found {type(name).__name__}, wanted a string")
            object.__setattr__(self, "name", name)
        object.__setattr__(self, "_core_settings", _core.OptimizerSettings(self._rule()))
        self._set_learning_rate(learning_rate)
        for key, value in hyperparameters.items():
            self._set(key, value)
        self._set_choices_of_the_core()

    def _rule(self) -> str:
        """The core's name of the update rule that `_choices` say."""
        return type(self).name

    def _choice(self, key: str, value: Any) -> Any:
        if key != "momentum":
            return _flag(key, value)
        wanted = "a number >= 0 and < 1"
        number = _number(f"{type(self).name}: momentum", value, wanted)
        if not 0 <= number < 1:
            raise ValueError(f"{type(self).name}: momentum: found {value}, wanted {wanted}")
        return number

    @property
    def _settings(self) -> _core.OptimizerSettings:
        """What a network shares with this object: from now on the core's rule is fixed."""
        object.__setattr__(self, "_shared", True)
        self._tell_the_core()
        return self._own_settings()

    def _tell_the_core(self) -> None:
        """Give the core's settings what it does not have as a hyperparameter."""
        p = self.pipeline
        self._own_settings().set_gradient_steps(
            weight_decay=p.weight_decay or 0.0,
            clipvalue=p.clipvalue or 0.0,
            clipnorm=p.clipnorm or 0.0,
            global_clipnorm=p.global_clipnorm or 0.0,
            accumulation=p.gradient_accumulation_steps or 1,
            ema=p.use_ema,
            ema_momentum=p.ema_momentum,
            ema_overwrite=p.ema_overwrite_frequency or 0,
        )
        schedule = self.schedule
        if schedule is None:
            self._own_settings().set_schedule(None)
            return
        from . import schedules  # most programs need none

        self._own_settings().set_schedule(
            lambda first, count: schedules.rates(schedule, first, count)
        )

    def _own_settings(self) -> _core.OptimizerSettings:
        settings: _core.OptimizerSettings = vars(self)["_core_settings"]
        return settings

    def _set(self, key: str, value: Any) -> None:
        self._own_settings().set(key, _number(f"{type(self).name}: {key}", value))

    def _set_learning_rate(self, value: Any) -> None:
        schedule: Schedule | None = None
        if isinstance(value, dict):
            from . import schedules

            value = schedules.deserialize(value)
        if isinstance(value, list | tuple) or (hasattr(value, "ndim") and value.ndim > 0):
            from . import schedules

            value = schedules.FromArray(value)
        if callable(value):
            schedule = value
            value = _number(f"{type(self).name}: learning_rate", schedule(0))
        # A schedule may start from 0, where a number would never learn.
        if schedule is None or value != 0:
            self._set("learning_rate", value)
        object.__setattr__(self, "schedule", schedule)

    def _set_choices_of_the_core(self) -> None:
        for key, value in self._choices.items():
            if key in self._own_settings().values():
                self._set(key, value)

    def _set_choice(self, key: str, value: Any) -> None:
        before, rule = dict(self._choices), self._rule()
        self._choices[key] = self._choice(key, value)
        try:
            changed = self._rule() != rule
        except ValueError:  # choices that exclude each other
            self._choices.update(before)
            raise
        if changed:
            if self._shared:
                self._choices.update(before)
                raise ValueError(
                    f"{type(self).name}: {key}: found {value} after compile, where it was "
                    f"{before[key]}: that is another update rule, which keeps other arrays; "
                    "compile again with a new optimizer"
                )
            settings = _core.OptimizerSettings(self._rule())
            for name, number in self._own_settings().values().items():
                if name in settings.values():
                    settings.set(name, number)
            object.__setattr__(self, "_core_settings", settings)
        self._set_choices_of_the_core()

    def _values(self) -> dict[str, Any]:
        """Every hyperparameter with its value."""
        return {**self._own_settings().values(), **self._choices}

    def __getattr__(self, key: str) -> Any:
        # Only called for what is not an ordinary attribute.
        if not key.startswith("_"):
            for values in (self._values(), vars(self.pipeline)):
                if key in values:
                    return values[key]
        raise AttributeError(f"{type(self).__name__} has no attribute '{key}'")

    def __setattr__(self, key: str, value: Any) -> None:
        if key in ("pipeline", "schedule"):
            raise AttributeError(
                f"{key}: found an assignment, wanted one to its parts, such as learning_rate or "
                "clipnorm"
            )
        if key in _PIPELINE_DEFAULTS:
            before = getattr(self.pipeline, key)
            setattr(self.pipeline, key, value)
            if self._shared and key in _WITH_STATE and getattr(self.pipeline, key) != before:
                setattr(self.pipeline, key, before)
                raise ValueError(
                    f"{type(self).name}: {key}: found {value} after compile, where it was "
                    f"{before}: that keeps other arrays; compile again with a new optimizer"
                )
            self._tell_the_core()
        elif key == "learning_rate":
            self._set_learning_rate(value)
            self._tell_the_core()
        elif key in self._choices:
            self._set_choice(key, value)
        else:
            self._set(key, value)

    def state_names(self) -> list[str]:
        """Names of the arrays that are kept for every parameter."""
        self._tell_the_core()
        return self._own_settings().states

    def get_config(self) -> dict[str, Any]:
        """What `get` needs to make an equal one; JSON-able.

        Raises
        ------
        TypeError
            The learning rate is a function that has no `get_config`.
        """
        config = self._config()
        if self.schedule is not None:
            from . import schedules

            if not hasattr(self.schedule, "get_config"):
                raise TypeError(
                    f"learning_rate: found the function {self.schedule!r}, wanted a number or a "
                    "schedule of densecore.schedules, which can be saved"
                )
            config["learning_rate"] = schedules.serialize(self.schedule)
        return config

    def _config(self) -> dict[str, Any]:
        """`get_config`, but a schedule is itself: for copies, which any of them can have."""
        config = {"name": type(self).name, **self._values(), **self.pipeline.changed()}
        if self.schedule is not None:
            config["learning_rate"] = self.schedule
        if "name" in vars(self):
            config["label"] = self.name
        return config

    def _file_config(self) -> dict[str, Any]:
        """`get_config` for a file; raises for a schedule that nobody could read from it."""
        config = self.get_config()
        if self.schedule is not None:
            from . import schedules

            try:
                schedules.deserialize(config["learning_rate"])
            except ValueError as error:
                raise TypeError(
                    f"learning_rate: found {self.schedule!r}, which a file cannot hold ({error}); "
                    "FromArray holds the rates themselves"
                ) from None
        return config

    def __reduce__(self) -> tuple[Any, ...]:
        return get, (self._config(),)

    def __repr__(self) -> str:
        values = {**self._values(), **self.pipeline.changed()}
        if self.schedule is not None:
            values["learning_rate"] = self.schedule
        shown = ", ".join(
            f"{key}={value:g}" if type(value) is float else f"{key}={value!r}"
            for key, value in values.items()
        )
        return f"{type(self).__name__}({shown})"


class SGD(Optimizer):
    """Stochastic gradient descent: W ← W - learning_rate · ∂C/∂W (the note's Eq. 29 and 30).

    Parameters
    ----------
    learning_rate : float or callable
        Step length, > 0, or a schedule of it.
    momentum : float
        Part of the last step that is taken again, in [0, 1).
    nesterov : bool
        Whether the gradient counts as if it were that of the place where the momentum leads.
    **options
        See `Optimizer`.
    """

    name = "sgd"

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Any,
    ) -> None:
        choices = {"momentum": momentum, "nesterov": nesterov}
        super().__init__(learning_rate, {}, choices, **options)

    def _rule(self) -> str:
        if self._choices["momentum"] == 0:
            return "sgd"
        return "sgd_nesterov" if self._choices["nesterov"] else "sgd_momentum"


class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015, algorithm 1).

    Parameters
    ----------
    learning_rate : float or callable
        Step length, > 0, or a schedule of it.
    beta_1, beta_2 : float
        Decay of the first and the second moment, in [0, 1).
    epsilon : float
        Added to the root of the second moment, > 0.
    amsgrad : bool
        Whether the largest second moment so far stands for the present one.
    epsilon_hat : bool
        Whether `epsilon` is added to the root before that is corrected for its start from zero
        ("epsilon hat" in the paper), as Keras and scikit-learn do. Not with `amsgrad`.
    **options
        See `Optimizer`.
    """

    name = "adam"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        epsilon_hat: bool = False,
        **options: Any,
    ) -> None:
        hyperparameters = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
        choices = {"amsgrad": amsgrad, "epsilon_hat": epsilon_hat}
        super().__init__(learning_rate, hyperparameters, choices, **options)

    def _rule(self) -> str:
        if self._choices["amsgrad"] and self._choices["epsilon_hat"]:
            raise ValueError("adam: found amsgrad and epsilon_hat, wanted at most one of them")
        if self._choices["epsilon_hat"]:
            return "adam_epsilon_hat"
        return "adam_amsgrad" if self._choices["amsgrad"] else "adam"

    def get_config(self) -> dict[str, Any]:
        """What `get` needs to make an equal one; JSON-able."""
        config = super().get_config()
        if not config["epsilon_hat"]:
            del config["epsilon_hat"]  # files of models without it stay as they were
        return config


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter, 2019).

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, amsgrad, **options
        As for `Adam`.
    weight_decay : float
        ≥ 0, see `Pipeline`.
    """

    name = "adamw"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options
        )

    def get_config(self) -> dict[str, Any]:
        """What `get` needs to make an equal one; JSON-able."""
        return {**super().get_config(), "weight_decay": self.pipeline.weight_decay}


class Nadam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016).

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, **options
        As for `Adam`.
    """

    name = "nadam"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        hyperparameters = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
        super().__init__(learning_rate, hyperparameters, **options)


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the second moment (Kingma & Ba, algorithm 2).

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, **options
        As for `Adam`.
    """

    name = "adamax"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        hyperparameters = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
        super().__init__(learning_rate, hyperparameters, **options)


class RMSprop(Optimizer):
    """The gradient over the root of its mean square (Tieleman & Hinton, 2012).

    Parameters
    ----------
    learning_rate : float or callable
        Step length, > 0, or a schedule of it.
    rho : float
        Decay of the mean square, in [0, 1).
    momentum : float
        Part of the last step that is taken again, in [0, 1).
    epsilon : float
        Added under the root, > 0.
    centered : bool
        Whether the variance stands for the mean square.
    **options
        See `Optimizer`.
    """

    name = "rmsprop"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Any,
    ) -> None:
        choices = {"momentum": momentum, "centered": centered}
        super().__init__(learning_rate, {"rho": rho, "epsilon": epsilon}, choices, **options)

    def _rule(self) -> str:
        momentum = "_momentum" if self._choices["momentum"] else ""
        return f"rmsprop{momentum}{'_centered' if self._choices['centered'] else ''}"


class Adagrad(Optimizer):
    """The gradient over the root of the sum of its squares (Duchi, Hazan & Singer, 2011).

    Parameters
    ----------
    learning_rate : float or callable
        Step length, > 0, or a schedule of it.
    initial_accumulator_value : float
        What the sums start from, ≥ 0.
    epsilon : float
        Added under the root, > 0.
    **options
        See `Optimizer`.
    """

    name = "adagrad"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        hyperparameters = {
            "initial_accumulator_value": initial_accumulator_value,
            "epsilon": epsilon,
        }
        super().__init__(learning_rate, hyperparameters, **options)


class Adadelta(Optimizer):
    """Steps as long as the last ones were, for the gradients there were (Zeiler, 2012).

    Parameters
    ----------
    learning_rate : float or callable
        Factor of the step, > 0, or a schedule of it; 1 is Zeiler's.
    rho : float
        Decay of both mean squares, in [0, 1).
    epsilon : float
        Added under both roots, > 0.
    **options
        See `Optimizer`.
    """

    name = "adadelta"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, {"rho": rho, "epsilon": epsilon}, **options)


class Lion(Optimizer):
    """The sign of the momentum (Chen et al., 2023).

    Parameters
    ----------
    learning_rate : float or callable
        Step length of every parameter, > 0, or a schedule of it.
    beta_1, beta_2 : float
        Decay of the momentum in the step and of what is kept, in [0, 1).
    **options
        See `Optimizer`.
    """

    name = "lion"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, {"beta_1": beta_1, "beta_2": beta_2}, **options)


_CLASSES: dict[str, type[Any]] = {
    cls.name: cls for cls in (SGD, Adam, AdamW, Nadam, Adamax, RMSprop, Adagrad, Adadelta, Lion)
}


def names() -> list[str]:
    """Every optimizer that `compile` accepts by name."""
    return list(_CLASSES)


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
    if "label" in config:
        config["name"] = config.pop("label")
    made: Optimizer = _CLASSES[resolved](**config)
    return made


def __getattr__(name: str) -> Any:
    # Where Keras has it; most programs need none.
    if name == "schedules":
        import importlib

        return importlib.import_module(".schedules", __package__)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
