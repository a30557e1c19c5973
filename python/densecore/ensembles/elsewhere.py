"""Members that are trained by an executor: in other processes, or on other machines.

An executor is what has ``submit(function, *arguments)`` and gives futures: those of
``concurrent.futures``, ``mpi4py.futures``, loky, Dask (``client.get_executor()``); or the module
``ray``. Members are cut into groups; a group is a task, which carries its members' state and data,
and brings back the same with the numbers of its epochs. The bits are those of one process.
"""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._base import checks, core
from .._base.dtypes import Array
from .._base.lazy import imports
from ..distributed.group import group_of
from . import serialization
from .jobs import GroupResult, Job, Log, keys_of
from .members import Members

if TYPE_CHECKING:
    from .dataset import MembersData

#: Members of small networks that the core trains in the lanes of one vector.
_LANES = 16
#: Groups for each worker: results stream in, and none waits long for the last one.
_GROUPS_PER_WORKER = 4


def train_group(
    state: dict[str, Any], training: Any, validation: Any, job: Job, threads: int | None
) -> GroupResult:
    """A task: train the members that a state describes."""
    before = core.get_num_threads()
    if threads is not None:
        core.set_num_threads(threads)
    try:
        members = Members.__new__(Members)
        serialization.restore(members, state)
        report = np.full((job.epochs, len(job.names), len(members)), np.nan)
        kept = members._core.fit(
            training, validation, job.epochs, job.batch_size, job.shuffle, report, job.best
        )
        members._core.finish_training()
        return GroupResult(serialization.tensors_of(members), members.progress, report, kept)
    finally:
        if threads is not None:
            core.set_num_threads(before)


