"""The base class of optimizers: hyperparameters, a schedule, and the core's settings."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._base import checks, core
from .._base.lazy import imports
from .._base.overriding import overridden
from .._base.registry import Registry
from .._base.warn import warn
from .by_hand import ByHand
from .pipeline import FIELDS, WITH_STATE, Pipeline

Schedule = Callable[[int], float]

# Arguments of Keras that have no meaning here, accepted with these values.
_WITHOUT_EFFECT = {"loss_scale_factor": None, "jit_compile": None, "is_legacy_optimizer": None}


class LearningRate(float):
    """The learning rate as ``optimizer.learning_rate`` gives it: a float with Keras's methods."""

    _optimizer: "Optimizer"

    def assign(self, value: float) -> "LearningRate":
        """Set the optimizer's learning rate, and return it.

        Parameters
        ----------
        value : float
            > 0.
        """
        self._optimizer.learning_rate = value
        found: LearningRate = self._optimizer.learning_rate
        return found

    def numpy(self) -> np.float64:
        """The number as one of NumPy."""
        return np.float64(self)

    @property
    def value(self) -> float:
        """The number as a float."""
        return float(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return float, (float(self),)


class Steps(int):
    """How many steps an optimizer has made, with what Keras's variable has besides."""

    def numpy(self) -> np.int64:
        """The number as NumPy's."""
        return np.int64(self)

    @property
    def value(self) -> int:
        """The number."""
        return int(self)


def _old_words(options: dict[str, Any], learning_rate: Any) -> Any:
    """The learning rate that Keras's older arguments ``lr`` and ``decay`` describe, taken out."""
    if "lr" in options:
        warn("lr: the argument is called learning_rate now", DeprecationWarning)
        learning_rate = options.pop("lr")
    if "decay" in options:
        decay = checks.number("decay", options.pop("decay"), least=0)
        if decay > 0:
            with imports:  # most programs need none
                from .. import schedules

            warn(
                f"decay: found {decay:g}, taken for learning_rate="
                f"schedules.InverseTimeDecay({learning_rate}, 1, {decay:g})",
                DeprecationWarning,
            )
            learning_rate = schedules.InverseTimeDecay(learning_rate, 1, decay)
    return learning_rate


# What may be a schedule.
_SCHEDULED = ("learning_rate", "weight_decay")


def _for_the_core(schedule: Schedule | None) -> Any:
    """A schedule as the core calls it, with many steps at a time."""
    if schedule is None:
        return None
    with imports:  # most programs need none
        from .. import schedules

    return lambda first, count: schedules.rates(schedule, first, count)


def _described(key: str, schedule: Any) -> dict[str, Any]:
    """A schedule's configuration; TypeError for a function, which has none."""
    with imports:
        from .. import schedules

    if not hasattr(schedule, "get_config"):
        raise TypeError(
            f"{key}: found the function {schedule!r}, wanted a number or a schedule of "
            "densecore.schedules, which can be saved"
        )
    return schedules.serialize(schedule)


# What subclasses of Keras's and PyTorch's optimizers override.
_NEVER_CALLED = (
    "update_step", "apply_gradients", "apply", "build", "compute_gradients", "minimize", "step",
)  # fmt: skip


class Optimizer(ByHand):
    """Base class: a named update rule and its hyperparameters, each an attribute.

    Parameters
    ----------
    learning_rate : float or callable
        Step length, > 0; or a schedule, which is called with the number of steps made; or an array
        with a rate for each step.
    hyperparameters : dict
        The rule's numbers by their names.
    choices : dict, optional
        What chooses among the core's rules.
    name : str, optional
        By default that of the rule.
    **options : float or int
        The fields of `Pipeline`: ``weight_decay``, ``clipnorm``, ``use_ema`` and so forth.

    Attributes
    ----------
    pipeline : Pipeline
    schedule : callable or None
        The function that computes the learning rate; None when it is a number.
    iterations : int
        The updates that the model which was compiled with it has made since; with
        ``gradient_accumulation_steps`` fewer than batches.

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
    _core_settings: core.OptimizerSettings
    _shared: bool  # whether a network computes with the settings

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        for method in overridden(cls, _NEVER_CALLED):
            raise TypeError(
                f"class {cls.__name__}: found a method {method}, which the core, where parameters "
                "are updated, does not call; wanted a custom loop: model.forward(x), "
                "model.backward(gradient of the loss by the outputs), then a custom rule for "
                "model.parameters and model.gradients (see the page on own loops)"
            )

    def __init__(
        self,
        learning_rate: Any,
        hyperparameters: dict[str, float],
        choices: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        **options: Any,
    ) -> None:
        if not hasattr(type(self), "name"):
            raise TypeError("Optimizer: found the base class, wanted one of its classes: SGD, Adam")
        learning_rate = _old_words(options, learning_rate)
        for key in [key for key in options if key not in FIELDS]:
            if not (key in _WITHOUT_EFFECT and options.pop(key) in (None, False)):
                known = ", ".join(["name", *FIELDS])
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
        if name is not None and name != type(self).name:
            object.__setattr__(self, "name", checks.text("name", name))
        object.__setattr__(self, "_core_settings", core.OptimizerSettings(self._rule()))
        self._set_learning_rate(learning_rate)
        for key, value in hyperparameters.items():
            self._set(key, value)
        self._set_choices_of_the_core()

    def _rule(self) -> str:
        """The core's name of the update rule that follows from `_choices`."""
        return type(self).name

    def _choice(self, key: str, value: Any) -> Any:
        if key != "momentum":
            return checks.flag(f"{type(self).name}: {key}", value)
        return checks.number(f"{type(self).name}: momentum", value, least=0, below=1)

    @property
    def _settings(self) -> core.OptimizerSettings:
        """The settings that a network shares with this object: the core's rule is fixed then."""
        object.__setattr__(self, "_shared", True)
        self._tell_the_core()
        return self._core_settings

    def _tell_the_core(self) -> None:
        """Copy the pipeline and the schedule into the core's settings."""
        p = self.pipeline
        decay = p.weight_decay or 0.0
        self._core_settings.set_gradient_steps(
            weight_decay=0.0 if callable(decay) else decay,
            clipvalue=p.clipvalue or 0.0,
            clipnorm=p.clipnorm or 0.0,
            global_clipnorm=p.global_clipnorm or 0.0,
            accumulation=p.gradient_accumulation_steps or 1,
            ema=p.use_ema,
            ema_momentum=p.ema_momentum,
            ema_overwrite=p.ema_overwrite_frequency or 0,
        )
        self._core_settings.set_schedule(_for_the_core(self.schedule))
        self._core_settings.set_decay_schedule(_for_the_core(decay if callable(decay) else None))

    def _set(self, key: str, value: Any) -> None:
        self._core_settings.set(key, checks.number(f"{type(self).name}: {key}", value))

    def _set_learning_rate(self, value: Any) -> None:
        schedule: Schedule | None = None
        if not isinstance(value, float | int):
            with imports:  # most programs need none
                from .. import schedules

            what = f"{type(self).name}: learning_rate"
            schedule = schedules.schedule_of(what, value)
            if schedule is not None:
                value = checks.number(what, schedule(0))
        # A schedule may start from 0, where a number would never learn.
        if schedule is None or value != 0:
            self._set("learning_rate", value)
        object.__setattr__(self, "schedule", schedule)

    def _set_choices_of_the_core(self) -> None:
        for key, value in self._choices.items():
            if key in self._core_settings.values():
                self._set(key, float(value))

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
            settings = core.OptimizerSettings(self._rule())
            for name, number in self._core_settings.values().items():
                if name in settings.values():
                    settings.set(name, number)
            object.__setattr__(self, "_core_settings", settings)
        self._set_choices_of_the_core()

    def _values(self) -> dict[str, Any]:
        """Every hyperparameter with its value."""
        return {**self._core_settings.values(), **self._choices}

    def __getattr__(self, key: str) -> Any:
        # Called only for names that are not ordinary attributes.
        if key == "lr":
            warn("optimizer.lr is called optimizer.learning_rate now", DeprecationWarning)
            key = "learning_rate"
        if key == "learning_rate":
            rate = LearningRate(self._rate_now())
            rate._optimizer = self
            return rate
        if key == "iterations":  # as Keras counts: of the weights, not of the batches
            return Steps(self._batches() // (self.pipeline.gradient_accumulation_steps or 1))
        if not key.startswith("_"):
            if key == "weight_decay" and callable(self.pipeline.weight_decay):
                return float(self.pipeline.weight_decay(self._batches()))
            for values in (self._values(), vars(self.pipeline)):
                if key in values:
                    return values[key]
        raise AttributeError(f"{type(self).__name__} has no attribute '{key}'")

    def _rate_now(self) -> float:
        """The learning rate of the next step."""
        schedule = vars(self).get("schedule")
        if schedule is None or vars(self).get("_model", lambda: None)() is None:
            return float(self._values()["learning_rate"])
        return float(schedule(self._batches()))

    def _batches(self) -> int:
        """How many gradients there have been."""
        model = self._model_or_none()
        network = None if model is None or not model.built else model._network
        if "_by_hand" in vars(self):
            network = vars(self)["_by_hand"][1]
        return 0 if network is None else int(network.steps)

    def __setattr__(self, key: str, value: Any) -> None:
        if key == "lr":
            warn("optimizer.lr is called optimizer.learning_rate now", DeprecationWarning)
            key = "learning_rate"
        if key in ("pipeline", "schedule"):
            raise AttributeError(
                f"{key}: found an assignment, wanted one to its parts, such as learning_rate or "
                "clipnorm"
            )
        if key in FIELDS:
            before = getattr(self.pipeline, key)
            setattr(self.pipeline, key, value)
            if self._shared and key in WITH_STATE and getattr(self.pipeline, key) != before:
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
        elif not type(self).__module__.startswith("densecore.") and key not in self._values():
            object.__setattr__(self, key, value)
        else:
            self._set(key, value)

    def state_names(self) -> list[str]:
        """Names of the arrays that are kept for every parameter."""
        self._tell_the_core()
        return self._core_settings.states

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `get` makes an equal one; JSON-able.

        Raises
        ------
        TypeError
            The learning rate or the weight decay is a function that has no `get_config`.
        """
        config = self._config()
        for key in _SCHEDULED:
            if callable(config.get(key)):
                config[key] = _described(key, config[key])
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Optimizer":
        """The optimizer that `get_config` describes.

        Parameters
        ----------
        config : dict
            Its ``name`` may be missing.
        """
        options = dict(config)
        name = options.pop("name", None)
        return cls(name=options.pop("label", name), **options)

    def _config(self) -> dict[str, Any]:
        """`get_config`, but a schedule is itself: for copies, which any of them can have."""
        config = {"name": type(self).name, **self._values(), **self.pipeline.changed()}
        if self.schedule is not None:
            config["learning_rate"] = self.schedule
        if "name" in vars(self):
            config["label"] = self.name
        return config

    def _file_config(self) -> dict[str, Any]:
        """`get_config` for a file: a schedule that none could be read from is the present rate.

        A training that writes files as it goes, `ModelCheckpoint`'s, must not end by it.
        """
        config = self._config()
        for key in _SCHEDULED:
            schedule = config.get(key)
            if not callable(schedule):
                continue
            with imports:
                from .. import schedules

            try:
                config[key] = _described(key, schedule)
                schedules.deserialize(config[key])
            except (TypeError, ValueError):
                config[key] = float(getattr(self, key))
                # The rate itself is left out: Python shows equal warnings of one place once, and a
                # checkpoint of each epoch gives one.
                warn(
                    f"{key}: the file holds the present rate, and not {schedule!r}: a file cannot "
                    "hold a function, and a class only after "
                    "densecore.saving.register_keras_serializable()(class); schedules.FromArray "
                    "holds the rates themselves"
                )
        return config

    # Not `__reduce__`, which skops does not follow: it makes an object by `__new__` and hands it
    # what this returns, which must hold plain values only.
    def __getstate__(self) -> dict[str, Any]:
        return self._config()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(vars(type(self).from_config(state)))

    def __repr__(self) -> str:
        values = {**self._values(), **self.pipeline.changed()}
        if self.schedule is not None:
            values["learning_rate"] = self.schedule
        shown = ", ".join(
            f"{key}={value:g}" if type(value) is float else f"{key}={value!r}"
            for key, value in values.items()
        )
        return f"{type(self).__name__}({shown})"


OPTIMIZERS = Registry("optimizer", Optimizer)
