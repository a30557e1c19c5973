"""Members of an ensemble as models, and ensembles as files and pickles."""

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import metrics, optimizers
from .._base import checks, core
from .._base.dtypes import Array
from .._base.subnormals import flush_subnormals
from .._saving import safetensors
from ..losses.registry import stored_config
from ..models.heads import loss_of_model
from ..models.loading import model_from_config
from ..models.model import Model
from .members import Members, length

FORMAT = "densecore-ensemble"
FORMAT_VERSION = "1"


# Optimizers -------------------------------------------------------------------------------------


def copies(given: Any, rates: Sequence[Any] | None, members: int) -> list[optimizers.Optimizer]:
    """An optimizer for each member, which shares nothing with the others.

    Raises
    ------
    ValueError
        There are not as many as members.
    """
    single = isinstance(given, str | optimizers.Optimizer)
    if not single and length("optimizer", given) != members:
        raise ValueError(
            f"optimizer: found {len(given)}, wanted one, or one for each of {members} members"
        )
    if rates is not None and length("learning_rates", rates) != members:
        raise ValueError(
            f"learning_rates: found {len(rates)}, wanted one for each of {members} members"
        )
    made = []
    for i in range(members):
        try:
            copy = _copy(optimizers.get(given if single else given[i]))
            if rates is not None:
                rate = rates[i]
                copy.learning_rate = rate.item() if isinstance(rate, np.generic) else rate
        except (TypeError, ValueError) as error:
            raise checks.prefixed(f"member {i}", error) from None
        made.append(copy)
    return made


def _copy(optimizer: optimizers.Optimizer) -> optimizers.Optimizer:
    return optimizers.get(optimizer._config())


# Members as models ------------------------------------------------------------------------------


def model_of(ensemble: Members, index: int) -> Model:
    """A member as a model of its own."""
    prototype = ensemble._model
    config = prototype._architecture()
    config.update(seed=ensemble.seeds[index], name=f"{prototype.name}_{index}")
    model = model_from_config(config, prototype._own_classes())
    model._make_network()
    model.parameters[...] = ensemble.parameters[index]
    _set_states(model, ensemble._core.states[index], ensemble._core_layers)
    if prototype.loss is not None:
        model._optimizer = _copy(ensemble.optimizers[index])
        model._loss = prototype.loss
        model._metrics = list(prototype._metrics)
        model._weighted_metrics = list(prototype._weighted_metrics)
    model._network_changed()
    if prototype.loss is not None:
        steps, epochs = ensemble._core.progress()
        model._set_progress({"steps": steps[index], "epochs": epochs[index]})
        states = model._network.optimizer_states()
        for name, state in ensemble._core.optimizer_states(index).items():
            states[name][...] = state
    return model


def take_over(ensemble: Members, index: int, model: Model) -> None:
    """Put a model in a member's place."""
    own, given = _layers(ensemble._model), _layers(model)
    if model.dtype != ensemble.dtype or own != given:
        raise ValueError(
            f"set_member: found {model!r}, wanted the ensemble's architecture, {ensemble._model!r}"
        )
    if model.loss is not None and ensemble.loss is not None:
        states = model._network.optimizer_states()
        members = list(ensemble.optimizers)
        members[index] = _copy(model.optimizer)  # type: ignore[arg-type]
        if members[index].state_names() != list(ensemble._core.optimizer_states(index)):
            raise ValueError(
                f"set_member: found the optimizer {model.optimizer!r}, wanted one that keeps the "
                f"same arrays as {ensemble.optimizers[index]!r}"
            )
        _recompile(ensemble, members)
        for name, state in ensemble._core.optimizer_states(index).items():
            state[...] = states[name]
        ensemble._core.set_progress(index, model._network.steps, model._network.epochs)
    ensemble.parameters[index] = model.parameters
    ensemble._core.states[index] = ensemble._states_of(model)
    ensemble._seeds[index] = model.seed
    ensemble._core.seeds = ensemble._seeds


