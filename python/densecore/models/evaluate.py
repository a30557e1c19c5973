"""Evaluation and prediction over arrays and batches, and the sources of batches that `fit` shares
with them."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.warn import warn
from .._data.batches import Arrays, Indexed, Source, Stream, are_batches, parts_of, source_of
from .._data.dataset import Data
from .._data.row_sources import Rows, part, take
from ..callbacks.base import Callback, CallbackList
from ..callbacks.progress import check_verbose, shown
from ..losses.function import CallableLoss
from .heads import HeadsLoss
from .own_steps import ModelLoss
from .step import test_batch

if TYPE_CHECKING:  # whose module imports this one
    from .model import Model

# Data of training, however given, as the core wants them: see `Compiled._data`.
Prepare = Callable[[Any, Any, Any, Mapping[int, float] | None], Data]
Callbacks = Iterable[Callback] | Callback | CallbackList | None


def evaluate(
    model: "Model",
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: int | str,
    sample_weight: Any,
    steps: int | None,
    callbacks: Callbacks,
    return_dict: bool,
) -> float | list[float] | dict[str, float]:
    """`Model.evaluate`, which documents it."""
    check_verbose(verbose)
    steps = checks.optional("steps", steps)
    size = min(checks.optional("batch_size", batch_size) or 32, 2**62)
    source: Source
    if y is None and are_batches(x):
        refuse_with_batches(batch_size=batch_size, sample_weight=sample_weight)
        source = batches_of(model, x, False, steps, None)
    else:
        source = Arrays(model._data(x, y, sample_weight), size, False, steps)
    params = {
        "verbose": verbose,
        "epochs": 1,
        "steps": source.steps,
        "metrics": model.metrics_names,
    }
    listeners = CallbackList(callbacks, model, **params)
    start = time.perf_counter()
    with model._reserved():  # the names belong to the numbers
        try:
            values = evaluate_source(model, source, listeners)
        finally:
            listeners.release()
        named = dict(zip(model.metrics_names, values, strict=True))
    if verbose != 0:
        numbers = " - ".join(f"{name}: {shown(value)}" for name, value in named.items())
        print(f"{numbers} - {time.perf_counter() - start:.1f}s")
    if return_dict:
        return named
    return values if len(values) > 1 else values[0]


def evaluate_source(model: "Model", source: Source, listeners: CallbackList) -> list[float]:
    """Loss and metrics over one epoch of a source, all of the same parameters."""
    with model._reserved():
        return _evaluate_source(model, source, listeners)


def _evaluate_source(model: "Model", source: Source, listeners: CallbackList) -> list[float]:
    network, names = model._network, model.metrics_names
    listeners.on_test_begin({})
    added = 0.0
    if evaluates_in_core(model, source, listeners):
        assert isinstance(source, Arrays)
        values = network.evaluate(*source.data)
        added = model._own_penalty()
    else:
        running_metrics = model._running_metrics()
        watched = listeners.listens_to_batches("test")
        count = 0
        for batch in source.epoch(0, 0):
            if watched:
                listeners.on_test_batch_begin(count, {})
            if isinstance(model.loss, CallableLoss | HeadsLoss) and not model.loss.in_core:
                if isinstance(model.loss, ModelLoss) and model._own_step("test_step"):
                    model._by_own_step("test_step", batch, running_metrics)
                else:
                    test_batch(model, batch, running_metrics)
            else:
                network.evaluate_batch(*batch, running_metrics)
                added = model._own_penalty()
            if watched:
                logs = dict(zip(names, running_metrics.results(), strict=True))
                listeners.on_test_batch_end(count, logs)
            count += 1
        if count == 0:
            raise ValueError(
                "evaluation: found no batches; an iterator gives each of its batches once only"
            )
        values = running_metrics.results()
    values = [values[0] + added, *values[1:]]
    listeners.on_test_end(dict(zip(names, values, strict=True)))
    return list(values)


def evaluates_in_core(model: "Model", source: Source | None, listeners: CallbackList) -> bool:
    """Whether one call can evaluate: then the numbers depend on no batch size."""
    return (
        isinstance(source, Arrays)
        and source.whole
        and model._compiled_loss().in_core
        and not model._compiled_loss().depends_on_batches(source.data.weight is not None)
        and not listeners.listens_to_batches("test")
    )


# Prediction -------------------------------------------------------------------------------------


def predict(
    model: "Model",
    x: Any,
    batch_size: int | None,
    verbose: int | str,
    steps: int | None,
    callbacks: Callbacks,
) -> Any:
    """`Model.predict`, which documents it."""
    check_verbose(verbose)
    steps = checks.optional("steps", steps)
    size = min(checks.optional("batch_size", batch_size) or 32, 2**62)
    start = time.perf_counter()
    parts: Any
    whole: Rows | None = None
    if are_batches(x):
        refuse_with_batches(batch_size=batch_size)
        parts = (item if hasattr(item, "shape") else parts_of(item)[0] for item in _items(x))
        total = steps if steps is not None else len(x) if hasattr(x, "__len__") else None
    else:
        model._build_for(x)
        whole = model._rows(x)
        parts = (take(whole, slice(begin, begin + size)) for begin in range(0, len(whole), size))
        total = -(-len(whole) // size) if steps is None else steps
    listeners = CallbackList(callbacks, model, verbose=verbose, epochs=1, steps=total)
    try:
        result = _predicted(model, whole, parts, steps, size, listeners)
    finally:
        listeners.release()
    result = model._shaped(result)
    if verbose != 0:
        print(f"{len(result):,} rows - {time.perf_counter() - start:.1f}s")
    return result


def _predicted(
    model: "Model",
    whole: Rows | None,
    parts: Iterable[Any],
    steps: int | None,
    size: int,
    listeners: CallbackList,
) -> Array:
    """The outputs of all rows: of `whole` at once if that may be, else part by part."""
    watched = listeners.listens_to_batches("predict")
    listeners.on_predict_begin({})
    if whole is not None and not watched:
        rows = whole if steps is None else part(whole, 0, min(steps * size, len(whole)))
        result = model._network.predict(rows, None)
    else:
        outputs = []
        for step, piece in enumerate(parts):
            if step == steps:
                break
            model._build_for(piece)
            batch = model._rows(piece)
            if watched:
                listeners.on_predict_batch_begin(step, {})
            outputs.append(model._network.predict(batch, None))
            if watched:
                listeners.on_predict_batch_end(step, {"outputs": outputs[-1]})
        if not outputs and whole is None:
            raise ValueError("predict: found no batches, wanted at least one")
        empty = [np.empty((0, model._outputs), model._dtype)]
        result = np.concatenate(outputs or empty)
    listeners.on_predict_end({})
    return result


def _items(batches: Any) -> Iterable[Any]:
    if hasattr(batches, "__iter__"):
        items: Iterable[Any] = iter(batches)
        return items
    return (batches[index] for index in range(len(batches)))


# Arguments --------------------------------------------------------------------------------------


def batches_of(
    model: "Model",
    batches: Any,
    shuffle: bool,
    steps: int | None,
    class_weight: Mapping[int, float] | None,
    prepare: Prepare | None = None,
) -> Indexed | Stream:
    """The source of batches; builds the model for it when that is still to do."""
    prepare = prepare or model._data

    def convert(x: Any, y: Any, weight: Any) -> Data:
        return prepare(x, y, weight, class_weight)

    model._compiled_loss()
    source = source_of(batches, convert, bool(shuffle), steps)
    if not model.built:
        model._build_for(source.first())
    return source


def validation_source(
    model: "Model", given: Any, size: int, steps: int | None, prepare: Prepare | None = None
) -> Source:
    """The source for `fit`'s `validation_data`; `prepare` converts it as `Compiled._data` does."""
    prepare = prepare or model._data
    if are_batches(given) and not isinstance(given, tuple):
        return batches_of(model, given, False, steps, None, prepare)
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise ValueError(
            f"validation_data: found {checks.shown(given)}, wanted (x, y) or (x, y, "
            "sample_weight), or an object that gives such batches"
        )
    x, y, weight = [*given, None][:3]
    try:
        return Arrays(prepare(x, y, weight, None), size, False, steps)
    except (TypeError, ValueError) as error:
        raise checks.prefixed("validation_data", error) from None


def refuse_with_batches(**arguments: Any) -> None:
    """Raise ValueError for arguments that make no sense when x gives batches.

    Warns
    -----
    UserWarning
        Of `batch_size`, which scripts give all the same.
    """
    for name, value in arguments.items():
        if value is not None and name == "batch_size":
            warn("batch_size: it has no effect: x gives its batches itself")
        elif value is not None:
            raise ValueError(
                f"{name}: wanted None: x gives its batches itself, as (x, y[, sample_weight])"
            )
