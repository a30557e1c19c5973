"""Training as a problem of numerical optimization, on all rows at once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ._custom_loss import CallableLoss
from ._data import Data
from ._names import unknown
from ._rows import take
from .layers import BatchNormalization, Dropout

SOLVERS = ("lbfgs",)
_MEMORY = 10  # pairs of steps and gradients that the curvature is taken from, as SciPy's default


def check(model: Any, solver: str) -> None:
    """Raise now what `lbfgs` would raise after the data have been prepared.

    Raises
    ------
    ValueError
        The solver is unknown, or the model has a layer whose loss is no function of the parameters.
    ImportError
        SciPy is not installed; the message names the extra.
    """
    if solver not in SOLVERS:
        unknown("solver", solver, SOLVERS)
    if isinstance(model.loss, CallableLoss):
        raise ValueError(f"solver='{solver}': found a loss that is a Python function, wanted one "
                         "of the core's")  # fmt: skip
    for layer in model._all_layers():
        if isinstance(layer, Dropout | BatchNormalization):
            raise ValueError(
                f"solver='{solver}': found the layer {layer.name}, whose output depends on chance "
                "or on earlier steps; wanted a loss that is a function of the parameters alone"
            )
    try:
        import scipy.optimize  # noqa: F401
    except ImportError:
        raise ImportError(
            f"solver='{solver}' needs SciPy: pip install 'densecore[solvers]'"
        ) from None


def lbfgs(
    model: Any,
    data: Data,
    iterations: int,
    begin: Callable[[], None],
    end: Callable[[list[float], list[float]], bool],
) -> None:
    """Minimise the loss of all rows by L-BFGS (Liu & Nocedal, 1989), as SciPy has it.

    One epoch is one iteration, which may look at the loss several times. It ends by itself when
    neither the loss nor the gradient changes any more.
    """
    from scipy.optimize import minimize

    network = model._network
    x, y, weight = take(data.x, slice(None)), data.y, data.weight
    trained = np.zeros(len(model.parameters), bool)
    for array in model.trainable_weights:
        offset = (array.ctypes.data - model.parameters.ctypes.data) // array.itemsize
        trained[offset : offset + array.size] = True
    places = np.flatnonzero(trained)
    made = 0
    accepted = model.parameters[places].astype(np.float64)

    def objective(p: np.ndarray[Any, Any]) -> tuple[float, Any]:
        model.parameters[places] = p
        loss = network.loss_and_gradients(x, y, weight)
        return loss, model.gradients[places].astype(np.float64)

    def iteration(p: np.ndarray[Any, Any]) -> None:
        nonlocal made, accepted
        model.parameters[places] = accepted = p.copy()
        made += 1
        network.epochs += 1
        going_on = end(network.evaluate(x, y, weight), [])
        if not going_on or made == iterations:
            raise StopIteration
        begin()

    if iterations < 1:
        return
    begin()
    # SciPy's own limits of the loss's and the gradient's change end far from the minimum.
    limits = {"maxiter": iterations, "maxcor": _MEMORY, "maxfun": 50 * iterations + 100,
              "ftol": 1e-13, "gtol": 1e-9}  # fmt: skip
    try:
        minimize(
            objective, accepted, jac=True, method="L-BFGS-B", callback=iteration, options=limits
        )
    finally:
        # Where the search stands may be a trial that was no good, or one that was interrupted.
        model.parameters[places] = accepted
