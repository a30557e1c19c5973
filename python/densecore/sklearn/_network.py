"""densecore's model for scikit-learn's settings."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers import Dense, Input
from ..model import Sequential
from ..optimizers import SGD, Adam, Optimizer
from ..regularizers import L2

Array = NDArray[Any]

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}


def initial_weights(
    sizes: Sequence[int], activation: str, random_state: np.random.RandomState
) -> list[Array]:
    """Weights and biases, layer by layer, as scikit-learn draws them for the same random state.

    Uniform within ±√(6 / (inputs + outputs)) (Glorot & Bengio, 2010), with 2 for 6 after the
    logistic function; biases too.
    """
    weights: list[Array] = []
    for inputs, outputs in pairwise(sizes):
        bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / (inputs + outputs))
        weights.append(random_state.uniform(-bound, bound, (inputs, outputs)))
        weights.append(random_state.uniform(-bound, bound, outputs))
    return weights


def network(
    sizes: Sequence[int],
    activation: str,
    output: str,
    dtype: str,
    weights: Sequence[Array],
    *,
    seed: int = 0,
    l2: float = 0.0,
) -> Sequential:
    """Dense layers with given weights.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    activation, output : str
        Of the hidden layers in scikit-learn's words, of the last one in the core's.
    """
    layers: list[Any] = [Input(sizes[0])]
    for number, units in enumerate(sizes[1:], 2):
        function = output if number == len(sizes) else ACTIVATIONS[activation]
        penalty = L2(l2) if l2 > 0 else None
        layers.append(
            Dense(units, function, kernel_initializer="zeros", kernel_regularizer=penalty)
        )
    model = Sequential(layers, dtype=dtype, seed=seed)
    model.set_weights(list(weights))
    return model


def sizes_of(model: Sequential) -> list[int]:
    """Inputs, units of each hidden layer, outputs."""
    return [model.layers[0].kernel.shape[0], *(layer.units for layer in model.layers)]


def set_penalty(model: Sequential, l2: float) -> None:
    """Give the weights of all layers another penalty; the model goes on where it stood."""
    for layer in model.layers:
        layer.kernel_regularizer = L2(l2) if l2 > 0 else None
        model._network.set_penalty(layer._core_index, 0.0, l2)


def optimizer(estimator: Any, scale: float) -> Optimizer:
    """scikit-learn's solver for a loss that is 1 / `scale` of its own: the same steps."""
    if estimator.solver == "adam":
        return Adam(
            estimator.learning_rate_init,
            estimator.beta_1,
            estimator.beta_2,
            estimator.epsilon / scale,
            epsilon_hat=True,
        )
    return SGD(
        estimator.learning_rate_init * scale,
        estimator.momentum,
        bool(estimator.nesterovs_momentum),
    )
