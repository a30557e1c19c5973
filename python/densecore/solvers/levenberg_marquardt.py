"""Levenberg–Marquardt: damped Gauss–Newton steps for losses that are sums of squares."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import checks
from .._base.blas import one_blas_thread
from .._base.dtypes import Network
from .._base.lazy import imports
from .._base.lookup import unknown
from .._base.warn import warn
from .._data.dataset import Data
from .._data.row_sources import take
from ..losses import Loss

Vector = np.ndarray[Any, Any]
_STEPS = ("geodesic", "plain")
# A geodesic step bends by no more than this share of its length (Transtrum & Sethna, 2012).
_MOST_BENT = 0.75
_BLOCK = 4096  # rows whose second derivatives are held at once


class LevenbergMarquardt:
    r"""``fit(solver=...)`` for mean squared errors: few, dear steps, far beyond what Adam reaches.

    An iteration solves :math:`(J^T W J + \mu I) v = -J^T W r` with the Jacobian J of all residuals
    r by all parameters, and raises or lowers the damping µ until the loss falls. It needs memory
    for parameters², and time for rows · outputs · parameters². Best in float64.

    Parameters
    ----------
    steps : {"geodesic", "plain"}, default "geodesic"
        "geodesic" bends each step along the curvature of the residuals, whose exact second
        derivative costs little beside J.
    damping : float, default 0.001
        µ before the first step, as a share of the largest element of JᵀWJ's diagonal.
    ftol : float, default 1e-12
        Stops when a step lowers the loss by less than this share, and was expected to.
    xtol : float, default 1e-12
        Stops when a step is shorter than this share of the parameters' norm.
    gtol : float, default 1e-10
        Stops when the residuals' cosine with every column of J is below it.
    memory_limit : int, default 2**31
        Bytes for the two matrices of parameters²; a model that needs more is refused.

    Notes
    -----
    Levenberg, 1944; Marquardt, 1963. µ follows the ratio of the loss's true fall to the expected
    one (Nielsen, *Damping parameter in Marquardt's method*, 1999). The geodesic correction is
    a = -½ (JᵀWJ + µI)⁻¹ JᵀW r'', with r'' along v (Transtrum & Sethna, 2012, arXiv:1201.5885); a
    step that it would bend too much is damped more instead.

    The rows of J are made and used in blocks, in the core, and with the products always in float64;
    SciPy's Cholesky is used when SciPy is there, else NumPy's.

    Examples
    --------
    >>> import densecore as dc
    >>> dc.solvers.LevenbergMarquardt(steps="plain", ftol=1e-6)
    LevenbergMarquardt(steps='plain', damping=0.001, ftol=1e-06, xtol=1e-12, gtol=1e-10)
    """

    name = "lm"

    def __init__(
        self,
        steps: str = "geodesic",
        *,
        damping: float = 1e-3,
        ftol: float = 1e-12,
        xtol: float = 1e-12,
        gtol: float = 1e-10,
        memory_limit: int = 2**31,
    ) -> None:
        if steps not in _STEPS:
            unknown("steps", steps, _STEPS)
        self.steps = steps
        self.damping = checks.number("damping", damping, above=0)
        self.ftol = checks.number("ftol", ftol, least=0)
        self.xtol = checks.number("xtol", xtol, least=0)
        self.gtol = checks.number("gtol", gtol, least=0)
        self.memory_limit = int(checks.number("memory_limit", memory_limit, least=0))

    def __repr__(self) -> str:
        return (f"LevenbergMarquardt(steps={self.steps!r}, damping={self.damping:g}, "
                f"ftol={self.ftol:g}, xtol={self.xtol:g}, gtol={self.gtol:g})")  # fmt: skip

    def check(self, network: Network, loss: Loss) -> None:
        """Raise for a model or data that cannot be trained so, before anything is computed.

        Raises
        ------
        ValueError
            The loss is no sum of squares, a penalty is of l1, or the matrices are too large.
        """
        if loss.kind != "mean_squared_error":
            raise ValueError(
                f"solver='lm': found the loss '{loss.kind}', wanted 'mean_squared_error': it "
                "solves sums of squares only"
            )
        blocks = network.trained()
        if any(l1 for _, _, l1, _ in blocks):
            raise ValueError("solver='lm': found an l1 penalty, wanted none, or l2: squares only")
        count = sum(end - begin for begin, end, _, _ in blocks)
        if count == 0:
            raise ValueError("solver='lm': found no layer that is trained, wanted at least one")
        if 16 * count**2 > self.memory_limit:
            raise ValueError(
                f"solver='lm': found {count} parameters, whose two matrices take "
                f"{16 * count**2 / 2**20:,.0f} MiB, wanted at most memory_limit = "
                f"{self.memory_limit / 2**20:,.0f} MiB: use 'lbfgs', a smaller network, or "
                "solvers.LevenbergMarquardt(memory_limit=...)"
            )
        if self.steps == "geodesic":
            # Second derivatives along a zero vector: raises for an activation that has none.
            row = np.zeros((1, network.inputs), network.parameters.dtype)
            network.jets_forward(row, None, np.zeros_like(network.parameters), 2)

    def minimize(
        self,
        network: Network,
        loss: Loss,
        data: Data,
        iterations: int,
        begin: Callable[[], None],
        end: Callable[[list[float], list[float]], bool],
    ) -> str:
        """At most `iterations` steps, each an epoch; see `solvers.Solver`."""
        self.check(network, loss)
        if iterations < 1:
            return ""
        problem = _Problem(network, loss, data)
        try:
            with one_blas_thread():
                return f"solver='lm': {self._iterate(network, problem, iterations, begin, end)}"
        finally:
            # The search may have ended at a trial that was rejected, or was interrupted there.
            problem.restore()

    def _iterate(
        self,
        network: Network,
        problem: "_Problem",
        iterations: int,
        begin: Callable[[], None],
        end: Callable[[list[float], list[float]], bool],
    ) -> str:
        """Why it stopped."""
        damping, growth = 0.0, 2.0
        for iteration in range(iterations):
            cost = problem.linearize()
            if not math.isfinite(cost):
                message = "the loss is not finite"
                warn(f"solver='lm': {message}: the data, or the weights, hold such numbers",
                     RuntimeWarning)  # fmt: skip
                return message
            if problem.cosine() <= self.gtol:
                return "gtol: the residuals are orthogonal to J"
            begin()
            if iteration == 0:
                damping = self.damping * float(problem.diagonal().max())
            reason = ""
            while True:
                found = self._step(problem, damping)
                if found is None:
                    damping, growth = damping * growth, growth * 2
                    continue
                step, expected = found
                size = float(np.linalg.norm(step))
                reached = problem.reached(step)
                fall = cost - reached
                ratio = fall / expected if expected > 0 and math.isfinite(reached) else -1.0
                least = self.xtol * (self.xtol + float(np.linalg.norm(problem.accepted)))
                if ratio > 0:
                    damping *= max(1 / 3, 1 - (2 * min(ratio, 1.0) - 1) ** 3)
                    growth = 2.0
                    problem.accept()
                    if max(fall, expected) <= self.ftol * cost:
                        reason = "ftol: the loss does not fall any more"
                    elif size <= least:
                        reason = "xtol: the steps have become too short"
                    break
                damping, growth = damping * growth, growth * 2
                if size <= least or not math.isfinite(damping):
                    reason = "xtol: no step, however short, lowers the loss"
                    break
            problem.restore()
            network.epochs += 1
            going_on = end(problem.values(), [])
            if reason:
                return reason
            if not going_on:
                return "a callback stopped it"
        return "all epochs were made"

    def _step(self, problem: "_Problem", damping: float) -> tuple[Vector, float] | None:
        """A step and the expected fall of the cost; None when the damping is too small for it."""
        solve = problem.factorized(damping)
        if solve is None:
            return None
        step = solve(-problem.gradient)
        expected = 0.5 * float(step @ (damping * step - problem.gradient))
        if self.steps == "geodesic":
            bent = solve(-problem.curvature(step))
            if 2 * np.linalg.norm(bent) > _MOST_BENT * np.linalg.norm(step):
                return None
            step = step + 0.5 * bent
        return step, expected


class _Problem:
    """½ Σ w (a - y)² plus penalties as a function of the trained parameters, a float64 vector."""

    def __init__(self, network: Network, loss: Loss, data: Data) -> None:
        self._network = network
        self._x, self._y, self._weight = take(data.x, slice(None)), data.y, data.weight
        # Where ranks share the rows: the network that adds up their sums.
        self._ranks: Any = None
        if hasattr(network, "over_leaves"):
            self._ranks = network
        blocks = self._network.trained()
        self._where = np.concatenate([np.arange(begin, end) for begin, end, _, _ in blocks])
        self.count = len(self._where)
        rows, outputs = self._y.shape
        # The network's loss is `_per_square` Σ w r² + Σ l2 p².
        if self._ranks is None:
            factor = loss.row_factor(self._weight, rows, outputs)
        else:
            factor = self._ranks.mean_loss(1.0)
        self._per_square = factor / outputs or 1.0
        sizes = [end - begin for begin, end, _, _ in blocks]
        self._l2 = np.repeat([l2 for _, _, _, l2 in blocks], sizes) / self._per_square
        self._matrix = np.empty((self.count, self.count))
        self._damped = np.empty_like(self._matrix)
        self.gradient = np.empty(self.count)
        self._out = np.empty_like(self._y)
        self._factorize = _cholesky()
        self.accepted = self._current()

    def _current(self) -> Vector:
        return np.asarray(self._network.parameters[self._where], np.float64)

    def linearize(self) -> float:
        """The cost at the network's parameters; sets `gradient` and the Gauss–Newton matrix."""
        self.accepted = self._current()
        squares: float = self._network.normal_equations(
            self._x, self._y, self._weight, self._matrix, self.gradient
        )
        self.gradient += self._l2 * self.accepted
        diagonal = self.diagonal()
        diagonal += self._l2
        self._squares = squares + float(self._l2 @ self.accepted**2)
        return 0.5 * self._squares

    def diagonal(self) -> Vector:
        return self._matrix.reshape(-1)[:: self.count + 1]

    def cosine(self) -> float:
        """Largest cosine between the residuals (those of penalties, too) and a column of J."""
        lengths = np.sqrt(self.diagonal() * self._squares)
        moving = lengths > 0
        if not moving.any():
            return 0.0
        return float(np.max(np.abs(self.gradient[moving]) / lengths[moving]))

    def factorized(self, damping: float) -> Callable[[Vector], Vector] | None:
        np.copyto(self._damped, self._matrix)
        self._damped.reshape(-1)[:: self.count + 1] += damping
        return self._factorize(self._damped)

    def curvature(self, step: Vector) -> Vector:
        """JᵀW r'' along the step."""
        along = np.zeros_like(self._network.parameters)
        along[self._where] = step
        total = np.zeros(self.count)
        for begin in range(0, len(self._x), _BLOCK):
            rows = slice(begin, begin + _BLOCK)
            x = self._x[rows]
            second = self._network.jets_forward(x, None, along, 2)[2]
            if self._weight is not None:
                second *= self._weight[rows, None]
            self._network.forward(x, None, False)
            self._network.backward(second, False)
            total += self._network.gradients[self._where]
        return total if self._ranks is None else self._ranks.add_up(total)

    def reached(self, step: Vector) -> float:
        """The cost of a trial, which the network's parameters are then."""
        self._network.parameters[self._where] = self.accepted + step
        trial = self._current()
        self._network.predict(self._x, self._out)
        with np.errstate(over="ignore", invalid="ignore"):
            squares: Vector = np.square(np.subtract(self._out, self._y, dtype=np.float64))
            if self._weight is not None:
                squares *= self._weight[:, None]
            if self._ranks is None:
                total = float(squares.sum())
            else:
                total = self._ranks.over_leaves(lambda rows: float(squares[rows].sum()))
            return 0.5 * (total + float(self._l2 @ trial**2))

    def accept(self) -> None:
        self.accepted = self._current()

    def restore(self) -> None:
        self._network.parameters[self._where] = self.accepted

    def values(self) -> list[float]:
        """Loss and metrics, as of any epoch."""
        values: list[float] = self._network.evaluate(self._x, self._y, self._weight)
        return values


def _cholesky() -> Callable[[Vector], Callable[[Vector], Vector] | None]:
    """Takes a matrix, of which it reads the lower triangle and which it may overwrite.

    Returns what solves with it, or None when it is not positive definite.
    """
    try:
        with imports:
            from scipy.linalg.lapack import dpotrf, dpotrs
    except ImportError:

        def factorize(matrix: Vector) -> Callable[[Vector], Vector] | None:
            try:
                lower = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                return None
            return lambda b: np.linalg.solve(lower.T, np.linalg.solve(lower, b))

        return factorize

    def factorize_by_lapack(matrix: Vector) -> Callable[[Vector], Vector] | None:
        # LAPACK's columns are our rows: its upper triangle is our lower one.
        upper, failed = dpotrf(matrix.T, lower=0, clean=0, overwrite_a=1)
        return None if failed else lambda b: dpotrs(upper, b, lower=0)[0]

    return factorize_by_lapack
