"""The moving average of the weights in the model's place, while it is evaluated."""

from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from ..optimizers.by_hand import places_of
from .base import Callback, Logs


class SwapEMAWeights(Callback):
    """Evaluate and predict with the moving average that an optimizer with ``use_ema=True`` keeps.

    The model has the average during an evaluation or prediction with this callback, those of `fit`
    among them, and its weights again after it.

    Parameters
    ----------
    swap_on_epoch : bool, default False
        Whether it also has the average from the end of an epoch to the beginning of the next, for
        callbacks that come later, such as a `ModelCheckpoint`.

    Raises
    ------
    ValueError
        When training begins: the optimizer keeps no average.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = checks.flag("SwapEMAWeights: swap_on_epoch", swap_on_epoch)
        self._weights: list[Array] | None = None  # while the model has the average

    def _check(self) -> None:
        if not self.model._compiled_optimizer().use_ema:
            raise ValueError("SwapEMAWeights: found an optimizer without use_ema=True, wanted one "
                             "that keeps an average")  # fmt: skip

    def _put(self, average: bool) -> None:
        """Let the model have the average, or its weights back."""
        network = self.model._network
        if average == (self._weights is not None) or network.steps == 0:  # else there is none yet
            return
        places = places_of(network, self.model.trainable_weights) or []
        if self._weights is None:
            kept = network.optimizer_states()["average"]
            self._weights = [network.parameters[place].copy() for place in places]
            for place in places:
                network.parameters[place] = kept[place]
        else:
            for place, weights in zip(places, self._weights, strict=True):
                network.parameters[place] = weights
            self._weights = None

    def get_state(self) -> dict[str, Any]:
        """The weights, while the model has the average: a backup holds the model as it is then."""
        return {"weights": self._weights}

    def set_state(self, state: dict[str, Any]) -> None:
        """Know the weights that the next epoch goes on with.

        Raises
        ------
        TypeError, ValueError
            They are not those of the model: the backup is damaged.
        """
        weights = state["weights"]
        if weights is not None:
            wanted = [weight.size for weight in self.model.trainable_weights]
            found = [np.size(one) for one in checks.listed("weights", weights, "arrays")]
            if found != wanted:
                raise ValueError(f"weights: found arrays of {found} numbers, wanted {wanted}")
        self._weights = weights

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Refuse an optimizer without an average."""
        self._check()
        self._weights = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Train the weights, not the average."""
        self._put(False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """With `swap_on_epoch`, let later callbacks see the average."""
        if self.swap_on_epoch:
            self._put(True)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """The model keeps the average, as `fit` leaves it with ``use_ema``."""
        self._weights = None

    def _release(self) -> None:
        """The weights come back also when a training, evaluation or prediction is broken off."""
        if self.model is not None and self._weights is not None:
            self._put(False)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Evaluate with the average."""
        self._check()
        self._put(True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Go back to the weights."""
        self._put(False)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Predict with the average."""
        self._check()
        self._put(True)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Go back to the weights."""
        self._put(False)
