"""A fitted estimator of ``sklearn.neural_network`` as one of densecore."""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from ._build import network
from ._classifier import MLPClassifier
from ._loss import Task
from ._optimizer import optimizer
from ._regressor import MLPRegressor
from ._to_sklearn import ACCUMULATED, copy_attributes, parts


def from_sklearn(estimator: Any) -> MLPClassifier | MLPRegressor:
    """The estimator of densecore that predicts what a fitted one of scikit-learn predicts.

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
        It is another class's.
    sklearn.exceptions.NotFittedError
        It is not fitted.
    """
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
    if isinstance(made, MLPClassifier):
        made._labels = outputs
        several = estimator._label_binarizer.y_type_.startswith("multilabel")
        made._kind = "multilabel" if several else "multiclass" if outputs > 1 else "binary"
    else:
        made._targets = outputs
    task: Task = made._task()
    sizes = [estimator.coefs_[0].shape[0], *(array.shape[1] for array in estimator.coefs_)]
    weights = [
        a for pair in zip(estimator.coefs_, estimator.intercepts_, strict=True) for a in pair
    ]
    dtype = estimator.coefs_[0].dtype.name
    model = network(sizes, made.activation, task.kind.activation, dtype, weights)
    made._set_model(model, task)
    if made.solver in ACCUMULATED and hasattr(estimator, "_optimizer"):
        _take_solver(made, task, estimator._optimizer)
    found: MLPClassifier | MLPRegressor = made
    return found


def _take_solver(made: Any, task: Task, solver: Any) -> None:
    """Go on with the arrays, the steps and the rate that theirs had."""
    model = made.model_
    model.compile(optimizer(made, task.scale), task.kind.loss)
    states = model._network.optimizer_states()
    layers = made.n_layers_ - 1
    for theirs, ours, power in ACCUMULATED[made.solver]:
        if ours not in states:  # sgd without momentum keeps nothing
            continue
        arrays = getattr(solver, theirs)
        for number, (weights, biases) in enumerate(parts(made, states[ours])):
            weights[...] = arrays[number] / task.scale**power
            biases[...] = arrays[layers + number] / task.scale**power
    if made.solver == "adam":
        model._network.steps = int(solver.t)
    else:
        model.optimizer.learning_rate = solver.learning_rate * task.scale
