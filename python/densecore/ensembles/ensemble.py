"""Ensemble: many networks of one architecture, trained side by side."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import losses, optimizers
from .._base import checks
from .._base.dtypes import Array
from ..callbacks.progress import check_verbose
from ..losses.function import custom_loss
from ..metrics import get_all
from ..models.heads import HeadsLoss, heads_of
from ..models.model import Model
from . import serialization
from .dataset import MembersData, chosen_rows, with_validation
from .elsewhere import train as train_elsewhere
from .elsewhere import train_by_ranks
from .history import EnsembleHistory
from .jobs import Job, Log, best_epoch
from .members import MAX_NUMBERS, member_count
from .predictions import Predictions
from .progress import watched
from .structures import batch_of, is_structured

AnyOptimizer = str | optimizers.Optimizer


class Ensemble(Predictions):
    """Many networks of one architecture, trained side by side.

    Member i has the same bits, to the last one, as an ordinary model that is built with
    ``seeds[i]``, compiled with optimizer i and fitted alone. All members' whole epochs run in the
    core, on all threads: no member waits for another. Networks of up to 16 units a layer that learn
    from single rows by plain descent or Adam share vectors, a network per lane.

    Parameters
    ----------
    model : Model
        The architecture; its weights are not used. If it is compiled, the ensemble is too.
    n : int, optional
        How many members; by default as many as there are seeds, optimizers or learning rates.
    seeds : sequence of int, optional
        Of initial weights, shuffles and dropout masks; by default the model's seed and those that
        follow it.
    optimizers : str, Optimizer or a sequence of n of them, optional
        Instead of the one that the model is compiled with. Every member gets a copy of its own.
    learning_rates : sequence of n, optional
        Each member's, in place of its optimizer's.
    name : str, optional

    Attributes
    ----------
    optimizers : list of Optimizer
        As compiled. Settings may be changed at any time.
    history : EnsembleHistory or None
        Of the last call of ``fit``.

    Raises
    ------
    ValueError, TypeError
        Something that is not a model, a layer or a loss that is a Python function, or
        unequal numbers of seeds, optimizers and learning rates.

    Examples
    --------
    >>> import densecore as dc
    >>> model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(1)], seed=0)
    >>> len(dc.Ensemble(model, 100))
    100
    """

    def __init__(
        self,
        model: Model,
        n: int | None = None,
        seeds: Sequence[int] | None = None,
        optimizers: AnyOptimizer | Sequence[AnyOptimizer] | None = None,
        *,
        learning_rates: Sequence[Any] | None = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"model: found {type(model).__name__}, wanted a model")
        count = member_count(n, seeds=seeds, optimizers=optimizers, learning_rates=learning_rates)
        if seeds is None:
            seeds = [model.seed + i for i in range(count)]
        super().__init__(model, [checks.seed(seed) for seed in seeds], name)
        if model.loss is not None and not model.loss.in_core:
            raise TypeError(
                "Ensemble: found a loss that is a Python function, wanted one of densecore.losses"
            )
        if model.loss is not None:
            chosen = model.optimizer if optimizers is None else optimizers
            assert chosen is not None
            self.compile(
                chosen,
                model.loss,
                list(model._metrics),
                list(model._weighted_metrics),
                learning_rates=learning_rates,
            )
        elif optimizers is not None or learning_rates is not None:
            raise ValueError(
                "optimizers: found some for a model that is not compiled: compile the model, or "
                "call Ensemble.compile(optimizer, loss)"
            )

    # Training -----------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: AnyOptimizer | Sequence[AnyOptimizer] = "adam",
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        weighted_metrics: Sequence[Any] | None = None,
        *,
        loss_weights: Any = None,
        learning_rates: Sequence[Any] | None = None,
    ) -> None:
        """Choose what training minimises, and how, as `Model.compile` does.

        Parameters
        ----------
        optimizer : str, Optimizer, or a sequence of n of them, default "adam"
            One for all members, or one for each.
        loss
            As for `Model.compile`, but no Python function.
        metrics, weighted_metrics, loss_weights
            As for `Model.compile`.
        learning_rates : sequence of n, optional
            Each member's, in place of its optimizer's.

        Raises
        ------
        ValueError, TypeError
            An unknown name, a metric that does not suit the loss, another number of optimizers than
            of members, or a loss that is a Python function.
        """
        if loss is None:
            raise ValueError(f"compile: found no loss, wanted one of {', '.join(losses.names())}")
        names, outputs = self._model._head_names, self._model._head_outputs
        several = len(names) > 1
        chosen: losses.Loss
        if isinstance(loss, HeadsLoss):
            chosen = loss
        elif several:
            chosen = heads_of(names, outputs, loss, loss_weights, metrics, weighted_metrics)
            metrics = weighted_metrics = None
        elif loss_weights is not None:
            raise TypeError("loss_weights: found some for a model of one output, wanted None")
        else:
            chosen = custom_loss(loss) or losses.get(loss)
        if not chosen.in_core:
            raise TypeError(
                "loss: found a Python function, wanted one of densecore.losses: members are "
                "trained in the core"
            )
        members = serialization.copies(optimizer, learning_rates, len(self))
        chosen.check_trainable()
        plain, weighted = (
            get_all("metrics", metrics),
            get_all("weighted_metrics", weighted_metrics),
        )
        model = self._model
        with self._core.reserved():
            before = (model.loss, model._metrics, model._weighted_metrics)
            try:
                model._loss, model._metrics, model._weighted_metrics = chosen, plain, weighted
                self._compile(members)
            except BaseException:
                model._loss, model._metrics, model._weighted_metrics = before
                raise

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        *,
        indices: Any = None,
        bootstrap: bool = False,
        validation_indices: Any = None,
        restore_best_weights: bool = False,
        monitor: str = "val_loss",
        patience: int | None = None,
        on_progress: Callable[[float], None] | None = None,
        executor: Any = None,
        log: str | os.PathLike[str] | Log | None = None,
        comm: Any = None,
    ) -> EnsembleHistory:
        """Train all members for a number of epochs.

        Parameters
        ----------
        x, y : array_like
            Arrays for all members, as for `Sequential.fit`; or a list with an array for each, or
            one of a dimension more, x (members, rows, features).
        sample_weight : array_like, optional
            In the same forms.
        batch_size : int, optional
            Rows per step, by default 32.
        epochs : int, default 1
        verbose : {"auto", 0, 1}, default "auto"
            1, also "auto", prints a line when all are trained.
        validation_split : float, default 0.0
            The share of each member's last rows that is held out.
        validation_data : tuple (x, y) or (x, y, sample_weight), or "rest", optional
            Evaluated after each epoch; for all, or for each. "rest": the rows of x that a member
            is not trained on, with `indices` or `bootstrap`.
        shuffle : bool, default True
            Whether each member has, in each epoch, an order of its own, which follows from its
            seed.
        class_weight : dict, optional
            Class number → factor of its rows' weights in training, not of those that are held out.
        indices : sequence of n arrays, or array (members, rows), optional
            The rows of x and y that each member is trained on, by their numbers, or a mask.
        bootstrap : bool, default False
            Whether each member is trained on as many rows as there are, drawn with replacement;
            which, follows from its seed: ``history.indices``.
        validation_indices : sequence of n arrays, optional
            The rows of x and y to validate each member on.
        restore_best_weights : bool, default False
            Whether each member ends with the parameters of its own best epoch, of equally good
            ones the last: ``history.kept_epochs``. Optimizer states are those of the last epoch.
        monitor : str, default "val_loss"
            The number of the validation that says which epoch is best.
        patience : int, optional
            With `restore_best_weights`: a member's training stops after so many epochs without a
            better one.
        on_progress : callable, optional
            Called with the share of all epochs that are done, from another thread, several times a
            second while the members are trained.
        executor : optional
            Trains groups of members in other processes or on other machines, with the same bits:
            an executor of ``concurrent.futures``, ``mpi4py.futures``, loky or Dask
            (``client.get_executor()``), or the module ``ray``.
        log : path, optional
            A file with a line for each member that is trained, made when it is missing. The numbers
            of members that are in it are taken from there, without their weights: what `sweep` and
            `cross_validate` need.
        comm : communicator, optional
            Ranks, as of `Sequential.fit`, that all make this call with the same arguments: each
            trains a share of the members, and afterwards all have all of them. The bits are those
            of one process for any number of ranks.

        Returns
        -------
        EnsembleHistory
            ``history.history["loss"]`` etc.: arrays (epochs, members).

        Raises
        ------
        ValueError, TypeError
            Before anything is trained, naming the argument, what was found and what is wanted.
        KeyboardInterrupt
            On Ctrl-C, within 100 ms: every member is as after its last whole step.

        Warns
        -----
        RuntimeWarning
            Some members' loss is not finite.
        """
        epochs = checks.integer("epochs", epochs, 0)
        size = min(checks.optional("batch_size", batch_size) or 32, 2**62)
        check_verbose(verbose)
        shuffle = checks.flag("shuffle", shuffle)
        bootstrap = checks.flag("bootstrap", bootstrap)
        restore_best_weights = checks.flag("restore_best_weights", restore_best_weights)
        validation_split = checks.number("validation_split", validation_split, least=0, below=1)
        if on_progress is not None and not callable(on_progress):
            raise TypeError(f"on_progress: found {checks.shown(on_progress)}, wanted a callable")
        if comm is not None and (executor is not None or log is not None):
            raise ValueError("comm: found an executor or a log besides, wanted one of them")
        data = plain = self._read(x, y, sample_weight, class_weight)
        if class_weight is not None:  # as in Keras it counts in training only
            plain = plain.with_weight(self._read(x, y, sample_weight).weight)
        rows = chosen_rows(self.seeds, indices, bootstrap, data)
        training, validation = with_validation(
            data.with_rows(rows),
            plain.with_rows(rows),
            len(self),
            validation_split,
            validation_data,
            validation_indices,
            self._read,
        )
        names = self.metrics_names
        best = best_epoch(self, restore_best_weights, monitor, patience, validation is not None)
        if validation is not None:
            names = names + ["val_" + name for name in names]
        most = MAX_NUMBERS // (len(names) * len(self))
        if epochs > most:
            raise ValueError(
                f"epochs: found {epochs}, wanted at most {most} for {len(self)} members and "
                f"{len(names)} numbers of each epoch, which are all kept"
            )
        start = time.perf_counter()
        job = Job(epochs, size, shuffle, best, names)
        if log is not None and not isinstance(log, Log):
            log = Log(log)
        with self._core.reserved():
            if comm is not None:
                report, kept, completed = train_by_ranks(self, training, validation, job, comm)
                self._keep_history(training, job, report, completed, kept)
            elif executor is None and log is None:
                self._train_here(training, validation, job, on_progress)
            else:
                report, kept, completed = train_elsewhere(
                    self, training, validation, job, executor, log, on_progress
                )
                self._keep_history(training, job, report, completed, kept)
        assert self.history is not None
        self.history.warn_of_divergence()
        if verbose != 0:
            said = repr(self.history).removeprefix("EnsembleHistory(")[:-1]
            print(f"{said} - {time.perf_counter() - start:.1f}s")
        return self.history

    def _train_here(
        self,
        training: MembersData,
        validation: MembersData | None,
        job: Job,
        on_progress: Callable[[float], None] | None,
    ) -> None:
        kept: NDArray[np.int64] | None = None
        report = np.full((job.epochs, len(job.names), len(self)), np.nan)
        before = np.array(self.progress["epochs"])
        try:
            with watched(on_progress, report[:, 0]):
                kept = self._core.fit(
                    training.core(),
                    None if validation is None else validation.core(),
                    job.epochs,
                    job.batch_size,
                    job.shuffle,
                    report,
                    job.best,
                )
            self._core.finish_training()
        finally:
            completed = np.array(self.progress["epochs"]) - before
            self._keep_history(training, job, report, completed, kept)

    def _keep_history(
        self,
        training: MembersData,
        job: Job,
        report: NDArray[np.float64],
        completed: NDArray[np.int64],
        kept: NDArray[np.int64] | None,
    ) -> None:
        numbers = {name: report[:, i] for i, name in enumerate(job.names)}
        if kept is None:
            kept = completed - 1
        directions = self._model._directions
        self.history = EnsembleHistory(numbers, completed, training.rows, directions, kept)

    def train_on_batch(
        self, x: Array, y: Array, sample_weight: Array | None = None
    ) -> NDArray[np.float64]:
        """One step of every member; the arrays are used where they lie.

        Parameters
        ----------
        x : ndarray (rows, features), or (members, rows, features), of the model's dtype
        y : ndarray (rows, outputs) or (members, rows, outputs) of the model's dtype; or class
            numbers (rows,) or (members, rows), int32 or int64
        sample_weight : ndarray (rows,) or (members, rows) of the model's dtype, optional

        Returns
        -------
        ndarray (members,)
            The losses before the update.

        Raises
        ------
        TypeError, ValueError
            An array that cannot be used without a copy; the message says what is wanted.
        """
        if is_structured(self._model):
            return self._core.train_on_batch(*batch_of(self._read(x, y, sample_weight)))
        return self._core.train_on_batch(x, y, sample_weight)

    # Members and files --------------------------------------------------------------------------

    def member(self, index: int) -> Model:
        """A copy of a member as an ordinary model, with its optimizer's state: its training goes
        on with the same bits."""
        with self._core.reserved():
            return serialization.model_of(self, self._checked(index))

    def set_member(self, index: int, model: Model) -> None:
        """Put a model's weights in a member's place; of a compiled one that was made by `member`
        also its optimizer, with its state.

        Raises
        ------
        ValueError
            The model has another architecture.
        """
        if not isinstance(model, Model):
            raise TypeError(f"model: found {type(model).__name__}, wanted a model")
        with self._core.reserved(), model._reserved(reading=True):
            serialization.take_over(self, self._checked(index), model)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all members, their optimizers' states and counters to one safetensors file."""
        with self._core.reserved():
            serialization.write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an ensemble that `save` wrote; training goes on where it stopped.

        Raises
        ------
        OSError
            The file cannot be read.
        ValueError
            It is not an ensemble, or damaged.
        """
        ensemble = cls.__new__(cls)
        serialization.read_into(ensemble, path)
        return ensemble

    def __getstate__(self) -> dict[str, Any]:
        with self._core.reserved():
            return serialization.state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        serialization.restore(self, state)
