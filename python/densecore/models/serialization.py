"""A model as data: its configuration, pickles and copies, and what a file holds of it."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .. import losses, metrics, optimizers
from .._base.dtypes import Array
from .._base.files import check_overwrite
from .._saving import model_file
from ..losses.function import CallableLoss
from .derivatives import Derivatives
from .layer_stack import Stack
from .on_batch import CORE_CALLS

if TYPE_CHECKING:
    from torch import nn


class Persistent(Derivatives):
    """A model that can be described, copied and saved."""

    @property
    def _keeps_compilation(self) -> bool:
        """Whether a file can say how the model is compiled: not with a function as the loss."""
        return self.loss is not None and not isinstance(self.loss, CallableLoss)

    def get_config(self) -> dict[str, Any]:
        """Architecture, and how it is compiled, as JSON can hold it: `from_config` reads it."""
        config = super().get_config()
        if self._keeps_compilation:
            assert self.optimizer is not None
            assert self.loss is not None
            config["compile"] = {
                "optimizer": self.optimizer.get_config(),
                "loss": self.loss.get_config(),
                "metrics": metrics.config_of(self._metrics),
            }
            if self._weighted_metrics:
                weighted = metrics.config_of(self._weighted_metrics)
                config["compile"]["weighted_metrics"] = weighted
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new model, with initial weights, that `get_config` describes.

        Raises
        ------
        ValueError
            The configuration has a missing, unknown or impossible entry.
        """
        try:
            model = cls(dtype=config["dtype"], seed=config["seed"], name=config["name"])
            model._add_from_config(config)
            if "compile" in config:
                compiled = config["compile"]
                model.optimizer = optimizers.get(dict(compiled["optimizer"]))
                model.loss = losses.get(dict(compiled["loss"]))
                model._metrics = metrics.get_all("metrics", compiled["metrics"])
                model._weighted_metrics = metrics.get_all(
                    "weighted_metrics", compiled.get("weighted_metrics")
                )
                model._describe_metrics(model.loss.kind, model.output_shape[1])
        except KeyError as error:
            raise ValueError(f"configuration: found no entry {error}") from None
        except (AttributeError, TypeError, RuntimeError, OverflowError) as error:
            raise ValueError(f"configuration: {error}") from None
        return model

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write architecture, parameters, optimizer state, counters and ``metadata`` to one file.

        The format is safetensors: other programs read the tensors, and nothing in it is executed.
        An existing file is replaced in one step or not at all. A model whose loss is a function is
        written as an uncompiled one: after loading compile it again.

        Parameters
        ----------
        filepath : path
        overwrite : bool
            False: an existing file is an error.

        Raises
        ------
        TypeError
            ``metadata`` holds something that JSON cannot; the learning rate is a function, or a
            schedule of a class of one's own.
        FileExistsError
            There is a file, and `overwrite` is False.
        OSError
            The file cannot be written; an older one is as it was.
        """
        check_overwrite(filepath, overwrite)
        tensors = self._tensors()
        config = self.get_config()
        if self._keeps_compilation:
            assert self.optimizer is not None
            config["compile"]["optimizer"] = self.optimizer._file_config()
        model_file.write(filepath, config, self.progress, self.metadata, tensors)

    def export(self, path: str | os.PathLike[str], *, int8: bool = False) -> str:
        """Write the model's inference for other programs; see `densecore.export.export`."""
        from ..export import export

        return export(self, path, int8=int8)

    def to_keras(self) -> Any:
        """The model as a Keras model; see `densecore.export.keras.to_keras`."""
        from ..export.keras import to_keras

        return to_keras(self)

    def to_torch(self) -> "nn.Sequential":
        """The model as PyTorch modules; see `densecore.export.torch.to_torch`."""
        from ..export.torch import to_torch

        return to_torch(self)

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

    # Pickles and copies -------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: what a file holds, in memory; the history stays behind."""
        if self._kept:
            self.build()
        own = {"_input", "_layers", "_network_or_none", "history", *CORE_CALLS}
        return {
            "stack": Stack.get_config(self),
            "attributes": {key: value for key, value in vars(self).items() if key not in own},
            "progress": self.progress if self.built else {},
            "open_passes": self._network.open_passes if self.built else 0,
            "tensors": {k: v.copy() for k, v in self._tensors().items()} if self.built else None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        config = state["stack"]
        Persistent.__init__(self, dtype=config["dtype"], seed=config["seed"], name=config["name"])
        self._add_from_config(config)
        vars(self).update(state["attributes"])
        if state["tensors"] is None:
            return
        self._make_parameters()
        if self._compiled:
            self._compile()
            self._network.steps = state["progress"]["steps"]
            self._network.epochs = state["progress"]["epochs"]
        self._network.open_passes = state["open_passes"]
        for name, view in self._tensors().items():
            view[...] = state["tensors"][name]
        self._network_changed()
