"""A network whose rows are on several ranks, as the solvers see one.

Every rank runs the same solver on the same numbers: what a solver asks of all rows, this answers
with sums over the ranks.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .._data.dataset import Batch
from ..distributed.comm import tree_sum
from .shared_rows import Step
from .sharing import Sharing


class SharedNetwork:
    """The core's network, on a rank's part of all rows.

    Parameters
    ----------
    sharing : Sharing
    step : Step
        All rows as one batch.
    """

    def __init__(self, sharing: Sharing, step: Step) -> None:
        vars(self)["_sharing"] = sharing
        vars(self)["_network"] = sharing.network
        vars(self)["_step"] = step
        cuts = step.share.cuts
        vars(self)["_leaves"] = [
            (step.share.leaf + number, slice(begin - cuts[0], end - cuts[0]))
            for number, (begin, end) in enumerate(pairwise(cuts))
        ]
        counts = sharing.group.vector(float(step.share.leaf + len(cuts) - 1))
        vars(self)["_count"] = int(counts.max())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._network, name, value)

    # What there is over all rows ------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """The rows of all ranks."""
        rows: int = self._step.rows
        return rows

    @property
    def weight(self) -> float:
        """The divisor of the sum of all losses."""
        weight: float = self._step.weights[0]
        return weight

    def mean_loss(self, loss: float) -> float:
        """The loss of all rows, from the sum of their losses."""
        step = self._step
        found: float = self._network.mean_loss([loss], step.rows, step.weights, 0.0)
        return found

    def any(self, value: bool) -> bool:
        """Whether it is true on any rank."""
        return bool(self._sharing.group.total(float(value)) > 0)

    def over_leaves(self, values: Any) -> float:
        """The sum over all leaves of a number that `values(rows)` gives for those of one."""
        found = np.zeros(self._count)
        for leaf, rows in self._leaves:
            if rows.stop > rows.start:
                found[leaf] += values(rows)
        self._sharing.group.comm.allreduce_(found)
        return float(tree_sum([np.array(value) for value in found]))

    def add_up(self, own: Array) -> Array:
        """The sum of an array over the ranks."""
        self._sharing.group.settle(own.size, own.dtype)
        self._sharing.group.sum_(own)
        return own

    # As the network does --------------------------------------------------------------------------

    def loss_and_gradients(self, x: Array, y: Array, weight: Array | None) -> float:
        """Over all rows."""
        step, network, sharing = self._step, self._network, self._sharing
        error: BaseException | None = None
        own: list[float] = []
        try:
            batch = Batch(x, y, weight)
            own = sharing.gradient(batch, step.share, step.rows, step.weights)
        except BaseException as raised:
            error = raised
        sharing.reduce(error, False)
        sums = sharing.add_up(own)
        penalty = network.add_penalties(step.rows, step.weights)
        found: float = network.mean_loss(sums, step.rows, step.weights, penalty)
        return found

    def evaluate(self, x: Array, y: Array, weight: Array | None) -> list[float]:
        """The numbers of all rows, as means over them."""
        found = np.zeros((self._count, 1 + len(self._sharing.model.metrics_names)))
        for leaf, rows in self._leaves:
            count = rows.stop - rows.start
            if count > 0:
                own = None if weight is None else weight[rows]
                values = self._network.evaluate(x[rows], y[rows], own)
                found[leaf] = [count, *(count * value for value in values)]
        self._sharing.group.comm.allreduce_(found)
        total = tree_sum(list(found))
        return [float(value) for value in total[1:] / total[0]]

    def normal_equations(
        self, x: Array, y: Array, weight: Array | None, matrix: Array, vector: Array
    ) -> float:
        """Over all rows."""
        waiting: list[tuple[int, Array, Array]] = []  # branches of the tree: leaves, and their sums

        def join() -> None:
            (count, left, short), (more, right, other) = waiting[-2:]
            waiting[-2:] = [(count + more, left + right, short + other)]

        def squares(rows: slice) -> float:
            own = None if weight is None else weight[rows]
            # Zeros: of the matrix only one triangle is filled.
            sums = np.zeros_like(matrix), np.zeros_like(vector)
            found: float = self._network.normal_equations(x[rows], y[rows], own, *sums)
            waiting.append((1, *sums))
            while len(waiting) > 1 and waiting[-1][0] == waiting[-2][0]:
                join()
            return found

        total = self.over_leaves(squares)
        while len(waiting) > 1:
            join()
        matrix[...], vector[...] = waiting[0][1:] if waiting else (-0.0, -0.0)
        self.add_up(matrix.reshape(-1))
        self.add_up(vector)
        return total
