"""A fitted estimator of densecore as one of ``sklearn.neural_network``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._base.lazy import imports
from ..layers import Dense
from ._build import hidden_functions
from ._objective import Objective

if TYPE_CHECKING:  # which imports this
    from ._fitted import FittedMLP

# Fitted attributes with the same name and meaning on both sides.
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
# scikit-learn's name and ours of each array that a solver accumulates, and the power of the loss's
# scale that it grows by: scikit-learn's loss is `scale` times the core's, and so is its gradient.
ACCUMULATED = {"adam": (("ms", "m", 1), ("vs", "v", 2)), "sgd": (("velocities", "velocity", 0),)}


def copy_attributes(old: Any, new: Any) -> None:
    """Copy the fitted attributes of one estimator to another."""
    for name in COPIED:
        if hasattr(old, name):
            value = getattr(old, name)
            setattr(new, name, value.copy() if hasattr(value, "copy") else value)


def to_sklearn(estimator: "FittedMLP") -> Any:
    """Convert a fitted estimator of densecore to scikit-learn's, with equal predictions.

    ``MLPClassifier.to_sklearn`` and ``MLPRegressor.to_sklearn`` document it.
    """
    with imports:
        import sklearn.neural_network as theirs

    check_is_fitted(estimator, "model_")
    classifier = is_classifier(estimator)
    made: Any = theirs.MLPClassifier() if classifier else theirs.MLPRegressor()
    _set_their_parameters(estimator, made)
    objective: Objective = estimator._target.objective
    _refuse_other_layers(estimator, objective)
    copy_attributes(estimator, made)
    made.coefs_ = [array.copy() for array in estimator.coefs_]
    made.intercepts_ = [array.copy() for array in estimator.intercepts_]
    made.n_layers_ = estimator.n_layers_
    made.n_outputs_ = estimator.n_outputs_
    made.out_activation_ = estimator.out_activation_
    made._random_state = check_random_state(estimator.random_state)
    if classifier:
        made._label_binarizer = _label_binarizer(estimator)
    solver = estimator.solver
    if solver in ACCUMULATED and getattr(estimator.model_, "optimizer", None) is not None:
        made._optimizer = _their_solver(estimator, objective, made)
    return made


def _set_their_parameters(estimator: "FittedMLP", made: Any) -> None:
    """Set the parameters of `made`; those that it does not have must have their defaults."""
    initial = type(estimator)().get_params(deep=False)
    known = made.get_params(deep=False)
    for name, value in estimator.get_params(deep=False).items():
        if name in known:
            made.set_params(**{name: value})
        elif repr(value) != repr(initial[name]):  # some are arrays
            raise ValueError(
                f"to_sklearn: found {name}={value!r}, wanted {initial[name]!r}: scikit-learn has "
                "no place for another"
            )
    try:
        made._validate_params()
    except ValueError as error:
        raise ValueError(f"to_sklearn: found what scikit-learn does not know: {error}") from None


def _refuse_other_layers(estimator: "FittedMLP", objective: Objective) -> None:
    """Raise ValueError for a model with other layers than the parameters describe."""
    layers = estimator.model_.layers
    hidden = [str(f) for f in hidden_functions(estimator.activation, len(layers) - 1)]
    for layer, name in zip(layers, [*hidden, objective.activation], strict=True):
        plain = type(layer) is Dense and layer.use_bias
        if not plain or layer.get_config()["activation"] != name:
            raise ValueError(
                f"to_sklearn: found the layer {layer!r}, wanted Dense with a bias and {name}: "
                "scikit-learn has no place for another"
            )


def _label_binarizer(estimator: "FittedMLP") -> Any:
    with imports:
        from sklearn.preprocessing import LabelBinarizer

    classes = estimator.classes_
    if estimator._target.objective.name != "multilabel":
        return LabelBinarizer().fit(classes)
    # Two rows are the fewest that say that these are labels.
    return LabelBinarizer().fit(np.eye(2, len(classes), dtype=int))


def parts(estimator: "FittedMLP", flat: Any) -> Iterator[tuple[Any, Any]]:
    """Views (weights, biases) into a flat array of the parameters' order, by layer."""
    begin = 0
    for weights, biases in zip(estimator.coefs_, estimator.intercepts_, strict=True):
        middle, end = begin + weights.size, begin + weights.size + biases.size
        yield flat[begin:middle].reshape(weights.shape), flat[middle:end]
        begin = end


def _their_solver(estimator: "FittedMLP", objective: Objective, made: Any) -> Any:
    with imports:
        from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

    network = estimator.model_._network
    states = network.optimizer_states()
    if estimator.solver == "adam":
        solver = AdamOptimizer(
            made.coefs_ + made.intercepts_,
            estimator.learning_rate_init,
            estimator.beta_1,
            estimator.beta_2,
            estimator.epsilon,
        )
        solver.t = int(network.steps)
    else:
        solver = SGDOptimizer(
            made.coefs_ + made.intercepts_,
            estimator.learning_rate_init,
            estimator.learning_rate,
            estimator.momentum,
            estimator.nesterovs_momentum,
            estimator.power_t,
        )
        solver.learning_rate = (
            estimator.model_._compiled_optimizer().learning_rate / objective.scale
        )
    for theirs, ours, power in ACCUMULATED[estimator._solver_name]:
        if ours in states:
            pairs = list(parts(estimator, states[ours]))
            arrays = [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
            setattr(solver, theirs, [array * objective.scale**power for array in arrays])
    return solver
