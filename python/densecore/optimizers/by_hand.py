"""Steps of an optimizer on arrays that a program names itself: Keras's ``apply_gradients``."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from .._base import checks, core
from .._base.dtypes import DTYPES, Array, Network
from .._base.keras_arrays import Variable


class ByHand:
    """A mixin of optimizers: a step with given gradients, and the arrays that are kept.

    The arrays lie side by side in a network of the core, which makes the step: copied in before it,
    and back after it. A loop around a model costs less with ``model.apply_gradients()``.
    """

    name: str

    @property
    def _settings(self) -> core.OptimizerSettings:
        raise NotImplementedError

    def _model_or_none(self) -> Any:
        found: Any = vars(self).get("_model", lambda: None)()
        return found

    def build(self, variables: Iterable[Any]) -> None:
        """Make the arrays that are kept for these variables, unless they are there.

        Parameters
        ----------
        variables : iterable of arrays
            Weights of layers and models, or ``keras.Variable``.
        """
        given = list(variables)
        shapes = [np.shape(one) for one in given]
        known = vars(self).get("_by_hand")
        if known is not None and known[0] == shapes:
            return
        if known is not None:
            raise ValueError(
                f"{self.name}: found variables of shapes {shapes}, wanted those of the first call, "
                f"{known[0]}: what is kept for each belongs to it"
            )
        if not given:
            raise ValueError(f"{self.name}: found no variables, wanted at least one")
        dtype = max((_dtype_of(one) for one in given), key=lambda dtype: dtype.itemsize)
        size = sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes)
        stack = [{"kind": "dense", "units": 1, "activation": "linear", "use_bias": False,
                  "trainable": True, "penalties": [[0.0, 0.0], [0.0, 0.0]]}]  # fmt: skip
        network = DTYPES[dtype.name].Network(checks.width("variables: elements", size), stack)
        settings = self._settings
        network.compile("mean_squared_error", "sum_over_batch_size", settings, [], 0, False, [])
        vars(self)["_by_hand"] = (shapes, network)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> None:
        """One step, for pairs of a gradient and a variable: ``zip(gradients, variables)``.

        Parameters
        ----------
        grads_and_vars : iterable of (array_like or None, array)

        Raises
        ------
        ValueError, TypeError
            As of `apply`.
        """
        pairs = checks.elements(
            "grads_and_vars", grads_and_vars, "pairs of a gradient and a variable"
        )
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise TypeError(
                    f"grads_and_vars: found {checks.shown(pair)} in it, wanted pairs of a gradient "
                    "and a variable"
                )
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Any] | None = None) -> None:
        """One step with these gradients; the variables get the new numbers.

        Parameters
        ----------
        grads : iterable of array_like or None
            Of the shapes of the variables; None leaves one as it is but for what is kept for it.
        trainable_variables : iterable of arrays, optional
            Of float32 or float64, the same in each call. By default those of the model that is
            compiled with it.

        Raises
        ------
        ValueError, TypeError
            Another number of gradients, other shapes, no numbers, or a variable that cannot be
            written to; nothing is changed.
        """
        model = self._model_or_none()
        if trainable_variables is None and model is not None:
            trainable_variables = model.trainable_weights
        if trainable_variables is None:
            raise ValueError(f"{self.name}: apply: found no variables, wanted those of the step")
        gradients = checks.elements("grads", grads, "gradients")
        variables = checks.elements("trainable_variables", trainable_variables, "arrays")
        if len(gradients) != len(variables):
            raise ValueError(
                f"{self.name}: found {len(gradients)} gradients for {len(variables)} variables"
            )
        for variable in variables:
            _check_variable(self.name, variable)
        flat = [_checked(self.name, *pair) for pair in zip(gradients, variables, strict=True)]
        places = None if model is None or not model.built else places_of(model._network, variables)
        if places is not None:
            model._network.gradients[...] = 0
            for place, gradient in zip(places, flat, strict=True):
                model._network.gradients[place] = gradient
            model.apply_gradients()
            return
        self.build(variables)
        _, network = vars(self)["_by_hand"]
        network.parameters[...] = np.concatenate([np.asarray(one).reshape(-1) for one in variables])
        network.gradients[...] = np.concatenate(flat)
        network.apply_gradients()
        first = 0
        for variable in variables:
            size = int(np.prod(np.shape(variable), dtype=np.int64))
            new = network.parameters[first : first + size].reshape(np.shape(variable))
            if hasattr(variable, "assign"):
                variable.assign(new)
            else:
                variable[...] = new
            first += size

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Let weight decay leave some variables alone, such as biases; before `compile`.

        Parameters
        ----------
        var_list : list of arrays, optional
            Weights of the model.
        var_names : str or list of str, optional
            What their names, such as ``"dense/bias"``, contain (regular expressions).

        Raises
        ------
        ValueError, TypeError
            A model is compiled with the optimizer already; something that is no array, or no
            regular expression.
        """
        if self._model_or_none() is not None:
            raise ValueError(
                f"{self.name}: exclude_from_weight_decay: found a call after compile, wanted it "
                "before"
            )
        if isinstance(var_names, str):
            var_names = [var_names]
        names = [] if var_names is None else checks.elements("var_names", var_names, "texts")
        for name in names:
            try:
                re.compile(checks.text("var_names", name))
            except re.error as error:
                raise ValueError(
                    f"var_names: found {checks.shown(name)}, wanted a regular expression: {error}"
                ) from None
        given = [] if var_list is None else checks.elements("var_list", var_list, "arrays")
        for one in given:
            _check_variable("var_list", one)
        addresses = [np.asarray(one).__array_interface__["data"][0] for one in given]
        vars(self)["_excluded"] = (names, addresses)

    def _excludes(self, path: str, array: Array | None) -> bool:
        """Whether weight decay leaves a variable alone."""
        names, addresses = vars(self).get("_excluded", ([], []))
        there = array is not None and array.__array_interface__["data"][0] in addresses
        return there or any(re.search(name, path) for name in names)

    @property
    def variables(self) -> list[Array]:
        """As in Keras: the number of steps, the learning rate, then what is kept for each variable
        that is trained (of Adam two arrays each). Views, but for the first two."""
        counts: list[Any] = [np.asarray(int(getattr(self, "iterations", 0)))]
        counts.append(np.asarray(float(getattr(self, "learning_rate", 0.0)), np.float32))
        found: list[Array] = [_named(array, name) for array, name in
                 zip(counts, ("iteration", "learning_rate"), strict=True)]  # fmt: skip
        model = self._model_or_none()
        known = vars(self).get("_by_hand")
        if known is not None:
            shapes, network = known
            sizes = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
            firsts = np.cumsum([0, *sizes])
            places = [
                slice(first, first + size) for first, size in zip(firsts, sizes, strict=False)
            ]
        elif model is not None and model.built:
            network, variables = model._network, model.trainable_weights
            shapes, places = (
                [np.shape(one) for one in variables],
                places_of(network, variables) or [],
            )
        else:
            return found
        for shape, place in zip(shapes, places, strict=False):
            for name, state in network.optimizer_states().items():
                found.append(_named(state[place].reshape(shape), name))
        return found


