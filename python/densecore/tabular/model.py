"""A trained model of a table: its networks, what they need to know of the table, and its card."""

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import checks, core
from .._base.dtypes import Array, Doubles
from .._base.lazy import imports
from .._saving import safetensors
from .._saving.model_file import TABLE_FORMAT as FORMAT
from ..ensembles.ensemble import Ensemble
from ..models.loading import load_model
from ..models.sequential import Sequential
from .committee import Committee
from .json_fields import finite, positive
from .preparation import ClassTarget, NumericTarget, Preparation, Surprises
from .reader import Table
from .scores import sharpened

if TYPE_CHECKING:
    from ..models.frozen import Frozen

FORMAT_VERSION = "1"


class TableModel:
    """Networks whose predictions are averaged, and the preparation of their table.

    Parameters
    ----------
    ensemble : Committee
    preparation : Preparation
    power : float, default 1.0
        What probabilities are raised to (1 / temperature), so that they are calibrated.
    residuals : ndarray (quantiles, outputs), optional
        Of a regression: quantiles of the errors of rows that were not trained on, in the units
        that the networks learn.
    card : dict, optional
        What is known of the training; JSON-able.
    """

    def __init__(
        self,
        ensemble: Committee,
        preparation: Preparation,
        power: float = 1.0,
        residuals: Doubles | None = None,
        card: dict[str, Any] | None = None,
    ) -> None:
        self.ensemble = ensemble
        self.preparation = preparation
        self.power = power
        self.residuals = residuals
        self.card = {} if card is None else card
        self._frozen: list[tuple[int, int, Frozen]] | None = None

    @property
    def target(self) -> ClassTarget | NumericTarget:
        """The kind of target: classes or numbers."""
        return self.preparation.target

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``, that of the networks."""
        return self.ensemble.dtype

    def outputs(self, table: Table, seen: Surprises | None = None) -> Doubles:
        """Probabilities, or numbers in the targets' units (rows, outputs); what is new in the table
        is told in `seen`."""
        return self.answers(self.means(table, seen))

    def outputs_of(self, x: Array) -> Doubles:
        """The same for prepared inputs (rows, inputs)."""
        return self.answers(self._means_of(x))

    def means(self, table: Table, seen: Surprises | None = None) -> Doubles:
        """The members' mean outputs (rows, outputs), for `answers` and `interval_around`."""
        return self._means_of(self.preparation.transform(table, self.dtype, seen))

    def _means_of(self, x: Array) -> Doubles:
        # Not all rows at once: the outputs of all members would be larger than the inputs.
        made = [np.empty((0, self.target.outputs))]
        for at in range(0, len(x), 1 << 16):
            made.append(self.ensemble.mean(x[at : at + (1 << 16)]))
        return np.concatenate(made)

    def outputs_of_few(self, x: Array) -> Doubles:
        """The same bits for a few rows, sooner: by frozen members, without copies."""
        if self._frozen is None:
            self._frozen = self.ensemble.frozen()
        # Sums of members that count the same: of all, or of each ensemble.
        shares = self.ensemble.shares
        sums = np.zeros((1 if shares is None else len(shares), len(x), self.target.outputs))
        parts = {x.shape[1]: x}
        for kind, inputs, member in self._frozen:
            if inputs not in parts:
                parts[inputs] = np.ascontiguousarray(x[:, :inputs])
            sums[kind] += member(parts[inputs])
        if shares is None:
            return self.answers(sums[0] / len(self._frozen))
        weighted = [
            part * (share / len(ensemble))
            for part, share, ensemble in zip(sums, shares, self.ensemble.ensembles, strict=True)
        ]
        return self.answers(sum(weighted[1:], weighted[0]))

    def answers(self, outputs: Doubles) -> Doubles:
        """Mean outputs as probabilities, calibrated, or as numbers in the targets' units."""
        if isinstance(self.target, ClassTarget):
            return sharpened(outputs, self.power)
        return self.target.restore(outputs)

    def interval(
        self, table: Table, level: float, seen: Surprises | None = None
    ) -> tuple[Doubles, Doubles]:
        """Lower and upper ends (rows, outputs) that hold the truth with probability `level`.

        From the errors of rows that were not trained on: as likely for all rows together, not for
        each by itself.

        Raises
        ------
        ValueError
            The model is of classes or knows no errors, or `level` is not between 0 and 1.
        """
        self._check_interval(level)
        return self.interval_around(self.means(table, seen), level)

    def interval_around(self, means: Doubles, level: float) -> tuple[Doubles, Doubles]:
        """The same for rows whose `means` (rows, outputs) are known."""
        residuals = self._check_interval(level)
        assert isinstance(self.target, NumericTarget)
        places = np.linspace(0, 1, len(residuals))
        ends = []
        for place in ((1 - level) / 2, (1 + level) / 2):
            shift = [np.interp(place, places, column) for column in residuals.T]
            ends.append(self.target.restore(means + np.array(shift)))
        return ends[0], ends[1]

    def _check_interval(self, level: float) -> Doubles:
        """The quantiles of the errors, if there is an interval."""
        if not 0 < level < 1:
            raise ValueError(f"interval: found {level}, wanted a share between 0 and 1")
        if not isinstance(self.target, NumericTarget) or self.residuals is None:
            raise ValueError(
                "interval: the model has none, wanted a regression that this version has trained"
            )
        return self.residuals

    # Files ----------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The arrays, and all else as JSON can hold it."""
        ensembles = self.ensemble.ensembles
        tensors: dict[str, Array] = {
            _parameters(i): ensemble.parameters for i, ensemble in enumerate(ensembles)
        }
        if self.residuals is not None:
            tensors["residuals"] = self.residuals
        config = {
            "models": [ensemble._model._architecture() for ensemble in ensembles],
            "seeds": [ensemble.seeds for ensemble in ensembles],
            "table": self.preparation.to_dict(),
            "shares": self.ensemble.shares,
            "power": self.power,
            "card": self.card,
        }
        return tensors, config

    # Pickles hold what files hold.
    def __getstate__(self) -> dict[str, Any]:
        tensors, config = self.state()
        return {"tensors": {k: v.copy() for k, v in tensors.items()}, "config": config}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(vars(type(self).from_state(state["tensors"], state["config"])))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model in one step; an existing file is replaced or left as it was."""
        tensors, config = self.state()
        safetensors.write(
            path,
            tensors,
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "densecore_version": core.__version__,
                "config": json.dumps(config, allow_nan=False),
            },
        )

    def export(self, path: str | os.PathLike[str], *, int8: bool = False) -> str:
        """Write the inference for other programs, columns by name; see
        `densecore.tabular.export.export`."""
        with imports:
            from .export import export

        return export(self, path, int8=int8)

    @classmethod
    def from_state(cls, tensors: dict[str, Array], config: dict[str, Any]) -> "TableModel":
        """The model that `state` describes; raises for impossible entries."""
        ensembles = []
        for i, (architecture, seeds) in enumerate(
            zip(config["models"], config["seeds"], strict=True)
        ):
            model = Sequential.from_config(architecture)
            ensemble = Ensemble(model, seeds=[checks.seed(seed) for seed in seeds])
            found = tensors[_parameters(i)]
            if found.shape != ensemble.parameters.shape:
                raise ValueError(
                    f"parameters: found {found.shape}, wanted {ensemble.parameters.shape}"
                )
            ensemble.parameters[...] = found
            ensembles.append(ensemble)
        if len({(e.dtype, e._model._outputs) for e in ensembles}) != 1:
            raise ValueError("models: wanted one or more with the same dtype and outputs")
        shares = config.get("shares")
        committee = Committee(ensembles, None if shares is None else [finite(s) for s in shares])
        preparation = Preparation.from_dict(
            config["table"],
            committee.inputs,
            ensembles[0]._model._outputs,
            lines=len(ensembles[-1]._model.layers) == 1,  # a linear model
        )
        card = config["card"]
        if not isinstance(card, dict):
            raise ValueError("card: wanted an object")
        return cls(
            committee, preparation, positive(config["power"]), tensors.get("residuals"), card
        )


def is_table_model(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one that `TableModel.save` has written; OSError when it cannot be read."""
    file = safetensors.open_file(path)
    try:
        return file.metadata.get("format") == FORMAT
    finally:
        file.close()