def _layers(model: Model) -> list[Any]:
    return [model._inputs, *model._plan().specs]


def _recompile(ensemble: Members, members: list[optimizers.Optimizer]) -> None:
    """The same compilation with other optimizers of the same rules: all states stay."""
    everything = tensors_of(ensemble)
    kept = {name: array.copy() for name, array in everything.items()}
    progress = ensemble.progress
    ensemble._compile(members)
    fill(ensemble, kept, progress)


def _set_states(model: Model, values: Array, layers: int) -> None:
    begin = 0
    for index in range(layers):
        for array in model._network.layer_views(index)[2].values():
            array[...] = values[begin : begin + array.size]
            begin += array.size


# Files and pickles ------------------------------------------------------------------------------


def tensors_of(ensemble: Members) -> dict[str, Array]:
    """``parameters``, ``states``, ``optimizer.<name>``: a row for each member."""
    tensors: dict[str, Array] = {"parameters": ensemble.parameters}
    if ensemble._core.states.size:
        tensors["states"] = ensemble._core.states
    if ensemble.loss is not None:
        for i in range(len(ensemble)):
            for name, state in ensemble._core.optimizer_states(i).items():
                key = f"optimizer.{name}"
                if key not in tensors:
                    tensors[key] = np.zeros_like(ensemble.parameters)
                tensors[key][i] = state
    return tensors


def fill(ensemble: Members, tensors: dict[str, Array], progress: dict[str, list[int]]) -> None:
    """Set the members to the state that `tensors_of` and `progress` describe."""
    ensemble.parameters[...] = tensors["parameters"]
    flush_subnormals(ensemble.parameters)
    if "states" in tensors:
        ensemble._core.states[...] = tensors["states"]
    if ensemble.loss is None:
        return
    for i in range(len(ensemble)):
        for name, state in ensemble._core.optimizer_states(i).items():
            state[...] = tensors[f"optimizer.{name}"][i]
        ensemble._core.set_progress(i, progress["steps"][i], progress["epochs"][i])


def state_of(ensemble: Members) -> dict[str, Any]:
    """The state in a pickle; the history stays behind."""
    model = ensemble._model
    config = model._architecture()
    compiled = None
    if model.loss is not None:
        compiled = (model.loss, model._metrics, model._weighted_metrics, list(ensemble.optimizers))
    return {
        "name": ensemble.name,
        "config": config,
        "seeds": ensemble.seeds,
        "compiled": compiled,
        "progress": ensemble.progress,
        "tensors": {name: array.copy() for name, array in tensors_of(ensemble).items()},
    }


def restore(ensemble: Members, state: dict[str, Any]) -> None:
    """Set an ensemble to the state that `state_of` describes."""
    _begin(ensemble, state["name"], state["config"], list(state["seeds"]))
    if state["compiled"] is not None:
        model = ensemble._model
        model._loss, model._metrics, model._weighted_metrics, members = state["compiled"]
        ensemble._compile([_copy(optimizer) for optimizer in members])
    fill(ensemble, state["tensors"], state["progress"])


def _begin(ensemble: Members, name: str, config: dict[str, Any], seeds: list[int]) -> None:
    ensemble.name = name
    ensemble.history = None
    ensemble._optimizers = ()
    ensemble._model = model_from_config(config)
    ensemble._make(seeds)
    ensemble._model.build()