def _named(array: Array, name: str) -> Variable:
    variable = array.view(Variable)
    variable.name = variable.path = name
    variable.trainable = False
    return variable


def _dtype_of(variable: Any) -> "np.dtype[Any]":
    found = np.asarray(variable).dtype
    return np.dtype(np.float64 if found.itemsize > 4 else np.float32)


def _check_variable(name: str, variable: Any) -> None:
    """Raise for what cannot take the numbers of a step."""
    if hasattr(variable, "assign"):
        return
    if not isinstance(variable, np.ndarray):
        raise TypeError(f"{name}: found a variable {checks.shown(variable)}, wanted an array")
    if variable.dtype.kind != "f":
        raise TypeError(
            f"{name}: found a variable of dtype {variable.dtype}, wanted float32 or float64"
        )
    if not variable.flags.writeable:
        raise ValueError(f"{name}: found a variable that is read-only, wanted one to write to")


def _checked(name: str, gradient: Any, variable: Any) -> Array:
    """A gradient as a vector."""
    shape = np.shape(variable)
    if gradient is None:
        return np.zeros(int(np.prod(shape, dtype=np.int64)))
    try:
        found = np.asarray(gradient)
    except ValueError:
        raise ValueError(
            f"{name}: found a gradient of rows of different lengths, wanted shape {shape}"
        ) from None
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name}: found a gradient of dtype {found.dtype}, wanted real numbers")
    if found.shape != shape:
        raise ValueError(f"{name}: found a gradient of shape {found.shape}, wanted {shape}")
    return found.reshape(-1)


def places_of(network: Network, variables: list[Any]) -> list[slice] | None:
    """Where variables lie in a network's parameters; None when one does not."""
    flat = network.parameters
    begin, size = flat.__array_interface__["data"][0], flat.itemsize
    places = []
    for variable in variables:
        array = variable.value if hasattr(variable, "assign") else variable
        if not isinstance(array, np.ndarray) or array.dtype != flat.dtype:
            return None
        first = (array.__array_interface__["data"][0] - begin) // size
        if not (0 <= first <= flat.size - array.size) or not array.flags.c_contiguous:
            return None
        places.append(slice(first, first + array.size))
    return places
