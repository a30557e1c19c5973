"""Ensembles of different architectures that are asked as one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._base.dtypes import Array, Doubles
from ..ensembles.ensemble import Ensemble
from ..ensembles.history import EnsembleHistory
from ..models.model import Model

if TYPE_CHECKING:
    from ..models.frozen import Frozen


class Committee:
    """The members of one or more ensembles, one ensemble after the other.

    Each ensemble looks at as many of the first inputs as it has.

    Parameters
    ----------
    ensembles : sequence of Ensemble
        With the same number of outputs and the same dtype.
    shares : sequence of float, optional
        Of each ensemble in the mean; by default all members count the same.
    """

    def __init__(
        self, ensembles: Sequence[Ensemble], shares: Sequence[float] | None = None
    ) -> None:
        self.ensembles = list(ensembles)
        self.shares = None if shares is None else list(shares)
        if self.shares is not None and len(self.shares) != len(self.ensembles):
            raise ValueError(
                f"shares: found {len(self.shares)}, wanted one for each of the "
                f"{len(self.ensembles)} ensembles"
            )

    def __len__(self) -> int:
        return sum(len(ensemble) for ensemble in self.ensembles)

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``, the same for all members."""
        return self.ensembles[0].dtype

    @property
    def inputs(self) -> int:
        """Columns of the rows that `predict` wants."""
        return max(_inputs(ensemble) for ensemble in self.ensembles)

    @property
    def weights(self) -> list[float] | None:
        """The weight of each member in the mean; None when all are equal."""
        if self.shares is None:
            return None
        return [
            share / len(ensemble)
            for share, ensemble in zip(self.shares, self.ensembles, strict=True)
            for _ in range(len(ensemble))
        ]

    def with_linear(self, model: Model, share: float) -> "Committee":
        """The same with a linear model as a further member."""
        linear = Ensemble(model, 1)
        linear.set_member(0, model)
        shares = self.shares or [len(ensemble) / len(self) for ensemble in self.ensembles]
        return Committee(
            [*self.ensembles, linear], [*((1 - share) * each for each in shares), share]
        )

    def predict(self, x: Array) -> Array:
        """All members' outputs for x (rows, inputs): (members, rows, outputs)."""
        made = [ensemble.predict(x[:, : _inputs(ensemble)]) for ensemble in self.ensembles]
        return made[0] if len(made) == 1 else np.concatenate(made)

    def mean(self, x: Array) -> Doubles:
        """The members' weighted mean (rows, outputs)."""
        if self.shares is None:
            plain: Doubles = self.predict(x).mean(axis=0, dtype=np.float64)
            return plain
        parts = []
        for ensemble, share in zip(self.ensembles, self.shares, strict=True):
            outputs = ensemble.predict(x[:, : _inputs(ensemble)])
            parts.append(outputs.sum(axis=0, dtype=np.float64) * (share / len(outputs)))
        total: Doubles = sum(parts[1:], parts[0])
        return total

    def member(self, number: int) -> Model:
        """A member as a model of its own, of as many of the first inputs as it looks at."""
        for ensemble in self.ensembles:
            if number < len(ensemble):
                return ensemble.member(number)
            number -= len(ensemble)
        raise IndexError(f"member: found a number beyond the {len(self)} members")

    def frozen(self) -> list[tuple[int, int, "Frozen"]]:
        """Each member as a function of a few rows, with the place of its share (0 without shares)
        and the number of columns that it takes."""
        return [
            (0 if self.shares is None else kind, _inputs(ensemble), ensemble.member(i).freeze())
            for kind, ensemble in enumerate(self.ensembles)
            for i in range(len(ensemble))
        ]

    @property
    def history(self) -> EnsembleHistory:
        """The losses of the training, of all members."""
        found = [ensemble.history for ensemble in self.ensembles]
        known = [history for history in found if history is not None]
        first = known[0]
        if len(known) == 1:
            return first
        epochs = max(len(history.epoch) for history in known)

        def all_of(name: str) -> Doubles:
            made = np.full((epochs, len(self)), np.nan)
            at = 0
            for history in known:
                count = history[name].shape[1]
                made[: len(history.epoch), at : at + count] = history[name]
                at += count
            return made[:, :at]

        return EnsembleHistory(
            {name: all_of(name) for name in first.history},
            np.concatenate([history.completed for history in known]),
            None,
            None,
            np.concatenate([history.kept_epochs for history in known]),
        )

    def is_finite(self) -> bool:
        """Whether all parameters are."""
        return all(bool(np.isfinite(ensemble.parameters).all()) for ensemble in self.ensembles)

    def summary(self) -> None:
        """Print the layers of each ensemble."""
        for ensemble in self.ensembles:
            ensemble.summary()


def _inputs(ensemble: Ensemble) -> int:
    return int(ensemble._model.input_shape[1] or 0)
