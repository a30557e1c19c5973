"""The progress of a fit, for scikit-learn's callbacks (``sklearn.callback``, from 1.9 on).

The tree of tasks is that of scikit-learn's own estimators: the fit, and in it one task for each
epoch, or for each iteration of lbfgs.
"""

import copy
from typing import Any

from ..callbacks import Callback
from ..callbacks.base import Logs
from ._parameters import Parameters

try:
    from sklearn.callback import CallbackSupportMixin

    CallbackSupport: Any = CallbackSupportMixin
except ImportError:  # an older scikit-learn
    CallbackSupport = type("CallbackSupport", (), {})


class FitContext(Callback):
    """Calls an estimator's callbacks (``set_callbacks``) when a task begins or ends.

    Parameters
    ----------
    estimator : Parameters
        The estimator that is fitted.
    tasks : int
        How many epochs or iterations there may be, at most.
    X, y, sample_weight
        What the fit was given.
    """

    def __init__(
        self, estimator: Parameters, tasks: int, X: Any, y: Any, sample_weight: Any
    ) -> None:
        super().__init__()
        self._estimator: Any = estimator
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._seen = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._name = "epoch" if estimator._takes_batches else "iteration"
        # lbfgs may stop after any iteration, so one more task is announced than will end.
        tasks += estimator.solver == "lbfgs"
        self._fit = self._estimator._init_callback_context(max_subtasks=tasks)
        self._task: Any = None
        self._fit.call_on_fit_task_begin(**self._seen)

    def _state(self) -> dict[str, Any]:
        """The attributes that a copy of the estimator needs to predict as it does now."""
        return {"model_": copy.deepcopy(self._estimator.model_)}

    def begin(self) -> None:
        """An epoch or iteration begins."""
        self._task = self._fit.subcontext(task_name=self._name)
        self._task.call_on_fit_task_begin(**self._seen, reconstruction_attributes=self._state)

    def end(self) -> bool:
        """It has ended; whether a callback wants the fit to stop."""
        stop = self._task.call_on_fit_task_end(**self._seen, reconstruction_attributes=self._state)
        return bool(stop)

    def iteration(self) -> None:
        """An iteration of lbfgs has ended, and the next one begins."""
        if self.end():
            raise StopIteration
        self.begin()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.begin()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.end():
            self.model.stop_training = True

    def finish(self) -> None:
        """The fit has ended."""
        self._fit.call_on_fit_task_end(**self._seen, reconstruction_attributes=dict)


def fit_context(
    estimator: Parameters, tasks: int, X: Any, y: Any, sample_weight: Any
) -> FitContext | None:
    """The reporter for the estimator's callbacks of scikit-learn's; None if it has none."""
    if not hasattr(estimator, "_skl_callbacks"):
        return None
    return FitContext(estimator, tasks, X, y, sample_weight)
