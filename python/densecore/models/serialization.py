"""A model as data: its configuration, pickles and copies, and the contents of its files."""

import json
import os
import weakref
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Self

import numpy as np

from .. import losses, metrics, optimizers
from .._base import checks
from .._base.dtypes import Array
from .._base.files import check_overwrite
from .._base.lazy import imports
from .._base.registry import CustomObjectScope
from .._base.warn import warn
from .._saving import model_file, weights_file
from ..losses.function import CallableLoss
from ..losses.registry import stored_config
from .added_only import AddedOnly
from .compiled import Compiled
from .heads import HeadsLoss, heads_from, loss_of
from .keras_form import from_keras_form, to_keras_form
from .nesting import KINDS
from .own_steps import ModelLoss


class Serializable(Compiled):
    """A model that can be described, copied and saved."""

    @property
    def _keeps_compilation(self) -> bool:
        """Whether a file can say how the model is compiled: not with a custom loss whose options
        JSON cannot hold."""
        if isinstance(self.loss, AddedOnly | ModelLoss):
            return False
        if not isinstance(self.loss, CallableLoss | HeadsLoss):
            return self.loss is not None
        try:
            json.dumps(self.loss.get_config())
        except TypeError:
            return False
        return True

    def get_config(self) -> dict[str, Any]:
        """Architecture, and how it is compiled, as JSON can hold it: `from_config` reads it.

        As in Keras ``config["layers"]`` begins with the inputs, and each entry has ``class_name``
        and ``config``.
        """
        config = to_keras_form(self._architecture())
        if self._keeps_compilation:
            assert self.optimizer is not None
            config["compile"] = self._compile_config(self.optimizer.get_config())
        return config

    def _compile_config(self, optimizer: dict[str, Any]) -> dict[str, Any]:
        assert self.loss is not None
        config = {
            "optimizer": optimizer,
            "loss": stored_config(self.loss),
            "metrics": metrics.config_of(self._metrics),  # of several outputs with the losses
        }
        if self._weighted_metrics:
            config["weighted_metrics"] = metrics.config_of(self._weighted_metrics)
        return config

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """A new model, with initial weights, that `get_config` describes.

        Parameters
        ----------
        config : dict
        custom_objects : dict, optional
            Custom losses, metrics and layers by the names that the configuration has.

        Raises
        ------
        ValueError
            The configuration has a missing, unknown or impossible entry.
        """
        if not isinstance(config, Mapping):
            raise TypeError(f"configuration: found {checks.shown(config)}, wanted a dictionary")
        if custom_objects is not None:
            with CustomObjectScope(custom_objects):
                return cls.from_config(config)
        kind = KINDS.get(str(config.get("class", "Sequential")), cls)
        if kind is not cls and issubclass(kind, cls):  # of `Model`, which is no kind itself
            found: Self = kind.from_config(config)
            return found
        try:
            config = from_keras_form(config)
            model = cls._empty(config)
            model._add_from_config(config)
            if "compile" in config:
                compiled = config["compile"]
                loss = _stored_loss(compiled["loss"])
            else:
                loss = None
            if loss is not None:
                model._optimizer = optimizers.get(dict(compiled["optimizer"]))
                vars(model._optimizer)["_model"] = weakref.ref(model)
                model._loss = loss
                model._metrics = metrics.get_all("metrics", compiled["metrics"])
                model._weighted_metrics = metrics.get_all(
                    "weighted_metrics", compiled.get("weighted_metrics")
                )
                model._describe_metrics(loss, model._outputs)
        except KeyError as error:
            raise ValueError(f"configuration: found no entry {error}") from None
        except (AttributeError, IndexError, TypeError, RuntimeError, OverflowError) as error:
            raise ValueError(f"configuration: {error}") from None
        return model

    @classmethod
    def _empty(cls, config: Mapping[str, Any]) -> Self:
        """A new model without layers."""
        return cls(dtype=config["dtype"], seed=config["seed"], name=config["name"])

    def to_json(self, **formatting: Any) -> str:
        """`get_config` as text, in Keras's form, for ``models.model_from_json``.

        Parameters
        ----------
        **formatting
            Of ``json.dumps``, such as ``indent``.
        """
        config = self.get_config()
        kind = config.get("class", "Sequential")
        return json.dumps({"class_name": kind, "config": config}, **formatting)

    # Files ----------------------------------------------------------------------------------------

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        *,
        include_optimizer: bool = True,
        zipped: bool | None = None,
        save_format: str | None = None,
    ) -> None:
        """Write architecture, parameters, optimizer state, counters and ``metadata`` to one file.

        The format is safetensors: other programs read the tensors, and nothing in it is executed.
        An existing file is replaced in one step or not at all. A model whose loss is a function is
        written as an uncompiled one: after loading compile it again.

        Parameters
        ----------
        filepath : path
        overwrite : bool, default True
            False: an existing file is an error.
        include_optimizer : bool, default True
            Whether the file says how the model is compiled, and has the optimizer's state.
        zipped, save_format
            Keras's, and without effect.

        Raises
        ------
        TypeError
            ``metadata`` holds something that JSON cannot.
        FileExistsError
            There is a file, and `overwrite` is False.
        OSError
            The file cannot be written; an older one is as it was.

        Warns
        -----
        UserWarning
            The learning rate is a function, or a schedule of an unknown class: the file holds its
            present value.
        """
        check_overwrite(filepath, overwrite)
        with self._reserved(reading=True):
            if checks.flag("include_optimizer", include_optimizer):
                config, tensors = self._file_config(), self._tensors()
            else:
                config, tensors = self._architecture(), self._parameter_tensors()
            model_file.write(filepath, config, self.progress, self.metadata, tensors)

    def export(self, path: str | os.PathLike[str], *, int8: bool = False) -> str:
        """Write the model's inference for other programs; see `densecore.export.export`."""
        with imports:
            from ..export import export

        return export(self, path, int8=int8)

    def to_jax(self) -> tuple[Any, dict[str, dict[str, Any]]]:
        """A pure function of JAX and the pytree of its parameters; see
        `densecore.export.jax.to_jax`."""
        with imports:
            from ..export.jax import to_jax

        return to_jax(self)

    def parameter_tree(self) -> dict[str, dict[str, Any]]:
        """Copies of the arrays by layer and name; see `densecore.export.jax.parameter_tree`."""
        with imports:
            from ..export.jax import parameter_tree

        return parameter_tree(self)

    def set_parameter_tree(self, tree: Any) -> None:
        """Set all arrays from a pytree; see `densecore.export.jax.set_parameter_tree`."""
        with imports:
            from ..export.jax import set_parameter_tree

        set_parameter_tree(self, tree)

    def to_keras(self) -> Any:
        """The model as a Keras model; see `densecore.export.keras.to_keras`."""
        with imports:
            from ..export.keras import to_keras

        return to_keras(self)

    def to_torch(self, *, optimizer: bool = False) -> Any:
        """The model as PyTorch modules; see `densecore.export.torch.to_torch`."""
        with imports:
            from ..export.torch import to_torch

        return to_torch(self, optimizer=optimizer)

    def _file_config(self) -> dict[str, Any]:
        """`get_config` as a file holds it; a learning rate that no file can hold is its number."""
        config = self._architecture()
        if self._keeps_compilation:
            assert self.optimizer is not None
            config["compile"] = self._compile_config(self.optimizer._file_config())
        return config

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights to a safetensors file, whatever ending its name has.

        Parameters
        ----------
        filepath : path
        overwrite : bool, default True
            False: an existing file is an error.

        Raises
        ------
        FileExistsError
            There is a file, and `overwrite` is False.
        OSError
            The file cannot be written; an older one is as it was.
        """
        check_overwrite(filepath, overwrite)
        with self._reserved(reading=True):
            weights_file.write(filepath, self._parameter_tensors())

    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Read the weights from a file of `save_weights`, from a model file, or from a weights file
        of Keras (``.weights.h5``, ``.h5``; needs h5py) of the same layers.

        Nothing changes when one does not fit.

        Raises
        ------
        OSError
            The file cannot be read.
        ImportError
            It is a file of Keras's, and h5py is not installed.
        ValueError
            It is not such a file, or of other layers.
        """
        filepath = checks.path("filepath", filepath)
        if weights_file.is_hdf5(filepath):
            with imports:
                from .._saving import keras_files

            with self._reserved():
                keras_files.load_into(filepath, self.layers)
            return
        with self._reserved():
            weights_file.read(filepath, self._parameter_tensors())

    def _expected_tensors(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Dtype and shape of each of `_tensors`, before the network exists."""
        shapes, parameters = self._tensor_shapes()
        if self.optimizer is not None:
            for name in self.optimizer.state_names():
                shapes[f"optimizer.{name}"] = (parameters,)
        return {name: (self._dtype, shape) for name, shape in shapes.items()}

    def _tensors(self) -> dict[str, Array]:
        """Every array that a model file holds, as views: saving reads them, loading writes them."""
        tensors = self._parameter_tensors()
        if self._keeps_compilation:
            for name, state in self._network.optimizer_states().items():
                tensors[f"optimizer.{name}"] = state
        return tensors

    def _set_progress(self, progress: Mapping[str, int]) -> None:
        """Count steps and epochs on from these numbers."""
        self._network.steps = progress["steps"]
        self._network.epochs = progress["epochs"]

    # Pickles and copies ---------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: the contents of a file, in memory; the history stays behind."""
        with self._reserved(reading=True) if self.built else nullcontext():
            return self._state()

    def _state(self) -> dict[str, Any]:
        left_out = self._not_pickled | self._bound
        built = self.built
        return {
            "stack": self._architecture(),
            "classes": self._own_classes(),
            "attributes": {key: value for key, value in vars(self).items() if key not in left_out},
            "progress": self.progress if built else {},
            "open_passes": self._network.open_passes if built else 0,
            # Plain arrays: skops makes others by their class, which takes no array.
            "tensors": {k: np.array(v) for k, v in self._tensors().items()} if built else None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        config = state["stack"]
        Serializable.__init__(self, config["dtype"], config["seed"], config["name"])
        with CustomObjectScope(state.get("classes", {})):
            self._add_from_config(config)
        self._restore(state)

    def _restore(self, state: dict[str, Any]) -> None:
        """Take what a pickle has besides the architecture."""
        # Version 0.1 had them without an underscore.
        renamed = {"loss": "_loss", "optimizer": "_optimizer", "seed": "_seed"}
        for name, value in state["attributes"].items():
            vars(self)[renamed.get(name, name)] = value
        if state["tensors"] is None:
            return
        self._make_network()
        self._network_changed()
        if state["progress"]:
            self._set_progress(state["progress"])
        self._network.open_passes = state["open_passes"]
        for name, view in self._tensors().items():
            view[...] = state["tensors"][name]


def _stored_loss(config: Any) -> losses.Loss | None:
    """The loss that a configuration has; None, with a warning, for one of a user's that is not
    known here: the model is then not compiled."""
    if config.get("name") == HeadsLoss.kind:
        return _known_heads(config)
    found = loss_of(config)
    if found is None:
        warn(
            f"the loss {config['name']!r} is not known here: the model is not compiled "
            f"(load_model(..., custom_objects={{{config['name']!r}: ...}}), or "
            "saving.register_keras_serializable, makes it known)"
        )
    return found


def _known_heads(config: Mapping[str, Any]) -> losses.Loss | None:
    """The losses of several outputs; None when one of them is not known here."""
    for entry in config["heads"]:
        if entry["loss"] is not None and _stored_loss(entry["loss"]) is None:
            return None
    return heads_from(config)