def load_table_model(path: str | os.PathLike[str]) -> TableModel:
    """Read a model that `TableModel.save`, or `densecore train` of version 0.1.0, has written.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is another file, or damaged.
    """
    name = os.fspath(path)
    file = safetensors.open_file(path)
    try:
        found = file.metadata.get("format")
        if found == FORMAT:
            return _read(file, name)
    finally:
        file.close()
    model = load_model(path)
    if "table" not in model.metadata:
        raise ValueError(
            f"{name}: the model says nothing of a table, wanted one that `densecore train` saved"
        )
    try:
        preparation = Preparation.from_dict(
            model.metadata["table"], int(model.input_shape[1] or 0), model._outputs
        )
    except ValueError as error:
        raise ValueError(f"{name}: what the model says of its table is unusable: {error}") from None
    ensemble = Ensemble(model, 1)
    ensemble.set_member(0, model)
    return TableModel(Committee([ensemble]), preparation)


# The exceptions that impossible entries of a configuration raise, wherever they are read.
_DAMAGED = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError)


def _read(file: Any, name: str) -> TableModel:
    version = file.metadata.get("format_version")
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{name}: found the format {checks.shown(version)} of a table's model, this version "
            f"reads {FORMAT_VERSION!r}: upgrade densecore"
        )
    try:
        config = safetensors.parse_json(file.metadata["config"].encode())
        shapes = _shapes(config, list(file.tensors))
        file.check(shapes)
        tensors = {}
        for key, (dtype, shape) in shapes.items():
            tensors[key] = np.empty(shape, dtype)
            file.read(key, tensors[key])
        if "residuals" in tensors and not np.isfinite(tensors["residuals"]).all():
            raise ValueError("residuals: found numbers that are not finite")
        return TableModel.from_state(tensors, config)
    except _DAMAGED as error:
        reason = " ".join(str(error).split())
        reason = reason.removeprefix(f"{name}: ")
        raise ValueError(f"{name}: the model is damaged: {reason}") from None


RESIDUAL_QUANTILES = 201


def _parameters(ensemble: int) -> str:
    """The name of an ensemble's tensor."""
    return f"parameters.{ensemble}" if ensemble else "parameters"


def _shapes(
    config: dict[str, Any], names: Sequence[str]
) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """The tensors that a configuration implies; raises for an impossible one."""
    finite(config["power"])
    shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
    for i, (architecture, seeds) in enumerate(zip(config["models"], config["seeds"], strict=True)):
        model = Sequential.from_config(architecture)
        shapes[_parameters(i)] = model._dtype, (len(seeds), model._tensor_shapes()[1])
    if "residuals" in names:
        outputs = model._outputs
        shapes["residuals"] = (np.dtype(np.float64), (RESIDUAL_QUANTILES, outputs))
    return shapes
