"""Training as a problem of numerical optimization, on all rows at once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.lookup import unknown
from .._base.warn import warn
from .._data.dataset import Data
from .._data.row_sources import take
from ..layers import BatchNormalization, Dropout
from ..losses.function import CallableLoss
from .levenberg_marquardt import LevenbergMarquardt, one_blas_thread

SOLVERS = ("lbfgs", "lm")

# run(model, data, iterations, begin, end): begin and end are called for each iteration.
Run = Callable[
    [Any, Data, int, Callable[[], None], Callable[[list[float], list[float]], bool]], None
]


def resolve(model: Any, given: "str | LevenbergMarquardt") -> Run:
    """What trains, after raising now what it would raise after the data have been prepared.

    Raises
    ------
    ValueError
        The solver is unknown, or the model has a layer whose loss is no function of the parameters,
        or what `LevenbergMarquardt.check` refuses.
    ImportError
        SciPy is not installed, and the solver needs it; the message names the extra.
    """
    if not isinstance(given, str | LevenbergMarquardt):
        raise TypeError(
            f"solver: found {type(given).__name__}, wanted a name ({', '.join(SOLVERS)}) or a "
            "LevenbergMarquardt"
        )
    solver = given if isinstance(given, str) else given.name
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
    if solver == "lm":
        method = LevenbergMarquardt() if isinstance(given, str) else given
        method.check(model)
        return method.run
    try:
        import scipy.optimize  # noqa: F401
    except ImportError:
        raise ImportError(
            f"solver='{solver}' needs SciPy: pip install 'densecore[solvers]'"
        ) from None
    return lbfgs


def minimize(
    model: Any,
    x: Any,
    y: Any,
    weight: Any,
    *,
    scale: float = 1.0,
    callback: Callable[[Any], None] | None = None,
    **options: float,
) -> Any:
    """SciPy's L-BFGS-B on `scale` times the loss of all rows, over the flat parameters.

    Parameters
    ----------
    x, y, weight
        As of `Sequential.loss_and_gradients`.
    callback : callable, optional
        Called with the parameters after each iteration; they are in the model then.
        StopIteration ends the search.
    **options
        SciPy's, such as ``maxiter``.

    Returns
    -------
    scipy.optimize.OptimizeResult
        The model has the parameters of the last iteration, also after an exception.
    """
    import scipy.optimize

    # Those that are not trained have no gradient, and so no step.
    accepted = model.parameters.astype(np.float64)

    def objective(p: np.ndarray[Any, Any]) -> tuple[float, Any]:
        model.parameters[:] = p
        loss = model._network.loss_and_gradients(x, y, weight)
        return scale * loss, scale * model.gradients.astype(np.float64)

    def iteration(p: np.ndarray[Any, Any]) -> None:
        nonlocal accepted
        model.parameters[:] = accepted = p.copy()
        if callback is not None:
            callback(accepted)

    try:
        with one_blas_thread():
            return scipy.optimize.minimize(
                objective, accepted, jac=True, method="L-BFGS-B", callback=iteration,
                options=options,
            )  # fmt: skip
    finally:
        # Where the search stands may be a trial that was no good, or one that was interrupted.
        model.parameters = accepted


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
    if not model._network.trained():
        raise ValueError("solver='lbfgs': found no layer that is trained, wanted at least one")
    if iterations < 1:
        return
    x, y, weight = take(data.x, slice(None)), data.y, data.weight
    made = 0

    def iteration(parameters: Any) -> None:
        nonlocal made
        made += 1
        model._network.epochs += 1
        going_on = end(model._network.evaluate(x, y, weight), [])
        if not going_on or made == iterations:
            raise StopIteration
        begin()

    begin()
    # SciPy's own limits of the loss's and the gradient's change end far from the minimum.
    found = minimize(
        model, x, y, weight, callback=iteration, maxiter=iterations, maxfun=50 * iterations + 100,
        ftol=1e-13, gtol=1e-9,
    )  # fmt: skip
    if not np.isfinite(found.fun):
        warn(
            f"solver='lbfgs': the loss is {found.fun}, from where it makes no step: the data, or "
            "the weights, hold such numbers",
            RuntimeWarning,
        )
