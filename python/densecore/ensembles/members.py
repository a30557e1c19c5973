"""The members of an ensemble: their parameters in one buffer, each as a model, all in a file."""

import os
from typing import Any, Self

import numpy as np

from .. import losses, optimizers
from .._base import checks
from .._base.dtypes import DTYPES, Array
from ..models.layer_stack import Stack
from ..models.sequential import Sequential
from . import serialization as ensemble_file
from .history import EnsembleHistory


class Members:
    """Networks of one architecture, which `Ensemble` trains."""

    def __init__(self, model: Sequential, seeds: list[int], name: str | None) -> None:
        self.name = name if name is not None else f"{model.name}_ensemble"
        self.history: EnsembleHistory | None = None
        self.optimizers: list[Any] = []
        self._model = _prototype(model)
        self._make(seeds)
        self._initialize()

    def _make(self, seeds: list[int]) -> None:
        plan = self._model._plan()
        self._core_layers = len(plan.specs)
        self._core = DTYPES[self.dtype].Ensemble(self._model._inputs, plan.specs, len(seeds))
        self._core.seeds = seeds
        self.seeds = seeds

    def _initialize(self) -> None:
        model = self._model
        model.build()
        for i, seed in enumerate(self.seeds):
            model._initialize_parameters(seed)
            self.parameters[i] = model.parameters
            self._core.states[i] = self._states_of(model)

    def _states_of(self, model: Sequential) -> Array:
        """What a model's layers have besides parameters, in the core's order."""
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
        """Print a table of a member's layers, and what the members have together."""
        self._model.summary()
        total = self.parameters.size
        print(f"{len(self):,} members: {total:,} parameters ({self.parameters.nbytes:,} bytes)")

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

    # Members and files --------------------------------------------------------------------------

    def member(self, index: int) -> Sequential:
        """A copy of a member as an ordinary model, with its optimizer's state: its training goes
        on with the same bits."""
        return ensemble_file.model_of(self, self._checked(index))

    def set_member(self, index: int, model: Sequential) -> None:
        """Put a model's weights in a member's place; of a compiled one that was made by `member`
        also its optimizer, with its state.

        Raises
        ------
        ValueError
            The model has another architecture.
        """
        ensemble_file.take_over(self, self._checked(index), model)

    def _checked(self, index: int) -> int:
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"member: found {index}, wanted 0 to {len(self) - 1}")
        return place

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all members, their optimizers' states and counters to one safetensors file."""
        ensemble_file.write(self, path)

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
        ensemble_file.read_into(ensemble, path)
        return ensemble

    def __getstate__(self) -> dict[str, Any]:
        return ensemble_file.state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        ensemble_file.restore(self, state)


def _prototype(model: Sequential) -> Sequential:
    """A model of the same layers, which is not compiled."""
    plan = model._plan()
    if plan.functions:
        raise TypeError(
            "model: found a layer that is a Python function, wanted layers of the core only: "
            "members are trained without Python"
        )
    if model._flattens and len(model.input_shape) > 2:
        raise ValueError(
            f"model: found rows of shape {model.input_shape[1:]}, wanted vectors: x.reshape(rows, "
            "-1) makes them"
        )
    return Sequential.from_config(Stack.get_config(model))


def member_count(n: int | None, **given: Any) -> int:
    """How many members there are to be: `n`, and as many as of whatever is given for each.

    Raises
    ------
    ValueError
        Nothing says how many, or two things differ.
    """
    counts = {
        name: len(value)
        for name, value in given.items()
        if value is not None and not isinstance(value, str | optimizers.Optimizer)
    }
    if n is None and not counts:
        raise ValueError("n: found None, wanted the number of members")
    count = checks.integer("n", next(iter(counts.values())) if n is None else n, 1)
    for name, found in counts.items():
        if found != count:
            raise ValueError(f"{name}: found {found}, wanted one for each of {count} members")
    return count
