"""The reports of an ensemble's members, epoch by epoch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.figures import require_pandas
from .._base.warn import warn
from ..callbacks.history import History
from ..metrics import larger_is_better


class EnsembleHistory:
    """The numbers of a training of many networks.

    Attributes
    ----------
    history : dict of str to ndarray (epochs, members)
        ``"loss"``, the metrics, the same with ``val_`` in front. NaN where a member did not get to
        an epoch because the training was interrupted.
    completed : ndarray (members,)
        How many epochs each member got through.
    epoch : list of int
        The epochs' numbers, from 0.
    kept_epochs : ndarray (members,)
        The epoch, from 0, whose parameters each member has: the last one, or its best.
    indices : list of ndarray or None
        The rows that each member was trained on, when they were drawn or given.
    """

    def __init__(
        self,
        history: dict[str, NDArray[np.float64]],
        completed: NDArray[np.int64],
        indices: list[NDArray[np.int64]] | None = None,
        directions: dict[str, bool] | None = None,
        kept_epochs: NDArray[np.int64] | None = None,
    ) -> None:
        self.history = history
        self.completed = completed
        self.kept_epochs = completed - 1 if kept_epochs is None else kept_epochs
        self.indices = indices
        self._directions = directions or {}
        self.epoch = list(range(len(next(iter(history.values())))))

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """A number's values (epochs, members)."""
        if name not in self.history:
            raise KeyError(f"history: unknown number {name!r}; known: {', '.join(self.history)}")
        return self.history[name]

    def member(self, index: int) -> History:
        """One member's numbers, as its own ``fit`` would return them."""
        count = int(self.completed[index])
        shown = {name: numbers[:count, index].tolist() for name, numbers in self.history.items()}
        return History(shown, self.epoch[:count])

    def best(self, name: str | None = None) -> int:
        """The member whose number is best in the last epoch: by default that of ``val_loss``, or
        of ``loss`` without a validation."""
        chosen = name or ("val_loss" if "val_loss" in self.history else "loss")
        last = self[chosen][-1]
        metric = chosen.removeprefix("val_")
        grows = self._directions.get(metric, larger_is_better(chosen))
        worst = -np.inf if grows else np.inf
        ranked = np.where(np.isnan(last), worst, last)
        return int(ranked.argmax() if grows else ranked.argmin())

    def warn_of_divergence(self) -> None:
        """Warn of members whose loss is not finite in an epoch that they got through.

        Warns
        -----
        RuntimeWarning
            There are some; the message has their numbers.
        """
        loss = self["loss"]
        trained = np.arange(len(loss))[:, None] < self.completed
        bad = np.flatnonzero(~(np.isfinite(loss) | ~trained).all(axis=0))
        if bad.size:
            shown = ", ".join(map(str, bad[:10])) + (", …" if bad.size > 10 else "")
            warn(
                f"the loss of {bad.size} of {loss.shape[1]} members is not finite (members "
                f"{shown}): their training has diverged, or the data hold such numbers; a smaller "
                "learning rate may help",
                RuntimeWarning,
            )

    def to_pandas(self) -> Any:
        """A data frame with a row per epoch and member.

        Raises
        ------
        ImportError
            pandas is not installed; the message names the extra.
        """
        pandas = require_pandas()
        members = len(self.completed)
        index = pandas.MultiIndex.from_product(
            [self.epoch, range(members)], names=["epoch", "member"]
        )
        columns = {name: values.reshape(-1) for name, values in self.history.items()}
        return pandas.DataFrame(columns, index=index)

    def __repr__(self) -> str:
        epochs, members = next(iter(self.history.values())).shape
        if epochs == 0:
            return f"EnsembleHistory({members} members, 0 epochs)"
        last = ", ".join(f"{name}={_spread(v[-1])}" for name, v in self.history.items())
        return f"EnsembleHistory({members} members, {epochs} epochs; last: {last})"


def _spread(values: NDArray[np.float64]) -> str:
    there = values[~np.isnan(values)]
    if there.size == 0:
        return "nan"
    return f"{there.mean():.4g} ({there.min():.4g} to {there.max():.4g})"
