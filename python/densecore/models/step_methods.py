"""The methods that a subclass of a model may have: for its loss, its metrics, its steps."""

from typing import Any

import numpy as np

from .._base.lazy import imports
from .._data.batches import parts_of
from .._data.dataset import Batch
from .compiled import Compiled
from .own_steps import ModelLoss, OwnRunningMetrics, leaves_it_to_super


class StepMethods(Compiled):
    """The steps of training and evaluation as methods, for ``super().train_step(data)`` and its
    like."""

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of a batch, without the penalties of weights, which are always added.

        A subclass may have a `compute_loss` of its own, which may call this one.

        Parameters
        ----------
        x, y, y_pred, sample_weight : arrays, optional
            Of the batch; those of several inputs or outputs in their structure.
        training : bool, default True
            Without effect.

        Raises
        ------
        ValueError
            The model is compiled without a loss.
        """
        if y_pred is None:
            raise TypeError("y_pred: found None, wanted the model's outputs")
        if isinstance(y_pred, list | tuple):
            y_pred = np.asarray(y_pred)
        loss = self._compiled_loss()
        own = loss if isinstance(loss, ModelLoss) else ModelLoss(self, loss)
        return own.of_given(y, y_pred, sample_weight)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, float]:
        """The loss and the metrics of the batches so far, this one among them, by their names.

        A subclass may have such a method of its own, which adds to what this one returns.

        Parameters
        ----------
        x, y, y_pred : arrays
        sample_weight : array, optional
        """
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, float]:
        """The loss and the metrics of the batches of the present epoch, by their names."""
        running = vars(self).get("_running")
        found: dict[str, float] = {} if running is None else running.current()
        return found

    def train_step(self, data: Any) -> dict[str, float]:
        """One step of training within `fit`.

        A subclass may have such a method of its own. It changes the batch and ends with
        ``return super().train_step((x, y))``; or it makes the step by `forward`, `backward` and
        `apply_gradients`, of this model or others, and returns a dictionary of numbers.

        Parameters
        ----------
        data : tuple (x, y) or (x, y, sample_weight)

        Returns
        -------
        dict
            The loss and the metrics of the epoch so far, by their names.
        """
        with imports:
            from . import step

        return self._stepped(data, step.take_step)

    def test_step(self, data: Any) -> dict[str, float]:
        """One step of evaluation, likewise.

        Parameters
        ----------
        data : tuple (x, y) or (x, y, sample_weight)
        """
        with imports:
            from . import step

        return self._stepped(data, step.test_batch)

    def _stepped(self, data: Any, take: Any) -> dict[str, float]:
        running = vars(self).get("_running")
        if not isinstance(running, OwnRunningMetrics):
            raise RuntimeError(
                "train_step, test_step: found a call outside of fit and evaluate, wanted "
                "train_on_batch or test_on_batch"
            )
        x, y, weight = (*parts_of(data), None, None)[:3]
        take(self, self._data(x, y, weight).batch(), running)
        running.stepped = True
        return running.current() if running.logs is None else dict(running.logs)

    def _by_own_step(self, name: str, batch: Batch, running: Any) -> None:
        """Let a method of the user's make the step of a batch."""
        loss = self._loss
        assert isinstance(loss, ModelLoss)
        x: Any = self._like_x(batch.x)
        data = (x, loss.targets(batch.y))
        running.stepped = False
        logs = getattr(self, name)(data if batch.weight is None else (*data, batch.weight))
        if not running.stepped and leaves_it_to_super(getattr(self, name)):
            raise TypeError(
                f"class {type(self).__name__}: found a {name} that makes no step, wanted "
                f"super().{name}((x, y)) in it; other steps are model.forward, model.backward, "
                "model.apply_gradients (see the page on own loops)"
            )
        running.note(logs)
