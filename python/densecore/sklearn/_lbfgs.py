"""Training with SciPy's L-BFGS-B over the flat parameters, all rows at once."""

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from ._network import network, sizes_of
from ._tasks import Task
from ._warn import warn

Array = NDArray[Any]


def fit(estimator: Any, task: Task, X: Any, y: Array, weights: Array | None) -> None:
    """Minimise the loss of all rows, and set the estimator's model, ``n_iter_`` and ``loss_``."""
    model = estimator.model_
    # The gradient starts at the last layer's sums: there it is a difference, and stays finite
    # where a probability is 0.
    sums = network(
        sizes_of(model), estimator.activation, "linear", model.dtype, model.get_weights()
    )
    x = np.ascontiguousarray(X.toarray() if hasattr(X, "toarray") else X, model.dtype)
    weight = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    factor = estimator.alpha / weight.sum()
    shares = (weight / weight.sum())[:, None]
    penalised = np.concatenate(
        [np.full(array.size, float(array.ndim == 2)) for array in sums.weights]
    )
    out = np.empty((len(x), task.outputs), model.dtype)

    def loss_and_gradient(parameters: Array) -> tuple[float, Array]:
        sums.parameters[...] = parameters
        z = sums.forward(x, out)
        loss, gradient = task.loss_and_gradient(z.astype(np.float64, copy=False), y, shares)
        sums.backward(np.ascontiguousarray(gradient, model.dtype))
        held = penalised * parameters
        total = loss + factor / 2 * float(held @ held)
        return total, sums.gradients.astype(np.float64) + factor * held

    # SciPy's solver hands short vectors to BLAS, whose threads cost many times what they save.
    with threadpool_limits(1, "blas"):
        found = scipy.optimize.minimize(
            loss_and_gradient,
            model.parameters.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            options={
                "maxfun": estimator.max_fun,
                "maxiter": estimator.max_iter,
                "gtol": estimator.tol,
            },
        )
    model.parameters[...] = found.x
    held = penalised * found.x
    penalty = factor / 2 * float(held @ held)
    estimator.loss_ = task.reported(float(found.fun), penalty) + task.offset(y, weights)
    estimator.n_iter_ = min(int(found.nit), estimator.max_iter)
    if estimator.verbose:
        print(f"lbfgs: {estimator.n_iter_} iterations, loss = {estimator.loss_:.8f}")
    if found.status != 0:
        warn(
            f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}): "
            f"{found.message}. Increase max_iter or max_fun, or scale the data.",
            ConvergenceWarning,
        )