def train(
    ensemble: Members,
    training: "MembersData",
    validation: "MembersData | None",
    job: Job,
    executor: Any,
    log: Log | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Train all members by an executor, or here when it is None.

    Returns
    -------
    report : ndarray (epochs, numbers, members)
    kept_epochs, completed : ndarray (members,)

    Raises
    ------
    TypeError
        It is no executor.
    Exception
        What a task has raised, with a note that names its members; groups that wait are cancelled.
    """
    count = len(ensemble)
    report = np.full((job.epochs, len(job.names), count), np.nan)
    kept = np.full(count, -1, np.int64)
    state = serialization.state_of(ensemble)
    data = [training.core(), None if validation is None else validation.core()]
    keys = [] if log is None else keys_of(state, data, job)
    missing = [i for i in range(count) if log is None or not log.fill(keys[i], i, report, kept)]
    completed = np.zeros(count, np.int64)
    for i in set(range(count)) - set(missing):
        completed[i] = job.epochs if log is None else log.epochs(keys[i])
    tensors = {name: array.copy() for name, array in state["tensors"].items()}
    progress = {name: list(values) for name, values in state["progress"].items()}
    ended = count - len(missing)
    for members, done in _results(state, data, job, missing, executor):
        report[:, :, members], kept[members] = done.report, done.kept
        for name, array in done.tensors.items():
            tensors[name][members] = array
        epochs = np.array(done.progress["epochs"]) - [progress["epochs"][i] for i in members]
        completed[members] = epochs
        for name, values in done.progress.items():
            for member, value in zip(members, values, strict=True):
                progress[name][member] = value
        if log is not None:
            log.add([keys[i] for i in members], job.names, done, epochs)
        ended += len(members)
        if on_progress is not None:
            on_progress(ended / count)
    serialization.fill(ensemble, tensors, progress)
    return report, kept, completed


def train_by_ranks(
    ensemble: Members,
    training: "MembersData",
    validation: "MembersData | None",
    job: Job,
    comm: Any,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Train a share of the members on each rank; afterwards every rank has all of them.

    Returns
    -------
    report, kept_epochs, completed
        As of `train`.

    Raises
    ------
    Exception
        On all ranks, what one of them has raised.
    """
    group = group_of(comm, "Ensemble.fit")
    group.together(lambda: None)  # here the others hear of a rank without a communicator
    group.begin("Ensemble.fit")
    group.agree({"members": len(ensemble), "seeds": ensemble.seeds, "epochs": job.epochs,
                 "numbers": job.names, "batch_size": job.batch_size,
                 "rows": training.rows_of(0)})  # fmt: skip
    count = len(ensemble)
    own = list(range(count * group.rank // group.size, count * (group.rank + 1) // group.size))
    state = serialization.state_of(ensemble)

    def work() -> GroupResult | None:
        data = [_part(training.core(), own), None]
        if validation is not None:
            data[1] = _part(validation.core(), own)
        return train_group(_state_of(state, own), data[0], data[1], job, None) if own else None

    done = group.together(work)

    def everywhere(like: Array, found: Array | None) -> Array:
        # One rank has each row; the others add -0, which changes no bits.
        whole = np.full(like.shape, -0.0, like.dtype)
        if found is not None:
            whole[own] = found
        group.comm.allreduce_(whole)
        return whole

    tensors = {
        name: everywhere(array, None if done is None else done.tensors[name])
        for name, array in state["tensors"].items()
    }
    shape = (count, job.epochs, len(job.names))
    report = everywhere(np.empty(shape), None if done is None else done.report.transpose(2, 0, 1))
    counters = None
    if done is not None:
        counters = np.stack([done.progress["steps"], done.progress["epochs"], done.kept], axis=1)
    whole = everywhere(np.empty((count, 3)), counters)
    steps, epochs, kept = (column.astype(np.int64) for column in whole.T)
    completed = epochs - np.array(state["progress"]["epochs"])
    serialization.fill(ensemble, tensors, {"steps": steps.tolist(), "epochs": epochs.tolist()})
    return report.transpose(1, 2, 0), kept, completed


def _results(
    state: dict[str, Any], data: list[Any], job: Job, missing: list[int], executor: Any
) -> Iterator[tuple[list[int], GroupResult]]:
    """The groups of the members that are missing, as they are trained."""
    if executor is None:
        for members in _groups(missing, 1):
            own = _part(data[0], members), _part(data[1], members)
            yield members, train_group(_state_of(state, members), *own, job, None)
        return
    # The module imports logging, whose hooks a fork by another thread would find half made.
    with imports:
        from concurrent import futures

    submit, workers, threads = _workers(executor)
    tasks: dict[Any, list[int]] = {}
    try:
        for members in _groups(missing, workers):
            parts = [_part(each, members) for each in data]
            task = submit(train_group, _state_of(state, members), *parts, job, threads)
            tasks[task] = members
        waiting = dict(tasks)
        for task in futures.as_completed(tasks):
            if task not in waiting:
                continue
            error = task.exception()
            if error is not None:
                # What others have brought back is kept before the error ends it all.
                for other in [each for each in waiting if each.done()]:
                    if not other.cancelled() and other.exception() is None:
                        yield waiting.pop(other), other.result()
                error.add_note(f"while members {_range(tasks[task])} of the ensemble were trained")
                raise error
            yield waiting.pop(task), task.result()
    except BaseException:
        for task in tasks:
            task.cancel()
        raise


# Groups -------------------------------------------------------------------------------------------


def _groups(members: list[int], workers: int) -> Iterator[list[int]]:
    size = max(1, -(-len(members) // (_GROUPS_PER_WORKER * workers)))
    if size > _LANES // 2:
        size = -(-size // _LANES) * _LANES
    for begin in range(0, len(members), size):
        yield members[begin : begin + size]


def _state_of(state: dict[str, Any], members: list[int]) -> dict[str, Any]:
    """The state of some members, see `serialization.state_of`."""
    loss, metrics, weighted, optimizers = state["compiled"]
    return {
        **state,
        "seeds": [state["seeds"][i] for i in members],
        "compiled": (loss, metrics, weighted, [optimizers[i] for i in members]),
        "progress": {name: [v[i] for i in members] for name, v in state["progress"].items()},
        "tensors": {name: array[members] for name, array in state["tensors"].items()},
    }


def _part(data: Any, members: list[int]) -> Any:
    """Arrays of the core, one for all members or one for each, for some of them."""
    if data is None:
        return None
    return tuple(
        arrays if arrays is None or len(arrays) == 1 else [arrays[i] for i in members]
        for arrays in data
    )


def _range(members: list[int]) -> str:
    first, last = members[0], members[-1]
    return str(first) if first == last else f"{first} to {last}"


# Executors ----------------------------------------------------------------------------------------


def _workers(executor: Any) -> tuple[Callable[..., Any], int, int | None]:
    """How to submit a task, the number of workers, and the threads of a worker of this machine."""
    if getattr(executor, "__name__", "") == "ray" and hasattr(executor, "remote"):
        remote = executor.remote(train_group)
        return lambda function, *given: remote.remote(*given).future(), _ray_workers(executor), None
    if not callable(getattr(executor, "submit", None)) or isinstance(executor, type):
        raise TypeError(
            f"executor: found {checks.shown(executor)}, wanted one of concurrent.futures, "
            "mpi4py.futures or loky, Dask's client.get_executor(), or the module ray"
        )
    count = getattr(executor, "_max_workers", None) or getattr(executor, "num_workers", None)
    workers = count if isinstance(count, int) and count > 0 else 4
    kind = {cls.__name__ for cls in type(executor).__mro__}
    # Processes of this machine share its processors. Others are told by who starts them.
    local = kind & {"ProcessPoolExecutor", "_ReusablePoolExecutor"}
    told = "DENSECORE_NUM_THREADS" in os.environ or "OMP_NUM_THREADS" in os.environ
    threads = max(1, core.get_num_threads() // workers) if local and not told else None
    return executor.submit, workers, threads


def _ray_workers(ray: Any) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))
