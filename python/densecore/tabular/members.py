"""The networks of a recipe: built, trained side by side, and asked for their predictions."""

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._base.dtypes import Array, Doubles
from ..ensembles.ensemble import Ensemble
from ..layers import Dense, Dropout, Input, PeriodicEmbedding, Scale
from ..losses import CategoricalCrossentropy
from ..models.sequential import Sequential
from ..optimizers import get as optimizer_named
from ..schedules import CosineCycles, FlatCosine
from .committee import Committee
from .folds import Indices
from .linear import Linear
from .recipe import Recipe

Progress = Callable[[float], None]

# Rows that are predicted at once: outputs of all members stay small.
_CHUNK = 1 << 16
# Between the seeds of two kinds of networks: more than there are members of one.
_OTHER_SEED = 1000


def build(
    recipe: Recipe, inputs: int, outputs: int, classification: bool, seed: int, embedded: int = 0
) -> Sequential:
    """The architecture of the members.

    `embedded` is the number of the first inputs that get a periodic embedding.
    """
    settings = recipe.settings(classification)
    activation = settings.activation
    # He's variance suits units that are near zero half of the time, LeCun's the others (selu).
    initializer = "he_normal" if activation in ("relu", "mish", "silu") else "lecun_normal"
    layers: list[Any] = [Input(inputs)]
    if embedded:
        # Their gradients are large: the frequencies move all rows.
        layers.append(
            PeriodicEmbedding(
                embedded, sigma=0.5, learning_rate_multiplier=0.1, weight_decay_multiplier=0.1
            )
        )
    if recipe.scale_rate and recipe.extras:
        layers.append(Scale(learning_rate_multiplier=recipe.scale_rate))
    for width in recipe.hidden:
        layers.append(Dense(width, activation, kernel_initializer=initializer))
        if settings.dropout:
            layers.append(Dropout(settings.dropout))
    # Zeros behind hidden layers: the first predictions are the mean for any widths.
    last = "zeros" if recipe.hidden else "glorot_uniform"
    function = "softmax" if classification else "linear"
    layers.append(Dense(outputs, function, kernel_initializer=last))
    return Sequential(layers, dtype=recipe.dtype, seed=seed, name="table")


def build_linear(linear: Linear, classification: bool, dtype: str) -> Sequential:
    """A linear model as a network without hidden layers."""
    inputs, outputs = linear.kernel.shape
    function = "softmax" if classification else "linear"
    model = Sequential([Input(inputs), Dense(outputs, function)], dtype=dtype, seed=0, name="line")
    model.set_weights([linear.kernel, linear.bias])
    return model


