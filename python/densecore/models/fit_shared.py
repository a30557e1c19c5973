"""`Model.fit` when several ranks share its batches: what they must agree on before the first epoch,
and where they begin."""

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

from .. import solvers
from .._base import checks
from .._data.batches import Arrays, Source
from .._data.dataset import Data
from .._saving import safetensors
from ..callbacks.backup import BackupAndRestore
from ..callbacks.base import CallbackList
from ..callbacks.history import History
from ..data.shards import Shards
from ..distributed.group import Group, group_of
from .compiled import fitting
from .evaluate import refuse_with_batches, validation_source
from .fit import FitArguments, begin, listeners_of, params_of, sources_of
from .shared_rows import (
    ONLY_ZEROS,
    AllRows,
    OwnBatches,
    OwnRows,
    ShardRows,
    SharedRows,
    rows_of,
    same_everywhere,
)
from .shared_run import SharedRun, noted_signals
from .shared_solver import SharedNetwork
from .sharing import Sharing

if TYPE_CHECKING:  # whose module imports this one
    from .model import Model


#: The error of estimators.
OTHER_ROWS = (
    "comm: found other rows on some ranks, wanted the same X and y on all of them: an estimator's "
    "classes, scaling and held out rows follow from all rows"
)


def fit(model: "Model", arguments: FitArguments) -> History:
    """`Model.fit` with a communicator; `Model.fit` documents it."""
    group = group_of(arguments.comm, "fit")
    chunks = group.together(lambda: _chunks(arguments.chunks))
    group.begin("fit")
    if group.rank > 0:
        arguments.verbose = 0
    shards = isinstance(arguments.x, Shards)
    group.agree({"x": "Shards" if shards else "rows"})
    if shards:
        return _fit_shards(model, arguments, group)
    sources = group.together(lambda: _sources(model, arguments))
    group.agree({"x": _kind(sources[0])})
    sharing = Sharing(model, group, _settings(arguments, sources))
    source, validation = sources
    rows: SharedRows
    if isinstance(source, Arrays):
        there, weight = len(source.data.y) > 0, source.data.weight
        counting = there and (weight is None or weight.any())
        with_rows, with_weights = group.vector(float(there), float(counting)).sum(axis=0)
        if with_rows > 0 and with_weights == 0:
            raise ValueError(ONLY_ZEROS)
        same = _rows_are_the_same(source.data, group)
        kind = AllRows if same else OwnRows
        rows = kind(source, sharing.network, group, chunks, arguments.steps_per_epoch)
        if arguments.same_rows and not same:
            raise ValueError(OTHER_ROWS)
        _check_size(group, source, rows)
    else:
        rows = OwnBatches(source, sharing.network, group, chunks)
    return _train(model, arguments, sharing, rows, validation)


def _fit_shards(model: "Model", arguments: FitArguments, group: Group) -> History:
    shards: Shards = arguments.x

    def prepare() -> tuple[Source | None, SharedRows]:
        refuse_with_batches(
            y=arguments.y,
            sample_weight=arguments.sample_weight,
            validation_split=arguments.validation_split or None,
            solver=arguments.solver,
            steps_per_epoch=arguments.steps_per_epoch,
        )
        # Builds, and refuses early.
        model._data(*shards.as_given(shards.first()), arguments.class_weight, True)
        size = arguments.rows_per_step
        rows = ShardRows(model, shards, group, min(size, shards.rows), bool(arguments.shuffle),
                         arguments.class_weight)  # fmt: skip
        validation = None
        if arguments.validation_data is not None:
            validation = validation_source(
                model,
                arguments.validation_data,
                arguments.validation_batch_size or size,
                arguments.validation_steps,
                lambda *given: rows_of(model, *given),
            )
        return validation, rows

    validation, rows = group.together(prepare)
    settings = _settings(arguments, (None, validation))
    settings |= {"batch_size": arguments.rows_per_step, **shards.description()}
    sharing = Sharing(model, group, settings)
    if min(arguments.rows_per_step, shards.rows) < group.size:
        raise ValueError(_too_few("batch_size", arguments.rows_per_step, group))
    return _train(model, arguments, sharing, rows, validation)


def _sources(model: "Model", arguments: FitArguments) -> tuple[Source, Source | None]:
    if arguments.solver is not None:
        method = solvers.get(arguments.solver)
        solvers.check_layers(method, model._compiled_loss(), model._all_layers())
        # All rows are one batch.
        arguments.batch_size, arguments.shuffle = checks.MAX_BATCH, False
    return sources_of(model, arguments, lambda *given: rows_of(model, *given))


def _kind(source: Source) -> str:
    return "arrays" if isinstance(source, Arrays) else "batches"


def _rows_are_the_same(data: Data, group: Group) -> bool:
    """Whether all ranks have the same rows; raises on all when only their weights differ."""
    if same_everywhere(data, group):
        return True
    if same_everywhere(data._replace(weight=None), group):
        raise ValueError(
            "comm: found the same x and y on all ranks, but other sample weights on some, wanted "
            "the same weights too, or rows of its own on each rank"
        )
    return False


def _chunks(given: Any) -> int | None:
    chunks = checks.optional("chunks", given)
    if chunks is not None and chunks & (chunks - 1):
        raise ValueError(f"chunks: found {chunks}, wanted a power of two: a binary tree adds them")
    return chunks


