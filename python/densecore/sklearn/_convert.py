"""Estimators that scikit-learn has fitted."""

from typing import Any

from ._classifier import MLPClassifier
from ._network import network
from ._regressor import MLPRegressor
from ._tasks import Task

# Of a fitted estimator, what has the same name and meaning here.
COPIED = (
    "classes_",
    "n_features_in_",
    "feature_names_in_",
    "n_iter_",
    "t_",
    "loss_",
    "best_loss_",
    "loss_curve_",
    "validation_scores_",
    "best_validation_score_",
    "_no_improvement_count",
)


def from_sklearn(estimator: Any) -> MLPClassifier | MLPRegressor:
    """The estimator of densecore that predicts what a fitted one of scikit-learn predicts.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted, by whatever solver. It is not changed.

    Returns
    -------
    MLPClassifier or MLPRegressor
        With its parameters, weights and curves. What its solver had accumulated is left behind:
        a ``partial_fit`` starts a new one.

    Raises
    ------
    TypeError
        It is another class's.
    sklearn.exceptions.NotFittedError
        It is not fitted.
    """
    import sklearn.neural_network as theirs
    from sklearn.utils.validation import check_is_fitted

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
    for name in COPIED:
        if hasattr(estimator, name):
            value = getattr(estimator, name)
            setattr(made, name, value.copy() if hasattr(value, "copy") else value)
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
    found: MLPClassifier | MLPRegressor = made
    return found