def train(
    recipe: Recipe,
    x: Array,
    y: Array,
    outputs: int,
    classification: bool,
    held_out: Sequence[Indices],
    seed: int,
    *,
    weight: Array | None = None,
    monitor: str = "",
    epochs: int | None = None,
    progress: Progress | None = None,
    numbers: int = 0,
    bins: int = 0,
    lines: int = 0,
    executor: Any = None,
    comm: Any = None,
) -> Committee:
    """Train the recipe's networks for each part of the rows, on the others.

    Member i does not see the rows ``held_out[i % len(held_out)]``, and keeps the
    epoch that is best on them.

    Parameters
    ----------
    x : ndarray (rows, inputs)
    y : ndarray (rows,) of class numbers, or (rows, outputs)
    monitor : str, default ""
        The number of the validation that decides which epoch is best; "": the loss, without label
        smoothing.
    numbers : int, default 0
        How many of the first inputs are columns of numbers.
    bins : int, default 0
        How many of the inputs before the last `lines` ones are bins.
    lines : int, default 0
        How many of the last inputs are for linear models only.
    executor, comm : optional
        Where members are trained, see `Ensemble.fit`.
    """
    rows = len(x)
    everything = np.arange(rows)
    trained_on = [np.setdiff1d(everything, part) for part in held_out]
    smallest = min(len(part) for part in trained_on)
    batch = recipe.batch_for(smallest)
    count = epochs or recipe.epochs_for(smallest)
    steps = count * -(-smallest // batch)
    targets = y
    # Some kinds train without label smoothing; the best epoch is chosen by the same number for all.
    one_hot = classification and bool(recipe.label_smoothing)
    if one_hot:
        targets = np.eye(outputs, dtype=recipe.dtype)[y]
    elif not classification:
        targets = y.astype(recipe.dtype)
    kinds = recipe.kinds_for(numbers)
    total = sum(each for _, _, each in kinds)
    key = monitor or _loss_key(recipe, classification)
    together = recipe.together(rows)
    ensembles: list[Ensemble] = []
    for kind, (own, embedded, each) in enumerate(kinds):
        inputs = x[:, : x.shape[1] - lines - (bins if embedded else 0)]
        members = len(held_out) * each
        done = sum(len(e) for e in ensembles) // len(held_out)

        def fit(
            epochs: int,
            share: float,
            of: float,
            keep: dict[str, Any],
            kind: int = kind,
            own: Recipe = own,
            embedded: int = numbers if embedded else 0,
            inputs: Array = inputs,
            members: int = members,
            begin: float = done / total,
            size: float = each / total,
        ) -> Ensemble:
            # Another seed: other initial weights and shuffles.
            model = build(
                own, inputs.shape[1], outputs, classification, seed + kind * _OTHER_SEED, embedded
            )
            _compile(model, own, classification, steps, one_hot)
            ensemble = Ensemble(model, members)
            with warnings.catch_warnings():
                # A member that diverges is left out of the average, or ends in an error.
                warnings.filterwarnings("ignore", "the loss of ", RuntimeWarning)
                ensemble.fit(
                    inputs,
                    targets,
                    batch_size=batch,
                    epochs=epochs,
                    verbose=0,
                    sample_weight=weight,
                    indices=[trained_on[i % len(held_out)] for i in range(members)],
                    validation_indices=[held_out[i % len(held_out)] for i in range(members)],
                    on_progress=_share_of(progress, begin + share * size, of * size),
                    executor=executor,
                    comm=comm,
                    **keep,
                )
            return ensemble

        best = {
            "restore_best_weights": True,
            "monitor": key,
            "patience": recipe.patience_for(count),
        }
        ensemble = fit(count, 0, 0.5 if together else 1, best)
        if together:
            assert ensemble.history is not None
            ensemble = fit(common_epoch(ensemble.history[key], key), 0.5, 0.5, {})
        ensembles.append(ensemble)
    return Committee(ensembles)


def common_epoch(curves: Doubles, monitored: str) -> int:
    """The number of epochs after which the members' mean (epochs, members) is best, over three
    epochs; of those as good, the last."""
    known = _continued(curves, monitored).mean(axis=1)
    smooth = np.convolve(np.pad(known, 1, mode="edge"), np.full(3, 1 / 3), "valid")
    return int(len(smooth) - np.argmin(smooth[::-1]))


def optimism(committee: Committee, recipe: Recipe, classification: bool, monitor: str) -> float:
    """By how much the loss of unseen rows is too small, as each member's epoch is the best on them.

    Estimated as the growth of members' losses at the epochs that are best for the other members.
    """
    key = _loss_key(recipe, classification)
    if monitor not in ("", key):
        return 0.0
    found = []
    for ensemble in committee.ensembles:
        assert ensemble.history is not None
        curves = _continued(ensemble.history[key], key)
        members = np.arange(curves.shape[1])
        if (ensemble.history.kept_epochs == ensemble.history.kept_epochs[0]).all():
            found.append(0.0)
            continue
        others = (curves.sum(axis=1, keepdims=True) - curves).argmin(axis=0)
        found.append(float((curves[others, members] - curves.min(axis=0)).mean()))
    return float(np.mean(found))


def _continued(curves: Doubles, monitored: str) -> Doubles:
    """Curves (epochs, members) whose smallest value is best; a member that has stopped or diverged
    keeps its last known value."""
    known = -curves if monitored.endswith("accuracy") else curves.copy()
    known[0, ~np.isfinite(known[0])] = 1e30
    for before, row in itertools.pairwise(known):
        lost = ~np.isfinite(row)
        row[lost] = before[lost]
    return known


def _share_of(progress: Progress | None, begin: float, share: float) -> Progress | None:
    return None if progress is None else lambda done: progress(begin + share * done)


_SCHEDULES: dict[str, type[CosineCycles] | type[FlatCosine]] = {
    "coslog4": CosineCycles,
    "flat_cosine": FlatCosine,
}


def _compile(
    model: Sequential, recipe: Recipe, classification: bool, steps: int, one_hot: bool
) -> None:
    rate = recipe.settings(classification).learning_rate
    optimizer = optimizer_named(recipe.optimizer)
    if recipe.schedule in _SCHEDULES:
        optimizer.learning_rate = _SCHEDULES[recipe.schedule](rate, steps)
    else:
        optimizer.learning_rate = rate
    if recipe.optimizer in ("adam", "adamw"):
        optimizer.beta_2 = recipe.beta_2
    if recipe.optimizer == "adamw":
        optimizer.weight_decay = recipe.weight_decay
    if not classification:
        model.compile(optimizer, "mean_squared_error")
    elif one_hot:
        loss = CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
        model.compile(optimizer, loss, ["categorical_crossentropy", "categorical_accuracy"])
    else:
        model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])


def _loss_key(recipe: Recipe, classification: bool) -> str:
    """The name of the validation's loss without label smoothing."""
    smoothed = classification and recipe.label_smoothing
    return "val_categorical_crossentropy" if smoothed else "val_loss"


def out_of_fold(
    committee: Committee, x: Array, held_out: Sequence[Indices]
) -> tuple[Indices, Doubles, Doubles]:
    """Predictions for rows by the members that have not seen them.

    Returns
    -------
    rows : ndarray (rows,)
        The rows that some member has not seen.
    means : ndarray (kinds, rows, outputs)
        The mean output of these members, kind by kind.
    variance : ndarray (rows, outputs)
        By how much the variance of the mean of all members is smaller than that of their mean. If a
        single member has not seen a row, it is estimated from the other members.
    """
    rows = np.unique(np.concatenate(held_out))
    place = np.full(len(x), -1)
    place[rows] = np.arange(len(rows))
    outputs = committee.predict(x[:1]).shape[2]
    total = np.zeros((len(committee.ensembles), len(rows), outputs))
    kind = np.repeat(np.arange(len(total)), [len(each) for each in committee.ensembles])
    variance = np.zeros((len(rows), outputs))
    number = np.arange(len(committee)) % len(held_out)
    for at in range(0, len(x), _CHUNK):
        chunk = committee.predict(x[at : at + _CHUNK])
        for i, part in enumerate(held_out):
            inside = part[(part >= at) & (part < at + _CHUNK)]
            mine = chunk[number == i][:, inside - at].astype(np.float64)
            for k, mean in enumerate(total):
                mean[place[inside]] = mine[kind[number == i] == k].mean(axis=0)
            among = mine if len(mine) > 1 else chunk[number != i][:, inside - at]
            if len(among) > 1:
                fewer = 1 / len(mine) - 1 / len(committee)
                variance[place[inside]] = among.var(axis=0, ddof=1, dtype=np.float64) * fewer
    return rows, total, variance
