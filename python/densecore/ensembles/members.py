"""The members of an ensemble: networks of one architecture, with their parameters in one buffer."""

from typing import Any

import numpy as np

from .. import losses
from .._base import checks
from .._base.dtypes import DTYPES, Array
from ..models.heads import HeadsLoss
from ..models.loading import model_from_config
from ..models.model import Model
from ..optimizers import Optimizer
from .history import EnsembleHistory

# Checked before memory is taken: of members, and of the numbers that a history keeps (2 GiB).
MAX_MEMBERS = 2**20
MAX_NUMBERS = 2**28


class Members:
    """Networks of one architecture, which `Ensemble` trains."""

    def __init__(self, model: Model, seeds: list[int], name: str | None) -> None:
        self.name = f"{model.name}_ensemble" if name is None else checks.text("name", name)
        self.history: EnsembleHistory | None = None
        self._optimizers: tuple[Optimizer, ...] = ()
        self._model = _prototype(model)
        self._make(seeds)
        self._initialize()

    def _make(self, seeds: list[int]) -> None:
        plan = self._model._plan()
        self._core_layers = len(plan.specs)
        self._core = DTYPES[self.dtype].Ensemble(self._model._inputs, plan.specs, len(seeds))
        self._core.seeds = seeds
        self._seeds = seeds

    def _initialize(self) -> None:
        model = self._model
        model.build()
        for i, seed in enumerate(self.seeds):
            model._initialize_parameters(seed)
            self.parameters[i] = model.parameters
            self._core.states[i] = self._states_of(model)

    def _states_of(self, model: Model) -> Array:
        """The states of a model's layers, in the core's order."""
        states = [
            array
            for index in range(self._core_layers)
            for array in model._network.layer_views(index)[2].values()
        ]
        return np.concatenate([np.empty(0, self.dtype), *states])

    # What it is ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.seeds)

    def __repr__(self) -> str:
        return f"Ensemble({self._model!r}, n={len(self)})"

    def summary(self) -> None:
        """Print a table of a member's layers, and the number of all members' parameters."""
        self._model.summary()
        total = self.parameters.size
        members = f"{len(self):,} member{'s' if len(self) != 1 else ''}"
        print(f"{members}: {total:,} parameters ({self.parameters.nbytes:,} bytes)")

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``."""
        return self._model.dtype

    @property
    def parameters(self) -> Array:
        """All members' parameters as one view (members, parameters): row i as
        ``member(i).parameters``."""
        return self._core.parameters

    @property
    def optimizers(self) -> "tuple[Optimizer, ...]":
        """Each member's; their hyperparameters may be set at any time. Empty before `compile`."""
        return self._optimizers

    @property
    def seeds(self) -> list[int]:
        """A copy of the members' seeds."""
        return list(self._seeds)

    @property
    def loss(self) -> losses.Loss | None:
        """As compiled; None before."""
        return self._model.loss

    @property
    def metrics_names(self) -> list[str]:
        """``"loss"``, then the metrics."""
        return self._model.metrics_names

    @property
    def progress(self) -> dict[str, list[int]]:
        """``steps`` and ``epochs`` of each member since it was compiled; empty before."""
        if self.loss is None:
            return {}
        steps, epochs = self._core.progress()
        return {"steps": steps, "epochs": epochs}

    # Compilation ----------------------------------------------------------------------------------

    def _compile(self, optimizers: list[Optimizer]) -> None:
        """Compile the core with the loss and metrics of `_model`, and an optimizer for each."""
        model = self._model
        loss = model._compiled_loss()
        settings = [optimizer._settings for optimizer in optimizers]
        if isinstance(loss, HeadsLoss):
            self._core.compile_heads(loss.described(), settings, loss.described_metrics())
            self._optimizers = tuple(optimizers)
            return
        self._core.compile(
            loss.kind,
            loss.reduction,
            settings,
            model._describe_metrics(loss, model._outputs),
            loss.from_logits,
            loss._parameters(),
        )
        self._optimizers = tuple(optimizers)

    def _checked(self, index: int) -> int:
        """The number of a member, from 0; TypeError or IndexError if there is no such member."""
        found = checks.real(index)
        wanted = f"wanted 0 to {len(self) - 1}"
        if not isinstance(found, int):
            raise TypeError(f"member: found {checks.shown(index)}, {wanted}")
        place = found + len(self) if found < 0 else found
        if not 0 <= place < len(self):
            raise IndexError(f"member: found {checks.shown(index)}, {wanted}")
        return place


def _prototype(model: Model) -> Model:
    """A model of the same layers, which is not compiled."""
    model._refuse_own_penalties("model")
    plan = model._plan()
    if plan.functions:
        raise TypeError(
            "model: found a layer that is a Python function, wanted layers of the core only: "
            "members are trained without Python"
        )
    for layer in model._all_layers():
        if layer._constraints:
            raise TypeError(
                f"model: found constraints in the layer {layer.name}, wanted none: members are "
                "trained without Python"
            )
    if model._parts == (1, 1) and len(model.input_shape) > 2:
        raise ValueError(
            f"model: found rows of shape {model.input_shape[1:]}, wanted vectors: x.reshape(rows, "
            "-1) makes them"
        )
    if model._parts == (1, 1) and len(model.output_shape) > 2:
        raise ValueError(
            f"model: found outputs of rows of shape {model.output_shape[1:]}, wanted vectors: "
            "Flatten() as the last layer makes them"
        )
    found = model_from_config(model._architecture(), model._own_classes())
    # What layers have learnt from data by `adapt` is no initial value, which seeds would draw.
    if any(layer._adapts for layer in model._all_layers()):
        model.build()
        found.build()  # custom layers have those within them from then on
        for given, own in zip(model._all_layers(), found._all_layers(), strict=True):
            for name in given.state_names if given._adapts else ():
                own._state(name)[...] = given._state(name)
    return found


def length(name: str, value: Any) -> int:
    """How many elements a list or an array of one dimension has; TypeError for anything else."""
    return len(checks.listed(name, value, "a list with one for each member"))


def member_count(n: int | None, **given: Any) -> int:
    """The number of members: `n`, which sequences with an entry for each must agree with.

    Raises
    ------
    ValueError
        Nothing says how many, or two things differ.
    """
    counts = {
        name: length(name, value)
        for name, value in given.items()
        if value is not None and not isinstance(value, str | Optimizer)
    }
    if n is None and not counts:
        raise ValueError("n: found None, wanted the number of members")
    count = checks.integer("n", next(iter(counts.values())) if n is None else n, 1, MAX_MEMBERS)
    for name, found in counts.items():
        if found != count:
            raise ValueError(f"{name}: found {found}, wanted one for each of {count} members")
    return count
