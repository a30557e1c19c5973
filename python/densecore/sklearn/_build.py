"""densecore's network and optimizer for scikit-learn's parameters."""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .. import activations, layers, optimizers
from .._base.dtypes import Array
from .._base.lookup import unknown
from ..layers import Dense, Dropout, Input, Normalization
from ..models.sequential import Sequential
from ..optimizers import SGD, Optimizer
from ..regularizers import L2
from ..schedules import LearningRateSchedule, Scaled
from ._parameters import ACTIVATION_NAMES, ALL_ROWS, Parameters

# scikit-learn's names of activations that densecore has under another name.
ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid"}

# Optimizers whose two betas and epsilon mean what Adam's do; the others keep their own defaults.
_LIKE_ADAM = ("adam", "adamw", "nadam", "adamax")

Activations = str | activations.Activation | Sequence[str | activations.Activation]


class Extras(NamedTuple):
    """Layers besides the dense ones."""

    dropout: Sequence[float] = ()
    batch_normalization: bool = False
    layer_normalization: bool = False
    # Mean and variance of each input, when they are standardised.
    scaling: tuple[Array, Array] | None = None


def hidden_functions(activation: Activations, count: int) -> list[activations.Activation]:
    """The activation of each hidden layer, from one for all or one for each.

    Raises
    ------
    ValueError
        A name is unknown, or there are more or fewer than hidden layers.
    """
    if isinstance(activation, str | activations.Activation):
        return [_function(activation)] * count
    given = list(activation)
    if len(given) != count:
        raise ValueError(
            f"activation: found {len(given)} ({activation!r}), wanted one for each of the {count} "
            "hidden layers"
        )
    found = []
    for number, each in enumerate(given, 1):
        if not isinstance(each, str | activations.Activation):
            raise TypeError(
                f"activation: of hidden layer {number}: found {each!r}, wanted a name or one of "
                "densecore.activations"
            )
        found.append(_function(each))
    return found


def _function(activation: str | activations.Activation) -> activations.Activation:
    if isinstance(activation, activations.Activation):
        return activation
    name = str(activation)  # NumPy has strings of its own
    if name not in ACTIVATION_NAMES:
        unknown("activation", name, sorted(ACTIVATION_NAMES))
    return activations.get(ACTIVATIONS.get(name, name))


def rates_of(dropout: float | Sequence[float] | Array, count: int) -> list[float]:
    """The rate of dropout after each hidden layer, from one for all or one for each."""
    rates = np.asarray(dropout, np.float64)
    if rates.ndim == 0:
        return [float(rates)] * count
    if rates.shape != (count,) or not ((rates >= 0) & (rates < 1)).all():
        raise ValueError(
            f"dropout: found {dropout!r}, wanted a number >= 0 and < 1 for each of the {count} "
            "hidden layers"
        )
    return [float(rate) for rate in rates]


def initial_weights(
    sizes: Sequence[int], activation: Activations, random_state: np.random.RandomState
) -> list[Array]:
    """Weights and biases, layer by layer, as scikit-learn draws them for the same random state.

    Uniform within ±√(6 / (inputs + outputs)) (Glorot & Bengio, 2010), with 2 for 6 after the
    logistic function; biases too. The last layer is drawn as the one before.
    """
    functions = [each.name for each in hidden_functions(activation, len(sizes) - 2)]
    if not functions and isinstance(activation, str):
        functions = [ACTIVATIONS.get(activation, activation)]
    functions = [*functions[: len(sizes) - 2], *(functions[-1:] or ["linear"])]
    weights: list[Array] = []
    for (inputs, outputs), function in zip(pairwise(sizes), functions, strict=True):
        bound = np.sqrt((2.0 if function == "sigmoid" else 6.0) / (inputs + outputs))
        weights.append(random_state.uniform(-bound, bound, (inputs, outputs)))
        weights.append(random_state.uniform(-bound, bound, outputs))
    return weights