def shared_network(
    model: "Model", x: Any, y: Any, weight: Any, comm: Any
) -> tuple[SharedNetwork, Data]:
    """All rows as a solver takes them, of which each rank has its part.

    Raises
    ------
    Exception
        On all ranks: the ranks differ in what must be the same, or have other rows.
    """
    group = group_of(comm, "fit by a solver")
    data = group.together(lambda: rows_of(model, x, y, weight))
    group.begin("fit by a solver")
    sharing = Sharing(model, group)
    if not same_everywhere(data, group):
        raise ValueError(OTHER_ROWS)
    source = Arrays(data, checks.MAX_BATCH, False, None)
    (step,) = AllRows(source, sharing.network, group, None, None).epoch(0, 0)
    return SharedNetwork(sharing, step), Data(*step.batch)


def _settings(
    arguments: FitArguments, sources: tuple[Source | None, Source | None]
) -> dict[str, Any]:
    """The arguments of `fit` that must be the same on all ranks."""
    source, validation = sources
    weights = arguments.class_weight
    solver = arguments.solver
    return {
        "class_weight": {str(key): float(weights[key]) for key in weights} if weights else None,
        "solver": solver if solver is None else solvers.get(solver).name,
        "epochs": arguments.epochs,
        "initial_epoch": arguments.initial_epoch,
        "batch_size": source.batch_size if isinstance(source, Arrays) else None,
        "shuffle": bool(arguments.shuffle),
        "steps_per_epoch": arguments.steps_per_epoch,
        "chunks": arguments.chunks,
        "validation_data": None if validation is None else _kind(validation),
        "validation_freq": arguments.validation_freq,
        "validation_steps": arguments.validation_steps,
        "validation_batch_size": arguments.validation_batch_size,
    }


def _check_size(group: Group, source: Arrays, rows: SharedRows) -> None:
    """Raise on all ranks for batches of fewer rows than ranks."""
    total = rows.rows
    assert total is not None
    size = min(source.batch_size, total)
    if total == 0:
        raise ValueError("x: found no rows on any rank, wanted at least one")
    if size < group.size:
        what = "batch_size" if source.batch_size <= total else "x"
        raise ValueError(_too_few(what, size, group))


def _too_few(what: str, size: int, group: Group) -> str:
    return (
        f"{what}: found {size} rows for {group.size} ranks, wanted at least one for each: "
        "batch_size counts the rows of all ranks"
    )


def _differs(given: Any, validation: Source | None, group: Group) -> bool:
    """Whether each rank validates on rows of its own. Batches are not compared, so they count as
    each rank's own; files are those of all."""
    if validation is None or group.size == 1:
        return False
    if group.total(float(not isinstance(given, Shards))) == 0:
        group.agree({f"validation_data: {name}": value
                     for name, value in given.description().items()})  # fmt: skip
        return False
    return not (isinstance(validation, Arrays) and same_everywhere(validation.data, group))


def _train(
    model: "Model",
    arguments: FitArguments,
    sharing: Sharing,
    rows: SharedRows,
    validation: Source | None,
) -> History:
    group, network = sharing.group, sharing.network
    own_validation = _differs(arguments.validation_data, validation, group)
    params = params_of(
        model, arguments, rows.steps, rows.rows, rows.batch_size, validation is not None
    )
    names = params["metrics"]
    every = group.together(lambda: listeners_of(model, arguments, params))
    history = begin(model, arguments, every)
    listeners = _listeners(every, group)
    run = SharedRun(model, sharing, rows, validation, own_validation, arguments, listeners, names)
    with network.reserved(), noted_signals() as signals:
        run.signals = signals
        try:
            with fitting(model):
                group.together(lambda: _begin(listeners, history))
                _go_on_as_first(model, every, history, sharing)
                sharing.take_state()
                if not run.any(model.stop_training):
                    if arguments.solver is not None:
                        run.solve_shared(arguments, model._initial_epoch)
                    else:
                        run.train(model._initial_epoch, arguments.epochs)
            network.finish_training()
            model._give_back()
            sharing.check_drift()
            group.together(lambda: listeners.on_train_end(run.logs))
            sharing.take_state()  # a callback of one rank may have put the best weights back
        finally:
            listeners.release()
    return history


def _listeners(every: CallbackList, group: Group) -> CallbackList:
    """The callbacks of this rank: files are written by rank 0 alone."""
    if group.rank == 0:
        return every
    listeners = CallbackList()
    listeners.params, listeners.history = every.params, every.history
    listeners.callbacks = [each for each in every.callbacks if not each.writes_files]
    return listeners


def _begin(listeners: CallbackList, history: History) -> None:
    history.on_train_begin()
    listeners.on_train_begin({})


def _go_on_as_first(
    model: "Model", every: CallbackList, history: History, sharing: Sharing
) -> None:
    """Let all ranks continue where rank 0 does: they take what it has restored from a file."""
    group = sharing.group
    if group.size == 1:
        return
    backups = [each for each in every.callbacks if isinstance(each, BackupAndRestore)]
    restored = None
    if group.rank == 0:
        for backup in backups:
            if os.path.exists(backup.path):
                with open(backup.path, "rb") as file:
                    restored = file.read()
    restored = group.broadcast(restored)
    if restored is not None and group.rank > 0 and backups:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "training.safetensors")
            with open(path, "wb") as file:
                file.write(restored)
            with safetensors.open_file(path) as opened:
                backups[0].restore(opened)
    place = {
        "epoch": model._initial_epoch,
        "step": model._initial_step,
        "totals": model._initial_totals,
        "stop": bool(model.stop_training),
        "seed": model.seed,
        "history": history.get_state(),
    }
    text = group.broadcast(json.dumps(place).encode())
    assert text is not None
    place = json.loads(text)
    model._initial_epoch, model._initial_step = place["epoch"], place["step"]
    model._initial_totals = [
        (sums, rows, weights, penalty) for sums, rows, weights, penalty in place["totals"]
    ]
    model.stop_training = place["stop"]
    history.set_state(place["history"])
    if model.seed != place["seed"]:
        model.seed = place["seed"]
        model._network_changed()
