"""The update rules: Keras's names, arguments and defaults; the mathematics is in the core."""

from typing import Any

from .._base import checks
from .base import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent: W ← W - learning_rate · ∂C/∂W (the note's Eq. 29 and 30).

    Parameters
    ----------
    learning_rate : float or callable, default 0.01
        Step length, > 0, or a schedule of it.
    momentum : float, default 0.0
        Factor of the last step that is added, in [0, 1).
    nesterov : bool, default False
        Whether the gradient is extrapolated by the momentum (Nesterov's method).
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
    learning_rate : float or callable, default 0.001
        Step length, > 0, or a schedule of it.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the first and the second moment, in [0, 1).
    epsilon : float, default 1e-7
        Added to the root of the second moment, > 0.
    amsgrad : bool, default False
        Whether the largest second moment so far stands for the present one.
    epsilon_hat : bool, default False
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
        *,
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

    def _config(self) -> dict[str, Any]:
        config = super()._config()
        if not config["epsilon_hat"]:
            del config["epsilon_hat"]  # files of models without it stay as they were
        return config


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter, 2019).

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, amsgrad, **options
        As for `Adam`.
    weight_decay : float or callable, default 0.004
        ≥ 0, see `Pipeline`.
    """

    name = "adamw"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: Any = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options
        )

    def _config(self) -> dict[str, Any]:
        return {**super()._config(), "weight_decay": self.pipeline.weight_decay}


class _OfTwoMoments(Optimizer):
    """The arguments of the variants of Adam that have no options of their own."""

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


class Nadam(_OfTwoMoments):
    """Adam with Nesterov's momentum (Dozat, 2016).

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, **options
        As for `Adam`.
    """

    name = "nadam"


class Adamax(_OfTwoMoments):
    """Adam with the largest gradient in place of the second moment (Kingma & Ba, algorithm 2).

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, **options
        As for `Adam`.
    """

    name = "adamax"


class RMSprop(Optimizer):
    """The gradient over the root of its mean square (Tieleman & Hinton, 2012).

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        Step length, > 0, or a schedule of it.
    rho : float, default 0.9
        Decay of the mean square, in [0, 1).
    momentum : float, default 0.0
        Factor of the last step that is added, in [0, 1).
    epsilon : float, default 1e-7
        Added under the root, > 0.
    centered : bool, default False
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
    learning_rate : float or callable, default 0.001
        Step length, > 0, or a schedule of it.
    initial_accumulator_value : float, default 0.1
        The value from which the sums start, ≥ 0.
    epsilon : float, default 1e-7
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
    """Steps scaled by the ratio of the mean squares of steps and gradients (Zeiler, 2012).

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        Factor of the step, > 0, or a schedule of it; 1 is Zeiler's.
    rho : float, default 0.95
        Decay of both mean squares, in [0, 1).
    epsilon : float, default 1e-7
        Added under both roots, > 0.
    **options
        See `Optimizer`.
    """

    name = "adadelta"

    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **options: Any
    ) -> None:
        super().__init__(learning_rate, {"rho": rho, "epsilon": epsilon}, **options)


class Lion(Optimizer):
    """The sign of the momentum (Chen et al., 2023).

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        Step length of every parameter, > 0, or a schedule of it.
    beta_1, beta_2 : float, default 0.9 and 0.99
        Decay of the momentum in the step, and of the momentum that is kept, in [0, 1).
    **options
        See `Optimizer`.
    """

    name = "lion"

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **options: Any
    ) -> None:
        super().__init__(learning_rate, {"beta_1": beta_1, "beta_2": beta_2}, **options)


class Ftrl(Optimizer):
    """Follow the regularized leader, with exact zeros by the l1 penalty (McMahan et al., 2013).

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        Step length, > 0, or a schedule of it.
    learning_rate_power : float, default -0.5
        Only this value: rates fall with the root of the sum of the squared gradients.
    initial_accumulator_value : float, default 0.1
        The value from which those sums start, ≥ 0.
    l1_regularization_strength, l2_regularization_strength : float, default 0.0
        Penalties of the leader, ≥ 0.
    l2_shrinkage_regularization_strength : float, default 0.0
        A penalty by the gradient, ≥ 0.
    beta : float, default 0.0
        Added to the root of the sums, ≥ 0.
    **options
        See `Optimizer`.

    Raises
    ------
    ValueError, TypeError
        A value is out of its range.
    """

    name = "ftrl"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Any,
    ) -> None:
        if checks.number("ftrl: learning_rate_power", learning_rate_power) != -0.5:
            raise ValueError(f"ftrl: learning_rate_power: found {learning_rate_power}, wanted -0.5")
        hyperparameters = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
            "beta": beta,
        }
        super().__init__(learning_rate, hyperparameters, **options)


class Lamb(_OfTwoMoments):
    """Adam with steps of each array in proportion to its length (You et al., 2020).

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, **options
        As for `Adam`.
    """

    name = "lamb"


class Adafactor(Optimizer):
    """Mean squares by rows and columns, and rates relative to parameters (Shazeer & Stern, 2018).

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        Step length relative to the parameters' mean root, > 0, or a schedule of it.
    beta_2_decay : float, default -0.8
        The decay of the mean squares is 1 - step^beta_2_decay, ≤ 0.
    epsilon_1 : float, default 1e-30
        Added to squared gradients, ≥ 0.
    epsilon_2 : float, default 0.001
        The least mean root of parameters that the rate is multiplied with, ≥ 0.
    clip_threshold : float, default 1.0
        The largest mean root of a step before the rate, > 0.
    relative_step : bool, default True
        Accepted for Keras's sake: as there, the rate is at most 1 / sqrt(step) in any case.
    **options
        See `Optimizer`.

    Raises
    ------
    ValueError, TypeError
        A value is out of its range.
    """

    name = "adafactor"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **options: Any,
    ) -> None:
        hyperparameters = {
            "beta_2_decay": beta_2_decay,
            "epsilon_1": epsilon_1,
            "epsilon_2": epsilon_2,
            "clip_threshold": clip_threshold,
        }
        checks.flag("adafactor: relative_step", relative_step)
        super().__init__(learning_rate, hyperparameters, **options)