def write(ensemble: Members, path: str | os.PathLike[str]) -> None:
    """Write an ensemble in one step; an existing file is replaced or left as it was."""
    config: dict[str, Any] = {
        "name": ensemble.name,
        "model": ensemble._model._architecture(),
        "seeds": ensemble.seeds,
    }
    loss = ensemble.loss
    if loss is not None:
        # Most often all have the same: once each.
        texts = [json.dumps(o._file_config()) for o in ensemble.optimizers]
        different = list(dict.fromkeys(texts))
        numbers = {text: number for number, text in enumerate(different)}
        config["compile"] = {
            "optimizers": [json.loads(text) for text in different],
            "optimizer_of": [numbers[text] for text in texts],
            "loss": stored_config(loss),
            "metrics": metrics.config_of(ensemble._model._metrics),
            "weighted_metrics": metrics.config_of(ensemble._model._weighted_metrics),
        }
    safetensors.write(
        path,
        tensors_of(ensemble),
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "densecore_version": core.__version__,
            "config": json.dumps(config, allow_nan=False),
            "progress": json.dumps(ensemble.progress),
        },
    )


def read_into(ensemble: Members, path: str | os.PathLike[str]) -> None:
    """Set an ensemble to the contents of a file.

    Raises
    ------
    ValueError
        It is another file, or damaged: nothing is allocated for what its size does not confirm.
    """
    file, name = safetensors.open_file(path), checks.path("path", path)
    try:
        if file.metadata.get("format") != FORMAT:
            raise ValueError(
                f"{name}: a safetensors file, but not an ensemble (load_model reads models)"
            )
        if file.metadata.get("format_version") != FORMAT_VERSION:
            version = checks.shown(file.metadata.get("format_version"))
            raise ValueError(
                f"{name}: found the format {version}, wanted {FORMAT_VERSION!r}: upgrade densecore"
            )
        try:
            config = safetensors.parse_json(file.metadata["config"].encode())
            progress = safetensors.parse_json(file.metadata["progress"].encode())
            shapes = _shapes(config, progress)
        except _DAMAGED as error:
            reason = checks.one_line(str(error))
            raise ValueError(f"{name}: the ensemble is damaged: {reason}") from None
        file.check(shapes)
        tensors = {}
        for key, (dtype, shape) in shapes.items():
            tensors[key] = np.empty(shape, dtype)
            file.read(key, tensors[key])
    finally:
        file.close()
    try:
        _begin(ensemble, config["name"], config["model"], config["seeds"])
        if "compile" in config:
            compiled, model = config["compile"], ensemble._model
            model._loss = loss_of_model(compiled["loss"])
            model._metrics = metrics.get_all("metrics", compiled["metrics"])
            weighted = compiled["weighted_metrics"]
            model._weighted_metrics = metrics.get_all("weighted_metrics", weighted)
            ensemble._compile(_optimizers(compiled))
    except _DAMAGED as error:
        reason = checks.one_line(str(error))
        raise ValueError(f"{name}: the ensemble is damaged: {reason}") from None
    fill(ensemble, tensors, progress)


# What impossible entries of a configuration raise, wherever they are looked at.
_DAMAGED = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError)


def _optimizers(compiled: dict[str, Any]) -> list[optimizers.Optimizer]:
    return [optimizers.get(dict(compiled["optimizers"][i])) for i in compiled["optimizer_of"]]


def _shapes(
    config: dict[str, Any], progress: dict[str, Any]
) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """The tensors that a configuration implies; raises for an impossible one."""
    model = model_from_config(config["model"])
    members = len([checks.seed(seed) for seed in config["seeds"]])
    layers, parameters = model._tensor_shapes()
    total = sum(int(np.prod(shape)) for shape in layers.values())
    shapes = {"parameters": (members, parameters)}
    if total > parameters:
        shapes["states"] = (members, total - parameters)
    if "compile" in config:
        for counter in ("steps", "epochs"):
            values = progress[counter]
            if len(values) != members or not all(type(v) is int and 0 <= v < 2**62 for v in values):
                raise ValueError(f"{counter}: wanted a number for each member")
        found = _optimizers(config["compile"])
        if len(found) != members:
            raise ValueError(f"optimizers: found {len(found)}, wanted {members}")
        for optimizer in found:
            for name in optimizer.state_names():
                shapes[f"optimizer.{name}"] = (members, parameters)
    return {name: (model._dtype, shape) for name, shape in shapes.items()}
