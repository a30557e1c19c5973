"""The update rules: that of the note (Eq. 29, Eq. 30), and Keras's others.

Parameters and states never hold a subnormal number: after a step, a number below the smallest
normal one of its dtype (1.2e-38 in float32, 2.2e-308 in float64) is set to zero, because many
processors compute with subnormal numbers a hundred times more slowly. This is where an oracle for
a new optimizer goes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ._checks import Array, check_learning_rate, flush_subnormals
from .operations import adam_update, sgd_update


class Optimizer(NamedTuple):
    """An update rule.

    Attributes
    ----------
    states : int
        Number of arrays of the parameter's shape and dtype kept from step to step.
    update : callable
        ``(parameter, gradient, states, step, **hyperparameters) -> None``, in place; ``step``
        counts from 1.
    start : callable
        ``(**hyperparameters) -> float``, what the states start from: zero but for adagrad.
    """

    states: int
    update: Callable[..., None]
    start: Callable[..., float] = lambda **hyperparameters: 0.0


States = Sequence[Array]


def _sgd(
    parameter: Array,
    gradient: Array,
    states: States,
    step: int,
    *,
    learning_rate: float = 0.01,
) -> None:
    sgd_update(parameter, gradient, learning_rate)


def _momentum(nesterov: bool) -> Callable[..., None]:
    def update(
        parameter: Array,
        gradient: Array,
        states: States,
        step: int,
        *,
        learning_rate: float = 0.01,
        momentum: float = 0.9,
    ) -> None:
        real = parameter.dtype.type
        (velocity,) = states
        own = real(check_learning_rate(learning_rate)) * gradient
        velocity[...] = real(momentum) * velocity - own
        parameter += real(momentum) * velocity - own if nesterov else velocity

    return update


def _adam(parameter: Array, gradient: Array, states: States, step: int, **hyper: float) -> None:
    m, v = states
    adam_update(parameter, gradient, m, v, step, **hyper)


def _adam_epsilon_hat(
    parameter: Array,
    gradient: Array,
    states: States,
    step: int,
    *,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **hyper: float,
) -> None:
    # Kingma & Ba, before section 2.1: algorithm 1 with an epsilon that the correction divides, too.
    m, v = states
    hat = epsilon / math.sqrt(1.0 - beta_2**step)
    adam_update(parameter, gradient, m, v, step, beta_2=beta_2, epsilon=hat, **hyper)


def _adamw(
    parameter: Array,
    gradient: Array,
    states: States,
    step: int,
    *,
    learning_rate: float = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    # Loshchilov & Hutter: the decay is no part of the gradient, and of no moment.
    decay = parameter.dtype.type(check_learning_rate(learning_rate) * weight_decay)
    parameter -= decay * parameter
    m, v = states
    adam_update(parameter, gradient, m, v, step, learning_rate, beta_1, beta_2, epsilon)


def _average(state: Array, value: Array, decay: float) -> None:
    """state <- decay state + (1 - decay) value"""
    real = state.dtype.type
    state[...] = real(decay) * state + real(1.0 - decay) * value


def _amsgrad(
    parameter: Array,
    gradient: Array,
    states: States,
    step: int,
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    real, (m, v, v_max) = parameter.dtype.type, states
    rate = check_learning_rate(learning_rate)
    _average(m, gradient, beta_1)
    _average(v, gradient * gradient, beta_2)
    np.maximum(v_max, v, out=v_max)
    root = np.sqrt(v_max / real(1.0 - beta_2**step))
    parameter -= real(rate / (1.0 - beta_1**step)) * m / (root + real(epsilon))


def _nadam(
    parameter: Array,
    gradient: Array,
    states: States,
    step: int,
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    real, (m, v) = parameter.dtype.type, states
    rate = check_learning_rate(learning_rate)
    # Dozat's momenta warm up: u_1, u_2, ..., u_{step + 1}.
    u = [beta_1 * (1.0 - 0.5 * 0.96**t) for t in range(1, step + 2)]
    _average(m, gradient, beta_1)
    _average(v, gradient * gradient, beta_2)
    m_hat = real(u[-1] / (1.0 - math.prod(u))) * m
    m_hat = m_hat + real((1.0 - u[-2]) / (1.0 - math.prod(u[:-1]))) * gradient
    v_hat = v / real(1.0 - beta_2**step)
    parameter -= real(rate) * m_hat / (np.sqrt(v_hat) + real(epsilon))


def _adamax(
    parameter: Array,
    gradient: Array,
    states: States,
    step: int,
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    real, (m, u) = parameter.dtype.type, states
    rate = check_learning_rate(learning_rate) / (1.0 - beta_1**step)
    _average(m, gradient, beta_1)
    np.maximum(real(beta_2) * u, np.abs(gradient), out=u)
    parameter -= real(rate) * m / (u + real(epsilon))


def _rmsprop(with_momentum: bool, centered: bool) -> Callable[..., None]:
    def update(
        parameter: Array,
        gradient: Array,
        states: States,
        step: int,
        *,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        epsilon: float = 1e-7,
        momentum: float = 0.9,
    ) -> None:
        real = parameter.dtype.type
        rate = check_learning_rate(learning_rate)
        _average(states[0], gradient * gradient, rho)
        square = states[0]
        if centered:
            _average(states[1], gradient, rho)
            square = np.maximum(square - states[1] * states[1], 0.0)
        own = real(rate) * gradient / np.sqrt(square + real(epsilon))
        if with_momentum:
            states[-1][...] = real(momentum) * states[-1] + own
            own = states[-1]
        parameter -= own

    return update


def _adagrad(
    parameter: Array,
    gradient: Array,
    states: States,
    step: int,
    *,
    learning_rate: float = 0.001,
    initial_accumulator_value: float = 0.1,
    epsilon: float = 1e-7,
) -> None:
    real, (total,) = parameter.dtype.type, states
    rate = check_learning_rate(learning_rate)
    total += gradient * gradient
    parameter -= real(rate) * gradient / np.sqrt(total + real(epsilon))


def _adagrad_start(initial_accumulator_value: float = 0.1, **hyperparameters: float) -> float:
    return initial_accumulator_value


def _adadelta(
    parameter: Array,
    gradient: Array,
    states: States,
    step: int,
    *,
    learning_rate: float = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
) -> None:
    real, (square, steps) = parameter.dtype.type, states
    rate = check_learning_rate(learning_rate)
    _average(square, gradient * gradient, rho)
    own = np.sqrt((steps + real(epsilon)) / (square + real(epsilon))) * gradient
    _average(steps, own * own, rho)
    parameter -= real(rate) * own


def _lion(
    parameter: Array,
    gradient: Array,
    states: States,
    step: int,
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
) -> None:
    real, (m,) = parameter.dtype.type, states
    rate = check_learning_rate(learning_rate)
    parameter -= real(rate) * np.sign(real(beta_1) * m + real(1.0 - beta_1) * gradient)
    _average(m, gradient, beta_2)


def _keeping(update: Callable[..., None]) -> Callable[..., None]:
    """The rule with parameters and states that are zero instead of subnormal."""

    def rule(parameter: Array, gradient: Array, states: States, step: int, **hyper: float) -> None:
        update(parameter, gradient, states, step, **hyper)
        flush_subnormals(parameter, *states)

    return rule


_RULES: dict[str, Optimizer] = {
    "sgd": Optimizer(0, _sgd),
    "sgd_momentum": Optimizer(1, _momentum(False)),
    "sgd_nesterov": Optimizer(1, _momentum(True)),
    "adam": Optimizer(2, _adam),
    "adam_amsgrad": Optimizer(3, _amsgrad),
    "adam_epsilon_hat": Optimizer(2, _adam_epsilon_hat),
    "adamw": Optimizer(2, _adamw),
    "nadam": Optimizer(2, _nadam),
    "adamax": Optimizer(2, _adamax),
    "rmsprop": Optimizer(1, _rmsprop(False, False)),
    "rmsprop_momentum": Optimizer(2, _rmsprop(True, False)),
    "rmsprop_centered": Optimizer(2, _rmsprop(False, True)),
    "rmsprop_momentum_centered": Optimizer(3, _rmsprop(True, True)),
    "adagrad": Optimizer(1, _adagrad, _adagrad_start),
    "adadelta": Optimizer(2, _adadelta),
    "lion": Optimizer(1, _lion),
}

#: The update rules by name: those of the core, and adamw, which there is adam with weight decay.
OPTIMIZERS: dict[str, Optimizer] = {
    name: rule._replace(update=_keeping(rule.update)) for name, rule in _RULES.items()
}
