"""L-BFGS, as SciPy has it, on the loss of all rows."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.blas import one_blas_thread
from .._base.dtypes import Network
from .._base.lazy import imports
from .._base.subnormals import flush_subnormals
from .._base.warn import warn
from .._data.dataset import Data
from .._data.row_sources import take
from ..losses import Loss


class LBFGS:
    """``fit(solver="lbfgs")``: Liu & Nocedal, 1989.

    One epoch is one iteration, which may compute the loss several times. It ends by itself when
    neither the loss nor the gradient changes any more.
    """

    name = "lbfgs"

    def check(self, network: Network, loss: Loss) -> None:
        """Raise ImportError without SciPy, ValueError for a network without trained layers."""
        try:
            with imports:
                import scipy.optimize  # noqa: F401
        except ImportError:
            raise ImportError(
                "solver='lbfgs' needs SciPy: pip install 'densecore[solvers]'"
            ) from None
        if not network.trained():
            raise ValueError("solver='lbfgs': found no layer that is trained, wanted at least one")

    def minimize(
        self,
        network: Network,
        loss: Loss,
        data: Data,
        iterations: int,
        begin: Callable[[], None],
        end: Callable[[list[float], list[float]], bool],
    ) -> str:
        """At most `iterations` iterations, see `solvers.Solver`."""
        self.check(network, loss)
        if iterations < 1:
            return ""
        x, y, weight = take(data.x, slice(None)), data.y, data.weight
        made = 0

        def iteration(parameters: Any) -> None:
            nonlocal made
            made += 1
            network.epochs += 1
            going_on = end(network.evaluate(x, y, weight), [])
            if not going_on or made == iterations:
                raise StopIteration
            begin()

        begin()
        # SciPy's own limits of the loss's and the gradient's change end far from the minimum.
        found = minimize(
            network, x, y, weight, callback=iteration, maxiter=iterations,
            maxfun=50 * iterations + 100, ftol=1e-13, gtol=1e-9,
        )  # fmt: skip
        if not np.isfinite(found.fun):
            warn(
                f"solver='lbfgs': the loss is {found.fun}, from where it makes no step: the data, "
                "or the weights, hold such numbers",
                RuntimeWarning,
            )
        return ""


def minimize(
    network: Network,
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
    network
        The core's, compiled.
    x, y, weight
        As of `Model.loss_and_gradients`.
    scale : float, default 1.0
    callback : callable, optional
        Called with the parameters after each iteration; they are in the network then.
        StopIteration ends the search.
    **options
        SciPy's, such as ``maxiter``.

    Returns
    -------
    scipy.optimize.OptimizeResult
        The network has the parameters of the last iteration, also after an exception.
    """
    with imports:
        import scipy.optimize

    # Those that are not trained have no gradient, and so no step.
    accepted = network.parameters.astype(np.float64)

    def objective(p: np.ndarray[Any, Any]) -> tuple[float, Any]:
        network.parameters[:] = p
        loss = network.loss_and_gradients(x, y, weight)
        return scale * loss, scale * network.gradients.astype(np.float64)

    def iteration(p: np.ndarray[Any, Any]) -> None:
        nonlocal accepted
        network.parameters[:] = accepted = p.copy()
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
        network.parameters[:] = accepted
        flush_subnormals(network.parameters)
