"""Several networks in one estimator: ``n_members``.

Members are trained side by side in threads, each by the same calls as an estimator of its own, so
that each has the bits of one. `densecore.Ensemble` trains members in the core for a number of
epochs that is known beforehand, on batches that it draws; scikit-learn's rules ask for each
member's own loss after each epoch, its own order of rows, and a penalty by the batch's weight. As
epochs run without the GIL, threads lose nothing to it but the time between epochs.
"""

import math
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import numpy as np
from sklearn.utils import check_random_state

from .._base.dtypes import Doubles
from .._base.warn import warn
from ..config import get_num_threads
from ._parameters import Parameters
from ._solvers import finish, run
from ._training import Training


def seeds(parameters: Parameters) -> list[int]:
    """The random state of each member."""
    state = check_random_state(parameters.random_state)
    found: list[int] = state.randint(np.iinfo(np.int32).max, size=parameters.n_members).tolist()
    return found


def drawn_weights(member: Parameters, weights: Doubles | None, rows: int) -> Doubles:
    """Weights by a draw of rows with replacement: how often a row is drawn, times its weight.

    All rows are there, so that every member knows all classes.
    """
    drawn = check_random_state(member.random_state).randint(rows, size=rows)
    counts = np.bincount(drawn, minlength=rows).astype(np.float64)
    return counts if weights is None else counts * weights


def workers(parameters: Parameters, callbacks: object) -> int:
    """How many members can be trained at a time.

    One, where they would call the same Python object, print, or limit BLAS's threads (as lbfgs
    and lm do, for the whole process).
    """
    assert parameters.n_members is not None
    shared = callbacks is not None or callable(parameters.early_stopping_metric)
    shared = shared or hasattr(parameters, "_skl_callbacks")
    if shared or parameters.verbose or not parameters._takes_batches:
        return 1
    return min(parameters.n_members, get_num_threads())


def time_of_a_member(parameters: Parameters, at_a_time: int) -> float | None:
    """Each member's part of ``time_budget``, seconds."""
    if parameters.time_budget is None:
        return None
    assert parameters.n_members is not None
    return float(parameters.time_budget) / math.ceil(int(parameters.n_members) / at_a_time)


def train(parameters: Parameters, trainings: Iterator[Training], at_a_time: int) -> list[Training]:
    """Run and finish each training, a number of them at a time.

    Parameters
    ----------
    parameters : Parameters
        The ensemble's.
    trainings : iterator of Training
        Made when their turn comes, as they may hold copies of their rows.
    at_a_time : int

    Returns
    -------
    list of Training
        Those that have been trained, in their order: all, unless the user has interrupted it.
    """
    if at_a_time > 1:
        return _train_in_threads(trainings, at_a_time)
    done = []
    for number, training in enumerate(trainings, 1):
        if parameters._prints:
            print(f"Member {number} of {parameters.n_members}")
        run(training)
        finish(training)
        done.append(training)
        if training.stopped:
            break
    return done


def _train_in_threads(trainings: Iterator[Training], at_a_time: int) -> list[Training]:
    begun: list[Training] = []
    running: dict[Future[None], Training] = {}

    def collect() -> None:
        done: set[Future[None]] = set()
        while not done:  # a signal that another thread receives does not end a wait
            done = wait(running, timeout=0.1, return_when=FIRST_COMPLETED).done
        for future in done:
            training = running.pop(future)
            future.result()
            finish(training)

    with ThreadPoolExecutor(at_a_time, "densecore-member") as pool:
        try:
            for training in trainings:
                begun.append(training)
                running[pool.submit(run, training)] = training
                if len(running) == at_a_time:
                    collect()
            while running:
                collect()
        except BaseException as error:
            for training in running.values():
                training.stopped = True
            if not isinstance(error, KeyboardInterrupt) or not begun:
                raise  # after the other threads' current epochs
            while running:
                collect()
            warn("Training interrupted by user.")
    return begun
