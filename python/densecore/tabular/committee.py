"""Ensembles of different architectures that are asked as one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ensembles.ensemble import Ensemble
from ..ensembles.history import EnsembleHistory


class Committee:
    """The members of one or more ensembles, one ensemble after the other.

    Each ensemble looks at as many of the first inputs as it has.

    Parameters
    ----------
    ensembles : sequence of Ensemble
        With the same number of outputs and the same dtype.
    """

    def __init__(self, ensembles: Sequence[Ensemble]) -> None:
        self.ensembles = list(ensembles)

    def __len__(self) -> int:
        return sum(len(ensemble) for ensemble in self.ensembles)

    @property
    def dtype(self) -> str:
        return self.ensembles[0].dtype

    @property
    def inputs(self) -> int:
        """Columns of the rows that `predict` wants."""
        return max(_inputs(ensemble) for ensemble in self.ensembles)

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """All members' outputs for x (rows, inputs): (members, rows, outputs)."""
        made = [ensemble.predict(x[:, : _inputs(ensemble)]) for ensemble in self.ensembles]
        return made[0] if len(made) == 1 else np.concatenate(made)

    def member(self, number: int) -> Any:
        """A member as a model of its own, of as many of the first inputs as it looks at."""
        for ensemble in self.ensembles:
            if number < len(ensemble):
                return ensemble.member(number)
            number -= len(ensemble)
        raise IndexError(f"member: found a number beyond the {len(self)} members")

    def frozen(self) -> list[tuple[int, Any]]:
        """Each member as a function of a few rows, and the number of columns that it takes."""
        return [
            (_inputs(ensemble), ensemble.member(i).freeze())
            for ensemble in self.ensembles
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
        return EnsembleHistory(
            {name: np.concatenate([h[name] for h in known], axis=1) for name in first.history},
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
