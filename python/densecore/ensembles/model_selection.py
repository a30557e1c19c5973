"""Trainings side by side that answer a question: which settings, and how well on new rows."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.lazy import imports
from .._base.lookup import unknown
from .._data.structures import leaves
from ..metrics import larger_is_better
from ..models.model import Model
from .ensemble import Ensemble
from .jobs import Log
from .results import CrossValidation, Sweep
from .serialization import copies
from .structures import is_structured


def sweep(
    model: Model,
    x: Any,
    y: Any,
    grid: Mapping[str, Sequence[Any]],
    *,
    validation_data: Any = None,
    validation_split: float = 0.0,
    folds: int | None = None,
    stratify: Any = False,
    repeats: int = 1,
    epochs: int = 1,
    batch_size: int | None = None,
    shuffle: bool = True,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    monitor: str = "val_loss",
    refit: bool = False,
    executor: Any = None,
    log: str | os.PathLike[str] | None = None,
) -> Sweep:
    """Train with every combination of an optimizer's settings, all of them side by side.

    Parameters
    ----------
    model : Model
        Compiled; it is not changed.
    x, y : array_like
    sample_weight : array_like, optional
    grid : dict
        Name of a setting of the optimizer, such as ``"learning_rate"``, ``"weight_decay"``,
        ``"momentum"`` → values to try.
    validation_data, validation_split
        As for `Sequential.fit`; a fifth of the rows is split off when nothing else is said.
    folds, stratify
        Instead: every combination is cross-validated, see `cross_validate`.
    repeats : int, default 1
        How many seeds each combination is trained with: the model's and those that follow it.
    epochs, batch_size, shuffle, class_weight
        As for `Sequential.fit`.
    monitor : str, default "val_loss"
        The number that decides, in the last epoch.
    refit : bool, default False
        Whether a model is trained with the best settings and the model's seed on all rows:
        ``results.model``.
    executor : optional
        Trains them in other processes or on other machines, see `Ensemble.fit`.
    log : path, optional
        A file to which every training that is done is added at once: the same call, after it was
        killed, makes only what is missing.

    Returns
    -------
    Sweep
        A row per combination: its settings, and for each number the mean of its trainings in the
        last epoch; with several trainings also the monitored number's standard deviation.

    Raises
    ------
    ValueError, TypeError
        A model that is not compiled, settings or a monitored number that there are not, or
        folds besides a validation.

    Examples
    --------
    >>> import numpy as np, densecore as dc
    >>> model = dc.Sequential([dc.Input(1), dc.Dense(8, "tanh"), dc.Dense(1)], seed=0)
    >>> model.compile("sgd", "mse")
    >>> x = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> results = dc.sweep(model, x, x**2, {"learning_rate": [0.001, 0.1]}, epochs=100)
    >>> results.best_settings()
    {'learning_rate': 0.1}
    """
    repeats = checks.integer("repeats", repeats, 1)
    _check_compiled("sweep", model)
    names, combinations = _combinations(model, grid)
    numbers = model.metrics_names + [f"val_{name}" for name in model.metrics_names]
    if monitor not in numbers:
        unknown("number", monitor, numbers)
    if folds is not None and (validation_data is not None or validation_split):
        raise ValueError("folds: found a validation besides, wanted one of them")
    folds = checks.optional("folds", folds, 2)
    split = _Split(model, x, y, folds, stratify)
    each = split.count * repeats  # trainings of a combination
    optimizers = [
        optimizer
        for optimizer in (_with(model, names, values) for values in combinations)
        for _ in range(each)
    ]
    seeds = [model.seed + r for r in range(repeats) for _ in range(split.count)]
    ensemble = Ensemble(model, seeds=seeds * len(combinations), optimizers=optimizers)
    options: dict[str, Any] = {
        "batch_size": batch_size,
        "epochs": checks.integer("epochs", epochs, 1),
        "shuffle": shuffle,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
    }
    if folds is not None:
        # The same folds for every combination.
        dealt = split.arguments(repeats)
        validation = {name: rows * len(combinations) for name, rows in dealt.items()}
    elif validation_data is not None:
        validation = {"validation_data": validation_data}
    else:
        validation = {"validation_split": validation_split or 0.2}
    elsewhere: dict[str, Any] = {
        "executor": executor,
        "log": None if log is None else Log(log),
    }
    history = ensemble.fit(x, y, verbose=0, **elsewhere, **options, **validation)
    last = {name: values[-1].reshape(-1, each) for name, values in history.history.items()}
    columns = names + list(last)
    if each > 1:
        columns.insert(columns.index(monitor) + 1, f"{monitor}_std")
    rows = []
    for i, values in enumerate(combinations):
        means = []
        for name, found in last.items():
            means.append(float(found[i].mean()))
            if each > 1 and name == monitor:
                means.append(float(found[i].std(ddof=1)))
        rows.append((*values, *means))
    best = _best(model, monitor, last[monitor].mean(axis=1))
    trainings = f" x {each} trainings" if each > 1 else ""
    title = f"{len(rows)} combinations{trainings}, {epochs} epochs; the best {monitor} has a *"
    results = Sweep(title, columns, rows, history, best)
    if refit:
        chosen = _with(model, names, combinations[best])
        refitted = Ensemble(model, seeds=[model.seed], optimizers=[chosen])
        refitted.fit(x, y, verbose=0, **options)
        results.model = refitted.member(0)
    return results


def cross_validate(
    model: Model,
    x: Any,
    y: Any,
    folds: int = 5,
    *,
    stratify: Any = False,
    repeats: int = 1,
    epochs: int = 1,
    batch_size: int | None = None,
    shuffle: bool = True,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    refit: bool = False,
    executor: Any = None,
    log: str | os.PathLike[str] | None = None,
) -> CrossValidation:
    """Train on all rows but a fold, and validate on that; every fold in its turn, side by side.

    Parameters
    ----------
    model : Model
        Compiled; it is not changed.
    x, y : array_like
    sample_weight : array_like, optional
    folds : int, default 5
        Into how many parts the rows are dealt out, in an order that follows from the model's seed.
    stratify : bool or array_like (rows,), default False
        Whether every fold has the same share of each class: of y, or of what is given.
    repeats : int, default 1
        How often the rows are dealt out anew; the model's seed and those that follow it.
    epochs, batch_size, shuffle, class_weight
        As for `Sequential.fit`.
    refit : bool, default False
        Whether a model with the model's seed is trained on all rows: ``results.model``.
    executor : optional
        Trains them in other processes or on other machines, see `Ensemble.fit`.
    log : path, optional
        A file to which every training that is done is added at once: the same call, after it was
        killed, makes only what is missing.

    Returns
    -------
    CrossValidation
        A row per fold, with all numbers of its last epoch; then their ``mean`` and ``std``.

    Raises
    ------
    ValueError, TypeError
        A model that is not compiled, more folds than rows, or `stratify` of another shape.
    """
    repeats = checks.integer("repeats", repeats, 1)
    _check_compiled("cross_validate", model)
    split = _Split(model, x, y, checks.integer("folds", folds, 2), stratify)
    seeds = [model.seed + r for r in range(repeats) for _ in range(split.count)]
    options: dict[str, Any] = {
        "batch_size": batch_size,
        "epochs": checks.integer("epochs", epochs, 1),
        "shuffle": shuffle,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
    }
    ensemble = Ensemble(model, seeds=seeds)
    elsewhere: dict[str, Any] = {
        "executor": executor,
        "log": None if log is None else Log(log),
    }
    history = ensemble.fit(x, y, verbose=0, **elsewhere, **options, **split.arguments(repeats))
    last = {name: values[-1] for name, values in history.history.items()}
    rows: list[tuple[Any, ...]] = []
    for i in range(len(seeds)):
        label = str(i % split.count)
        rows.append((label, *(float(values[i]) for values in last.values())))
    rows.append(("mean", *(float(values.mean()) for values in last.values())))
    rows.append(("std", *(float(values.std(ddof=1)) for values in last.values())))
    again = f" x {repeats}" if repeats > 1 else ""
    title = f"{folds} folds{again}, {epochs} epochs"
    results = CrossValidation(title, ["fold", *last], rows, history)
    if refit:
        refitted = Ensemble(model, seeds=[model.seed])
        refitted.fit(x, y, verbose=0, **options)
        results.model = refitted.member(0)
    return results


class _Split:
    """Rows dealt out to folds; one part without any held out when there are none."""

    def __init__(self, model: Model, x: Any, y: Any, folds: int | None, stratify: Any) -> None:
        self.count = 1 if folds is None else folds
        self._seed = model.seed
        if folds is None:
            if stratify is not False:
                raise ValueError("stratify: found it without folds")
            return
        if is_structured(model) and leaves(x):  # all inputs have the same rows
            x = leaves(x)[0]
        if stratify is True and model._parts[1] > 1:
            raise TypeError(
                "stratify: found True for a model of several outputs, wanted class numbers (rows,)"
            )
        shape = getattr(x, "shape", None)
        if shape is None and isinstance(x, list | tuple):
            shape = (len(x),)
        if not shape:
            raise TypeError(f"x: found {checks.shown(x)}, wanted an array (rows, features)")
        self._rows = int(shape[0])
        if self.count > self._rows:
            raise ValueError(f"folds: found {folds}, wanted at most {self._rows}, one per row")
        self._classes = _classes(y if stratify is True else stratify, self._rows)

    def arguments(self, repeats: int) -> dict[str, Any]:
        """The arguments of `Ensemble.fit` for so many times all folds."""
        training, held_out = [], []
        for r in range(repeats):
            parts = self._deal(self._seed + r)
            for i, part in enumerate(parts):
                held_out.append(part)
                training.append(np.sort(np.concatenate(parts[:i] + parts[i + 1 :])))
        return {"indices": training, "validation_indices": held_out}

    def _deal(self, seed: int) -> list[Array]:
        with imports:  # NumPy imports it now
            generator = np.random.default_rng(seed)
        order = generator.permutation(self._rows)
        if self._classes is not None:
            # Class after class, so that each is dealt out evenly.
            order = order[np.argsort(self._classes[order], kind="stable")]
        return [np.sort(order[i :: self.count]) for i in range(self.count)]


def _classes(given: Any, rows: int) -> Array | None:
    if given is False or given is None:
        return None
    labels = np.asarray(given)
    if labels.ndim == 2:
        labels = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0]
    if labels.shape != (rows,):
        raise ValueError(f"stratify: found shape {labels.shape}, wanted {(rows,)}")
    return np.unique(labels, return_inverse=True)[1]


def _check_compiled(function: str, model: Model) -> None:
    if not isinstance(model, Model):
        raise TypeError(f"{function}: found {type(model).__name__}, wanted a model")
    model._compiled_loss()


def _combinations(
    model: Model, grid: Mapping[str, Sequence[Any]]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    assert model.optimizer is not None
    if not isinstance(grid, Mapping):
        raise TypeError(f"grid: found {type(grid).__name__}, wanted a dictionary of lists")
    if not grid:
        raise ValueError("grid: found no setting, wanted at least one")
    known = [*model.optimizer._values(), *vars(model.optimizer.pipeline)]
    for name, values in grid.items():
        if name not in known:
            unknown("setting", name, known)
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise TypeError(f"grid: {name}: found {values!r}, wanted a list of values")
        if len(values) == 0:
            raise ValueError(f"grid: {name}: found no values, wanted at least one")
    plain = [[v.item() if isinstance(v, np.generic) else v for v in vs] for vs in grid.values()]
    return list(grid), list(itertools.product(*plain))


def _with(model: Model, names: list[str], values: tuple[Any, ...]) -> Any:
    (optimizer,) = copies(model.optimizer, None, 1)
    for name, value in zip(names, values, strict=True):
        setattr(optimizer, name, value)
    return optimizer


def _best(model: Model, monitor: str, means: Array) -> int:
    grows = model._directions.get(monitor.removeprefix("val_"), larger_is_better(monitor))
    pick: Callable[[Array], Any] = np.nanargmax if grows else np.nanargmin
    return 0 if np.isnan(means).all() else int(pick(means))
