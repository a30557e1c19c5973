"""Several networks in one estimator, which differ by their random state."""

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from ._early_stopping import warn_of_the_end


def fit(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    incremental: bool,
    given: dict[str, Any],
) -> None:
    """Train ``estimators_``, one after the other.

    Parameters
    ----------
    estimator
        The one whose ``n_members`` they are: it predicts their mean.
    given : dict
        What ``fit`` takes besides: callbacks and a validation set.
    """
    old = getattr(estimator, "estimators_", []) if estimator.warm_start or incremental else []
    if len(old) > estimator.n_members:
        raise ValueError(
            f"n_members: found {estimator.n_members}, wanted at least the {len(old)} that there "
            "are: warm_start and partial_fit go on with them"
        )
    X, y = estimator._check_data(X, y, not old, incremental)
    if given["X_val"] is not None:
        estimator.estimators_ = old  # as one that can look at rows
        given = {**given, "X_val": estimator._checked(given["X_val"])}
    rows = X.shape[0]
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
    largest = np.iinfo(np.int32).max
    seeds = check_random_state(estimator.random_state).randint(largest, size=estimator.n_members)
    shared = estimator.get_params(deep=False) | {"n_members": None, "bootstrap": False}
    if estimator.time_budget is not None:
        shared["time_budget"] = estimator.time_budget / estimator.n_members
    shared.pop("random_state")
    members = []
    for number, seed in enumerate(seeds):
        if number < len(old):
            member = old[number].set_params(**shared)
        else:
            member = clone(estimator).set_params(**shared, random_state=int(seed))
        member._is_member = True
        if estimator.verbose and estimator.verbose != "bar":
            print(f"Member {number + 1} of {len(seeds)}")
        weight = sample_weight
        if estimator.bootstrap:
            # A row that is drawn twice counts twice, so that all members know all classes.
            drawn = check_random_state(member.random_state).randint(rows, size=rows)
            counts = np.bincount(drawn, minlength=rows).astype(np.float64)
            weight = counts if sample_weight is None else counts * sample_weight
        if incremental:
            classes = {"classes": estimator.classes_} if is_classifier(estimator) else {}
            member.partial_fit(X, y, weight, **classes)
        else:
            member.fit(X, y, weight, **given)
        members.append(member)
    unfinished = sum(getattr(member, "_unconverged", False) for member in members)
    if unfinished:
        warn_of_the_end(estimator.max_iter, f"{unfinished} of {len(members)} members: ")
    _take(estimator, members)


def _take(estimator: Any, members: list[Any]) -> None:
    """What an estimator says of itself, from its members."""
    vars(estimator).pop("model_", None)
    estimator.estimators_ = members
    for name in ("_fitted", "n_layers_", "n_outputs_", "out_activation_"):
        setattr(estimator, name, getattr(members[0], name))
    estimator.n_iter_ = max(member.n_iter_ for member in members)
    estimator.t_ = members[0].t_
    estimator.loss_ = float(np.mean([member.loss_ for member in members]))