def network(
    sizes: Sequence[int],
    activation: Activations,
    output: str,
    dtype: str,
    weights: Sequence[Array],
    *,
    seed: int = 0,
    l2: float = 0.0,
    extras: Extras | None = None,
) -> Sequential:
    """Dense layers with given weights, and other layers between them.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    activation, output : str
        Of the hidden layers in scikit-learn's words or one for each, of the last one in the core's.
    weights : sequence of ndarray
        Weights and biases of the dense layers.
    extras : Extras, optional
    """
    extras = extras or Extras()
    hidden = sizes[1:-1]
    functions = hidden_functions(activation, len(hidden))
    rates = extras.dropout or [0.0] * len(hidden)
    regularizer = L2(l2) if l2 > 0 else None

    def dense(units: int, function: str | activations.Activation) -> Dense:
        return Dense(units, function, kernel_initializer="zeros", kernel_regularizer=regularizer)

    stack: list[Any] = [Input(sizes[0])]
    if extras.scaling is not None:
        stack.append(Normalization(mean=extras.scaling[0], variance=extras.scaling[1]))
    for units, function, rate in zip(hidden, functions, rates, strict=True):
        normalized = extras.batch_normalization or extras.layer_normalization
        stack.append(dense(units, "linear" if normalized else function))
        if extras.batch_normalization:
            stack.append(layers.BatchNormalization())
        if extras.layer_normalization:
            stack.append(layers.LayerNormalization())
        if normalized:
            stack.append(layers.Activation(function))
        if rate > 0:
            stack.append(Dropout(rate))
    stack.append(dense(sizes[-1], output))
    model = Sequential(stack, dtype=dtype, seed=seed)
    given = iter(weights)
    for layer in dense_layers(model):
        layer.kernel[...] = next(given)
        assert layer.bias is not None
        layer.bias[...] = next(given)
    return model


def dense_layers(model: Sequential) -> list[Dense]:
    """The layers that have ``coefs_``."""
    return [layer for layer in model.layers if isinstance(layer, Dense)]


def sizes_of(model: Sequential) -> list[int]:
    """Inputs, units of each hidden layer, outputs."""
    found = dense_layers(model)
    return [found[0].kernel.shape[0], *(layer.units for layer in found)]


def sum_of_squares(model: Sequential) -> float:
    """Σw² of the weights of all dense layers, without biases."""
    return sum(float(np.vdot(layer.kernel, layer.kernel)) for layer in dense_layers(model))


def check_total(parameters: Parameters, weights: Array | None, dtype: np.dtype[Any]) -> None:
    """Raise ValueError for weights of rows whose sum is none, or no divisor of the penalty."""
    if weights is None:
        return
    with np.errstate(over="ignore"):
        total = float(weights.sum(dtype=np.float64))
    if total == 0:
        raise ValueError(
            "sample_weight, class_weight: found only zeros when multiplied, wanted a weight above "
            "zero"
        )
    # A mean loss does not depend on a common factor, but what is computed on the way does.
    wanted = "wanted weights nearer to 1"
    if not np.isfinite(total):
        raise ValueError(f"sample_weight: found weights of which the sum is {total}, {wanted}")
    if float(parameters.alpha) / 2 * len(weights) > total * float(np.finfo(dtype).max) / 1e3:
        raise ValueError(
            f"sample_weight: found weights of which the mean is {total / len(weights):.2g}, by "
            f"which alpha={parameters.alpha} is divided, {wanted}"
        )


def set_penalty(model: Sequential, l2: float) -> None:
    """Give the weights of all dense layers another penalty; the optimizer's state is kept."""
    for layer in dense_layers(model):
        found = layer.kernel_regularizer
        if (0.0 if found is None else found.l2) != l2:
            layer._set_kernel_penalty(l2)


def optimizer(parameters: Parameters, scale: float) -> Optimizer:
    """The optimizer whose steps are scikit-learn's for a loss that is 1 / `scale` of its own.

    A solver that is given as an object is copied and not scaled: it steps along the gradient of
    densecore's loss.
    """
    if isinstance(parameters.solver, Optimizer):
        return copy.deepcopy(parameters.solver)
    solver, rate = parameters.solver, parameters.learning_rate_init
    # Gradients are 1 / scale of scikit-learn's, and so are their limits.
    options: dict[str, Any] = {
        name: float(getattr(parameters, name)) / scale
        for name in ("clipnorm", "clipvalue", "global_clipnorm")
        if getattr(parameters, name) is not None
    }
    decay = {}
    if parameters.weight_decay is not None:
        decay["weight_decay"] = float(parameters.weight_decay)
    # A solver that takes all rows at once makes no such steps, but a model is compiled with some.
    if solver in ("sgd", *ALL_ROWS):
        # A step's decay is the rate times this, and the rate is scaled.
        decay = {name: value / scale for name, value in decay.items()}
        if not isinstance(rate, LearningRateSchedule):
            rate = float(rate) * scale
        elif scale != 1:
            rate = Scaled(rate, scale)
        nesterov = bool(parameters.nesterovs_momentum)
        return SGD(rate, parameters.momentum, nesterov, **options, **decay)
    config = {"name": solver, "learning_rate": rate, **options, **decay}
    if solver in _LIKE_ADAM:
        config |= {"beta_1": parameters.beta_1, "beta_2": parameters.beta_2}
        config["epsilon"] = float(parameters.epsilon) / scale
    if solver == "adam":
        config["epsilon_hat"] = True  # where scikit-learn has it
    return optimizers.get(config)
