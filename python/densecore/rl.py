"""Reinforcement learning: losses with their gradients, advantages and targets.

Each loss is a function of a network's outputs, and comes with the gradient that
``model.backward`` takes; `densecore.distributions` has the policies.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ._base import checks, core
from ._base.dtypes import Array, real_dtype
from .distributions.base import (
    DOUBLE,
    Distribution,
    PolicyLoss,
    as_real,
    parameters,
    real_array,
    vector,
)
from .distributions.categorical import as_classes

__all__ = [
    "QLoss",
    "discounted_returns",
    "double_q_targets",
    "generalized_advantages",
    "policy_gradient_loss",
    "ppo_loss",
    "q_loss",
    "soft_q_targets",
    "temperature_loss",
    "twin_q_gradients",
    "value_loss",
]

G = TypeVar("G")


def ppo_loss(
    policy: Distribution[G],
    actions: ArrayLike,
    old_log_prob: ArrayLike,
    advantages: ArrayLike,
    *,
    clip: float = 0.2,
    entropy: float = 0.0,
) -> PolicyLoss[G]:
    """The clipped objective of proximal policy optimization (Schulman et al., arXiv 1707.06347).

    The mean over the rows of -min(ratio · A, clip(ratio, 1 - clip, 1 + clip) · A), with ratio =
    exp(log_prob - old_log_prob), less `entropy` times the mean entropy.

    Parameters
    ----------
    policy : Distribution
        Of the network as it is now.
    actions : array_like (rows, actions) or (rows,) classes
    old_log_prob, advantages : array_like (rows,)
        The log_prob with which the actions were chosen; what they were worth.
    clip : float, default 0.2
    entropy : float, default 0
        The factor of the bonus for entropy.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not meet, NaN, actions that cannot be, or a factor out of range.
    """
    return _checked(policy)._policy_loss(
        actions,
        old_log_prob,
        advantages,
        checks.number("clip", clip, above=0),
        checks.number("entropy", entropy),
    )


def policy_gradient_loss(
    policy: Distribution[G],
    actions: ArrayLike,
    advantages: ArrayLike,
    *,
    entropy: float = 0.0,
) -> PolicyLoss[G]:
    """The mean of -log_prob · A, less `entropy` times the mean entropy: REINFORCE (Williams, 1992)
    and the actor of A2C.

    Parameters
    ----------
    policy, actions, advantages, entropy
        As of `ppo_loss`; for REINFORCE returns, best less a baseline, are the advantages.
    """
    return _checked(policy)._policy_loss(
        actions, None, advantages, 1.0, checks.number("entropy", entropy)
    )


@dataclass(frozen=True, slots=True)
class QLoss:
    """The loss of values on a batch, with its gradient.

    Attributes
    ----------
    loss : float
        The mean over the rows.
    gradient : ndarray
        Its derivatives by the values, of their shape: for ``model.backward``.
    errors : ndarray (rows,)
        value - target of each row: for priorities.
    """

    loss: float
    gradient: Array
    errors: Array


def q_loss(
    q_values: ArrayLike,
    actions: ArrayLike,
    targets: ArrayLike,
    *,
    delta: float | None = None,
    sample_weight: ArrayLike | None = None,
) -> QLoss:
    """The loss of the values of the actions that were taken, as of DQN (Mnih et al., 2015).

    Parameters
    ----------
    q_values : array_like (rows, actions)
        The network's outputs.
    actions : array_like (rows,)
        Numbers of the actions.
    targets : array_like (rows,)
        See `double_q_targets`.
    delta : float, optional
        Huber's loss: linear for errors beyond ±delta. By default half the square.
    sample_weight : array_like (rows,), optional
        Factors of the rows' losses, as a prioritised replay has them.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not meet, NaN, or numbers of actions that there are not.
    """
    values = parameters("q_values", q_values)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"q_values: found shape {values.shape}, wanted (rows, actions)")
    rows = len(values)
    most = np.inf if delta is None else checks.number("delta", delta, above=0)
    weight = sample_weight
    found = core.td_loss(
        values,
        as_classes("actions", actions, rows),
        vector("targets", targets, values.dtype, rows),
        None if weight is None else vector("sample_weight", weight, values.dtype, rows),
        most,
    )
    return QLoss(*found)


def value_loss(values: ArrayLike, targets: ArrayLike, *, delta: float | None = None) -> QLoss:
    """The loss of a critic's values (rows,) or (rows, 1): half the mean square of their errors.

    Parameters
    ----------
    values : array_like (rows, 1) or (rows,)
        The network's outputs.
    targets : array_like (rows,) or (rows, 1)
    delta : float, optional
        As of `q_loss`.
    """
    given = parameters("values", values)
    if given.ndim not in (1, 2) or (given.ndim == 2 and given.shape[1] != 1):
        raise ValueError(f"values: found shape {given.shape}, wanted (rows, 1) or (rows,)")
    found = q_loss(given.reshape(-1, 1), np.zeros(len(given), np.int64), targets, delta=delta)
    if given.ndim == 2:
        return found
    return QLoss(found.loss, found.gradient.reshape(-1), found.errors)


def generalized_advantages(
    rewards: ArrayLike,
    values: ArrayLike,
    terminated: ArrayLike,
    *,
    truncated: ArrayLike | None = None,
    final_values: ArrayLike | None = None,
    discount: float = 0.99,
    lambda_: float = 0.95,
) -> tuple[Array, Array]:
    """Advantages and the critic's targets of a rollout (GAE, Schulman et al., arXiv 1506.02438).

    Parameters
    ----------
    rewards : array_like (steps,) or (steps, runs)
    values : array_like (steps + 1,) or (steps + 1, runs)
        The critic's, of each state and of the one after the last step.
    terminated : array_like of bool, as rewards
        Whether an episode ended with the step: nothing comes after it.
    truncated : array_like of bool, as rewards, optional
        Whether an episode was cut there, by a limit of time: something would have come.
    final_values : array_like, as rewards, optional
        With `truncated`: the critic's values of the states that episodes were cut in.
    discount, lambda_ : float, default 0.99 and 0.95
        From 0 to 1.

    Returns
    -------
    advantages, targets : ndarray, as rewards
        Targets are advantages + values.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not meet, NaN, or `truncated` without `final_values`.
    """
    given = real_array("rewards", rewards)
    if given.ndim not in (1, 2) or given.size == 0:
        raise ValueError(f"rewards: found shape {given.shape}, wanted (steps,) or (steps, runs)")
    runs = 1 if given.ndim == 1 else given.shape[1]
    worth = real_array("values", values)
    wanted = (len(given) + 1, *given.shape[1:])
    if worth.shape != wanted:
        raise ValueError(f"values: found shape {worth.shape}, wanted {wanted}: one state more")
    if (truncated is None) != (final_values is None):
        raise ValueError(
            "truncated, final_values: found one of them, wanted both: what a state is worth in "
            "which an episode was cut"
        )
    ends = _flags("terminated", terminated, given.shape)
    cuts = np.zeros_like(ends) if truncated is None else _flags("truncated", truncated, given.shape)
    last = None
    if final_values is not None:
        last = real_array("final_values", final_values)
        if last.shape != given.shape:
            raise ValueError(f"final_values: found shape {last.shape}, wanted {given.shape}")
        # Read only where an episode was cut: other entries may be anything.
        last = np.where(cuts.reshape(given.shape), last, 0.0).astype(np.float64).ravel()
    numbers = as_real("values", worth, DOUBLE)
    found = core.policy_advantages(
        runs,
        as_real("rewards", given, DOUBLE).reshape(-1),
        numbers.reshape(-1),
        ends,
        cuts,
        last,
        checks.number("discount", discount, least=0, most=1),
        checks.number("lambda_", lambda_, least=0, most=1),
    ).reshape(given.shape)
    dtype = real_dtype(np.result_type(given.dtype, worth.dtype))
    return found.astype(dtype), (found + numbers[:-1]).astype(dtype)


def discounted_returns(
    rewards: ArrayLike, terminated: ArrayLike, *, discount: float = 0.99
) -> Array:
    """The sums of the rewards after each step, Σ discount^k · r: the returns of REINFORCE.

    Parameters
    ----------
    rewards : array_like (steps,) or (steps, runs)
    terminated : array_like of bool, as rewards
        Whether an episode ended with the step.
    discount : float, default 0.99
    """
    given = real_array("rewards", rewards)
    nothing = np.zeros((given.shape[0] + 1 if given.ndim else 1, *given.shape[1:]), given.dtype)
    return generalized_advantages(given, nothing, terminated, discount=discount, lambda_=1.0)[0]


def double_q_targets(
    rewards: ArrayLike,
    terminated: ArrayLike,
    next_q: ArrayLike,
    target_next_q: ArrayLike | None = None,
    *,
    discount: float = 0.99,
) -> Array:
    """r + discount · (value of the next state), nothing after the end, for each row.

    With `target_next_q` the network chooses the next action and the target network gives its value
    (van Hasselt et al., arXiv 1509.06461); without, the largest value counts.

    Parameters
    ----------
    rewards : array_like (rows,)
    terminated : array_like (rows,) of bool
    next_q : array_like (rows, actions)
        Values of the next states.
    target_next_q : array_like (rows, actions), optional
        The target network's; by default there is no such network.
    discount : float, default 0.99
    """
    chosen = parameters("next_q", next_q)
    if chosen.ndim != 2 or chosen.shape[1] == 0:
        raise ValueError(f"next_q: found shape {chosen.shape}, wanted (rows, actions)")
    worth = chosen if target_next_q is None else parameters("target_next_q", target_next_q)
    if worth.shape != chosen.shape:
        raise ValueError(f"target_next_q: found shape {worth.shape}, wanted {chosen.shape}")
    rows, dtype = len(chosen), chosen.dtype
    best = worth[np.arange(rows), chosen.argmax(axis=1)]
    return _after(rewards, terminated, best, discount, rows, dtype)


def soft_q_targets(
    rewards: ArrayLike,
    terminated: ArrayLike,
    next_q1: ArrayLike,
    next_q2: ArrayLike,
    next_log_prob: ArrayLike,
    *,
    temperature: float,
    discount: float = 0.99,
) -> Array:
    """SAC's: r + discount · (min(q1, q2) - temperature · log_prob), nothing after the end, (rows,).

    Parameters
    ----------
    rewards : array_like (rows,)
    terminated : array_like (rows,) of bool
    next_q1, next_q2 : array_like (rows,) or (rows, 1)
        The target networks' values of the next states with actions that the policy chose there.
    next_log_prob : array_like (rows,)
        Of these actions.
    temperature : float
        The factor of the entropy, at least 0.
    discount : float, default 0.99
    """
    first = parameters("next_q1", next_q1)
    rows, dtype = len(first) if first.ndim else 0, first.dtype
    alpha = checks.number("temperature", temperature, least=0)
    least = np.minimum(
        vector("next_q1", first, dtype, rows), vector("next_q2", next_q2, dtype, rows)
    )
    least -= dtype.type(alpha) * vector("next_log_prob", next_log_prob, dtype, rows)
    return _after(rewards, terminated, least, discount, rows, dtype)


def twin_q_gradients(q1: ArrayLike, q2: ArrayLike) -> tuple[Array, Array]:
    """The gradients of -mean(min(q1, q2)), by q1 and by q2, of their shapes: for the critics'
    `backward`, whose gradient by the actions then goes to `sample_gradient` of the policy.

    Parameters
    ----------
    q1, q2 : array_like (rows,) or (rows, 1)
    """
    first = parameters("q1", q1)
    rows, dtype = len(first) if first.ndim else 0, first.dtype
    one, two = vector("q1", first, dtype, rows), vector("q2", q2, dtype, rows)
    share = dtype.type(-1 / max(rows, 1))
    by_first = (one <= two) * share
    return by_first.reshape(first.shape), (share - by_first).reshape(np.shape(q2))


def temperature_loss(
    log_temperature: float, log_prob: ArrayLike, target_entropy: float
) -> tuple[float, float]:
    """SAC's loss of the temperature, -log_temperature · mean(log_prob + target_entropy), and its
    derivative (Haarnoja et al., arXiv 1812.05905).

    Parameters
    ----------
    log_temperature : float
    log_prob : array_like (rows,)
        Of actions that the policy chose.
    target_entropy : float
        Minus the number of columns of an action, in most programs.

    Returns
    -------
    loss, derivative : float
    """
    given = real_array("log_prob", log_prob)
    if given.size == 0:
        raise ValueError("log_prob: found none, wanted at least one")
    slope = -float(given.mean(dtype=np.float64)) - checks.number("target_entropy", target_entropy)
    return checks.number("log_temperature", log_temperature) * slope, slope


def _after(
    rewards: Any, terminated: Any, worth: Array, discount: Any, rows: int, dtype: "np.dtype[Any]"
) -> Array:
    worth *= dtype.type(checks.number("discount", discount, least=0, most=1))
    worth[_flags("terminated", terminated, (rows,))] = 0
    worth += vector("rewards", rewards, dtype, rows)
    return worth


def _checked(policy: Distribution[G]) -> Distribution[G]:
    if not isinstance(policy, Distribution):
        raise TypeError(
            f"policy: found {checks.shown(policy)}, wanted a distribution of "
            "densecore.distributions"
        )
    return policy


def _flags(name: str, given: Any, shape: tuple[int, ...]) -> Array:
    """Flags of the steps as a vector: booleans, or numbers 0 and 1."""
    found = real_array(name, given)
    if found.dtype == bool and found.shape == shape and found.flags.c_contiguous:
        return found.reshape(-1)
    if found.shape != shape:
        if found.size == np.prod(shape) and found.shape[:1] == shape[:1]:
            found = found.reshape(shape)  # (rows, 1)
        else:
            raise ValueError(f"{name}: found shape {found.shape}, wanted {shape}")
    if found.dtype.kind != "b" and not np.isin(found, (0, 1)).all():
        raise ValueError(f"{name}: found numbers other than 0 and 1, wanted True and False")
    return np.ascontiguousarray(found, bool).reshape(-1)
