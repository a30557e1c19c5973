"""The networks of a recipe: built, trained side by side, and asked for their predictions."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ensembles.ensemble import Ensemble
from ..layers import Dense, Dropout, Input, Scale
from ..losses import CategoricalCrossentropy
from ..models.sequential import Sequential
from ..optimizers import get as optimizer_named
from .folds import Indices
from .recipe import SCHEDULES, Recipe

Progress = Callable[[float], None]

# Rows that are predicted at once: outputs of all members stay small.
_CHUNK = 1 << 16


def build(recipe: Recipe, inputs: int, outputs: int, classification: bool, seed: int) -> Sequential:
    """The architecture of the members."""
    settings = recipe.settings(classification)
    activation = settings.activation
    # He's variance suits units that are zero half of the time; Glorot's a linear layer.
    initializer = "he_normal" if activation in ("relu", "mish", "silu") else "lecun_normal"
    layers: list[Any] = [Input(inputs)]
    if recipe.scale_rate and recipe.extras:
        layers.append(Scale(learning_rate_multiplier=recipe.scale_rate))
    for width in recipe.hidden:
        layers.append(Dense(width, activation, kernel_initializer=initializer))
        if settings.dropout:
            layers.append(Dropout(settings.dropout))
    # Zeros: the first predictions are the mean, whatever the widths.
    last = "zeros" if recipe.hidden else "glorot_uniform"
    function = "softmax" if classification else "linear"
    layers.append(Dense(outputs, function, kernel_initializer=last))
    return Sequential(layers, dtype=recipe.dtype, seed=seed, name="table")


def train(
    recipe: Recipe,
    x: NDArray[Any],
    y: NDArray[Any],
    outputs: int,
    classification: bool,
    held_out: Sequence[Indices],
    seed: int,
    *,
    weight: NDArray[Any] | None = None,
    monitor: str = "",
    epochs: int | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
    executor: Any = None,
    comm: Any = None,
) -> Ensemble:
    """Train `recipe.members` networks for each part of the rows, on the others.

    Member i of the ensemble does not see the rows ``held_out[i % len(held_out)]``, and keeps the
    epoch that is best on them.

    Parameters
    ----------
    x : ndarray (rows, inputs)
    y : ndarray (rows,) of class numbers, or (rows, outputs)
    monitor : str
        The number of the validation that tells the best epoch; by default the loss, without label
        smoothing.
    executor, comm : optional
        Where members are trained, see `Ensemble.fit`.
    """
    rows = len(x)
    everything = np.arange(rows)
    trained_on = [np.setdiff1d(everything, part) for part in held_out]
    smallest = min(len(part) for part in trained_on)
    batch = batch_size or recipe.batch_for(smallest)
    count = epochs or recipe.epochs_for(smallest)
    model = build(recipe, x.shape[1], outputs, classification, seed)
    steps = count * -(-smallest // batch)
    _compile(model, recipe, classification, steps, outputs)
    members = len(held_out) * recipe.members
    ensemble = Ensemble(model, members)
    targets = y
    if classification and recipe.label_smoothing:
        targets = np.eye(outputs, dtype=recipe.dtype)[y]
    elif not classification:
        targets = y.astype(recipe.dtype)
    with warnings.catch_warnings():
        # A member that diverges is left out of the average, or ends in an error.
        warnings.filterwarnings("ignore", "the loss of ", RuntimeWarning)
        ensemble.fit(
            x,
            targets,
            batch_size=batch,
            epochs=count,
            verbose=0,
            sample_weight=weight,
            indices=[trained_on[i % len(held_out)] for i in range(members)],
            validation_indices=[held_out[i % len(held_out)] for i in range(members)],
            restore_best_weights=True,
            monitor=monitor or _monitor(recipe, classification),
            patience=recipe.patience_for(count),
            on_progress=progress,
            executor=executor,
            comm=comm,
        )
    return ensemble


def _compile(
    model: Sequential, recipe: Recipe, classification: bool, steps: int, outputs: int
) -> None:
    rate = recipe.settings(classification).learning_rate
    optimizer = optimizer_named(recipe.optimizer)
    if recipe.schedule in SCHEDULES:
        optimizer.learning_rate = SCHEDULES[recipe.schedule](rate, steps)
    else:
        optimizer.learning_rate = rate
    if recipe.optimizer in ("adam", "adamw"):
        optimizer.beta_2 = recipe.beta_2
    if recipe.optimizer == "adamw":
        optimizer.weight_decay = recipe.weight_decay
    if not classification:
        model.compile(optimizer, "mean_squared_error")
    elif recipe.label_smoothing:
        loss = CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
        model.compile(optimizer, loss, ["categorical_crossentropy", "categorical_accuracy"])
    else:
        model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])


def _monitor(recipe: Recipe, classification: bool) -> str:
    smoothed = classification and recipe.label_smoothing
    return "val_categorical_crossentropy" if smoothed else "val_loss"


def outputs_of(ensemble: Ensemble, x: NDArray[Any]) -> NDArray[Any]:
    """All members' outputs for x (rows, inputs): (members, rows, outputs)."""
    return np.concatenate(
        [ensemble.predict(x[at : at + _CHUNK]) for at in range(0, len(x), _CHUNK)], axis=1
    )


def out_of_fold(
    ensemble: Ensemble, x: NDArray[Any], held_out: Sequence[Indices]
) -> tuple[Indices, NDArray[np.float64]]:
    """The rows that some member has not seen, and the mean of those members' outputs for them."""
    rows = np.unique(np.concatenate(held_out))
    place = np.full(len(x), -1)
    place[rows] = np.arange(len(rows))
    outputs = ensemble.predict(x[:1]).shape[2]
    total = np.zeros((len(rows), outputs))
    count = np.zeros((len(rows), 1))
    for at in range(0, len(x), _CHUNK):
        chunk = ensemble.predict(x[at : at + _CHUNK])
        for i in range(len(ensemble)):
            part = held_out[i % len(held_out)]
            inside = part[(part >= at) & (part < at + _CHUNK)]
            total[place[inside]] += chunk[i][inside - at]
            count[place[inside]] += 1
    return rows, total / count
