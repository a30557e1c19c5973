"""A fitted estimator of ``sklearn.neural_network`` as one of densecore."""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from .._base.lazy import imports
from ._build import network, optimizer
from ._class_target import ClassTarget
from ._classifier import MLPClassifier
from ._objective import Objective, regression_objective
from ._regressor import MLPRegressor
from ._targets import Target
from ._to_sklearn import ACCUMULATED, copy_attributes, parts
from ._value_target import ValueTarget


def from_sklearn(estimator: Any) -> MLPClassifier | MLPRegressor:
    """Convert a fitted estimator of scikit-learn to densecore's, with equal predictions.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted, by whatever solver. It is not changed.

    Returns
    -------
    MLPClassifier or MLPRegressor
        With its parameters, weights and curves, and what its solver had accumulated: a
        ``partial_fit`` goes on where it stood.

    Raises
    ------
    TypeError
        It is of another class.
    sklearn.exceptions.NotFittedError
        It is not fitted.
    """
    with imports:
        import sklearn.neural_network as theirs

    if isinstance(estimator, theirs.MLPClassifier):
        made: Any = MLPClassifier()
    elif isinstance(estimator, theirs.MLPRegressor):
        made = MLPRegressor()
    else:
        raise TypeError(
            f"from_sklearn: found {type(estimator).__name__}, wanted a fitted MLPClassifier or "
            "MLPRegressor of sklearn.neural_network"
        )
    check_is_fitted(estimator, "coefs_")
    given = estimator.get_params(deep=False)
    made.set_params(**{name: given[name] for name in made.get_params() if name in given})
    copy_attributes(estimator, made)
    outputs = estimator.n_outputs_
    target: Target
    if isinstance(made, MLPClassifier):
        several = estimator._label_binarizer.y_type_.startswith("multilabel")
        target = ClassTarget(made.classes_, outputs if several else None, made.class_weight)
    else:
        described = (made.loss, made.quantile)
        target = ValueTarget(regression_objective(*described, outputs), described)
    objective = target.objective
    sizes = [estimator.coefs_[0].shape[0], *(array.shape[1] for array in estimator.coefs_)]
    weights = [
        a for pair in zip(estimator.coefs_, estimator.intercepts_, strict=True) for a in pair
    ]
    dtype = estimator.coefs_[0].dtype.name
    model = network(sizes, made.activation, objective.activation, dtype, weights)
    made._take(model, target)
    if made.solver in ACCUMULATED and hasattr(estimator, "_optimizer"):
        _take_solver(made, objective, estimator._optimizer)
    found: MLPClassifier | MLPRegressor = made
    return found


def _take_solver(made: Any, objective: Objective, solver: Any) -> None:
    """Go on with the arrays, the steps and the rate that theirs had."""
    model = made.model_
    model.compile(optimizer(made, objective.scale), objective.loss)
    states = model._network.optimizer_states()
    layers = made.n_layers_ - 1
    for theirs, ours, power in ACCUMULATED[made.solver]:
        if ours not in states:  # sgd without momentum keeps nothing
            continue
        arrays = getattr(solver, theirs)
        for number, (weights, biases) in enumerate(parts(made, states[ours])):
            weights[...] = arrays[number] / objective.scale**power
            biases[...] = arrays[layers + number] / objective.scale**power
    if made.solver == "adam":
        model._network.steps = int(solver.t)
    else:
        model.optimizer.learning_rate = solver.learning_rate * objective.scale
