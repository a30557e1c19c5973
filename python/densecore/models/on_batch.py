"""Training and prediction for custom loops: on the caller's arrays, step by step."""

import contextlib
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import core
from .._base.dtypes import DTYPES, Array, check_dtype
from .._base.lazy import imports
from .._data.arrays import as_vectors
from .compiled import Compiled

if TYPE_CHECKING:
    from typing import TypeAlias

    from .frozen import Frozen

    Tape: TypeAlias = core.TapeNetworkF32 | core.TapeNetworkF64


class OnBatch(Compiled):
    """The calls of a compiled model that take arrays as they are, and do one thing each.

    The hottest ones go straight to the core once there is a network: a method of Python in between
    costs as much as a small network's step.
    """

    def _network_changed(self) -> None:
        super()._network_changed()
        network = self._network_or_none
        if network is None or not self._has_vectors or self._loans:
            return
        calls: dict[str, Callable[..., Any]] = {
            "predict_on_batch": network.predict_or_convert,
            "train_on_batch": network.train_on_batch,
            "forward": network.forward,
            "backward": network.backward,
            "apply_gradients": network.apply_gradients,
        }
        network.by_model = _ByModel(self)
        for name, call in calls.items():
            if name == "train_on_batch" and not self._trains_in_core:
                continue
            if name == "apply_gradients" and self._constrained:
                continue
            # A subclass's own method must not be hidden.
            if getattr(type(self), name) is getattr(OnBatch, name):
                self._bind(name, call)

    @property
    def _has_vectors(self) -> bool:
        """Whether rows of x and of the outputs are vectors, as the core's are."""
        if self._parts != (1, 1):
            return False
        return all(row is not None and len(row) == 1 for row in (self._input_row, self._output_row))

    @property
    def _parts(self) -> tuple[int, int]:
        """How many inputs and outputs there are."""
        return 1, 1

    def _x_of(self, x: Any) -> Any:
        """x as the core takes it; of several inputs one copy, side by side."""
        return as_vectors(x) if self._parts[0] == 1 else self._rows(x)

    def train_on_batch(
        self,
        x: Array,
        y: Any = None,
        sample_weight: Array | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
        *,
        comm: Any = None,
    ) -> Any:  # of a union, every script would have to ask
        """One forward pass, backward pass and update.

        Arrays of the model's dtype that are C-contiguous are used where they lie, and cost nothing
        else; others are converted at each call, as `fit` does. `make_train_step` refuses those.

        Parameters
        ----------
        x : array_like (rows, features)
        y : array_like (rows, outputs), or (rows,) class numbers
            None where `add_loss` makes the whole loss.
        sample_weight : array_like (rows,), optional
        class_weight : dict, optional
            As of `fit`.
        return_dict : bool, default False
            Of a model that is compiled with metrics: whether to return them by name.
        comm : communicator, optional
            As of `fit`: each rank passes its own rows, any number of them, which together are the
            batch; the loss is that of the whole batch.

        Returns
        -------
        float, list of float or dict
            The loss before the update. Of a model that is compiled with metrics, as in Keras, a
            list in the order of ``metrics_names``.

        Raises
        ------
        TypeError, ValueError
            As of `fit`: other shapes, something that is not real numbers, or numbers beyond the
            range of the model's dtype.
        """
        if comm is not None:
            found: Any = None
            network = self._network_or_none
            if network is not None:
                other = sample_weight is not None or class_weight is not None
                vectors = x, y
                with contextlib.suppress(ValueError):  # the core refuses them as they are
                    vectors = as_vectors(x), as_vectors(y)
                found = network.usual_step(*vectors, other, comm, True)
            if found is None:
                with imports:
                    from . import shared_batch

                found = shared_batch.train_on_batch(self, x, y, sample_weight, class_weight, comm)
            return self._by_name(found) if return_dict else found
        if class_weight is not None:
            sample_weight = self._data(x, y, sample_weight, class_weight).weight
        if self._network_or_none is None:
            self._build_for(x)
        if not self._trains_in_core:
            with imports:
                from . import step

            batch = self._data(x, y, sample_weight).batch()
            with self._reserved():
                values = step.train_on_batch(self, batch)
            return self._by_name(values) if return_dict else values
        # Not by the network's own `train_on_batch`, which would send what it refuses here again.
        step_of = DTYPES[self.dtype].Step
        try:
            step_once = step_of(self._network, self._x_of(x), as_vectors(y), sample_weight)
        except (TypeError, ValueError):  # Keras converts such arguments
            step_once = step_of(self._network, *self._data(x, y, sample_weight).batch())
        loss = step_once.run(1)
        self._constrain()
        return {"loss": loss} if return_dict else loss

    def _by_name(self, values: Any) -> dict[str, float]:
        found = values if isinstance(values, list) else [values]
        return dict(zip(self.metrics_names, found, strict=True))

    def predict_on_batch(self, x: Array, out: Array | None = None) -> Array:
        """The outputs for x, into `out` (rows, units) when given.

        An x of the model's dtype that is C-contiguous is used where it lies; another one is
        converted, as by `predict`. With `out` nothing is: the call is for loops without copies.

        Raises
        ------
        TypeError, ValueError
            As of `predict`; with `out` an array that cannot be used without a copy, or an `out`
            that overlaps x.
        """
        if self._network_or_none is None:
            self._build_for(x)
        if out is None:
            try:
                found = self._network.predict(self._x_of(x))
            except (TypeError, ValueError):
                found = self._network.predict(self._rows(x))
            return self._shaped(found)
        self._network.predict(self._x_of(x), as_vectors(out))
        return out

    def make_train_step(self, x: Array, y: Array, sample_weight: Array | None = None) -> Any:
        """A step of training that is bound to its arrays: the cheapest loop there is.

        The arrays are checked once, as by `train_on_batch`, and kept alive; each call reads what
        they hold then.

        Returns
        -------
        callable
            ``step()`` makes one step and returns the loss before it; ``step.run(n)`` makes n, and
            returns the last one's.

        Raises
        ------
        RuntimeError
            From ``step``, when the model has been compiled again since.
        """
        self._compiled_loss()
        self._build_for(x)
        if self._parts != (1, 1):
            raise TypeError(
                "make_train_step: found a model of several inputs or outputs, wanted one of each"
            )
        if not self._compiled_loss().in_core:
            raise TypeError("make_train_step: found a loss that is a Python function, wanted one "
                            "of the core's")  # fmt: skip
        if self._penalised:
            raise TypeError(
                "make_train_step: found a regularizer that is a Python function, wanted l1 and l2; "
                "train_on_batch takes any"
            )
        arrays = (self._x_of(x), as_vectors(y), sample_weight)
        step = DTYPES[self.dtype].Step(self._network, *arrays)
        return _OwnStep(self, step) if self._loans or self._constrained else step

    def make_predictor(self, x: Array, out: Array | None = None) -> Any:
        """A prediction that is bound to its arrays: ``predict()`` reads x and writes `out`.

        Returns
        -------
        callable
            Takes no arguments and returns `out`, a new array (rows, units) if none was given.
        """
        self._build_for(x)
        if self._parts != (1, 1):
            raise TypeError(
                "make_predictor: found a model of several inputs or outputs, wanted one of each"
            )
        if out is None:
            out = np.empty((len(x) if np.ndim(x) else 0, self._outputs), self._dtype)
        call = DTYPES[self.dtype].Prediction(self._network, self._x_of(x), out)
        return _LentCall(self, call) if self._loans else call

    def freeze(self, dtype: str | None = None) -> "Frozen":
        """An immutable copy for prediction, which any number of threads may call at once.

        It has parameters of its own: training the model further does not change it. Its outputs
        have the same bits as the model's `predict`. For that, batch normalisation is not folded
        into the dense layers; dropout is left out. Calls allocate nothing but the result, and
        that not with `out`; long ones let other threads run. It can be pickled.

        Parameters
        ----------
        dtype : {"float32", "float64"}, optional
            Of parameters and computations, by default the model's. Of another, the parameters are
            rounded, and the bits are those of a model with these.

        Returns
        -------
        callable
            ``frozen(x, out=None)``, the same as ``frozen.predict_on_batch(x, out=None)``: arrays
            as of `predict_on_batch`. It has ``input_shape``, ``output_shape``, ``dtype`` and
            ``count_params()``.

        Raises
        ------
        ValueError
            Another dtype than "float32" and "float64".
        """
        with imports:
            from . import frozen

        dtype = self.dtype if dtype is None else check_dtype(dtype)
        with self._reserved(reading=True):
            return frozen.freeze(self._inputs, self._plan(), self._network, dtype)

    def make_tape(self) -> "Tape":
        """A place for one forward pass that waits for its `backward`.

        Without one there is a single such pass, the last. With a tape each, an actor's and a
        critic's pass through a shared trunk, or those of two batches, do not overwrite each other.
        A tape belongs to the model and can be used again and again; it allocates once.
        """
        tape: Tape = self._network.make_tape()
        return tape

    def forward(
        self,
        x: Array,
        out: Array | None = None,
        training: bool = True,
        tape: "Tape | None" = None,
    ) -> Array:
        """As `predict_on_batch`, and keeps what `backward` needs.

        Parameters
        ----------
        x : ndarray (rows, features) of the model's dtype, C-contiguous
            Not copied: it must still hold the same numbers when `backward` is called. It is kept
            alive until then.
        out : ndarray (rows, units), optional
        training : bool, default True
            Whether units drop out, and batch normalisation uses the batch's statistics.
        tape : optional
            Of `make_tape`: where to keep it, instead of in the model. It is then discarded by the
            tape's next `forward` only.
        """
        if self._network_or_none is None:
            self._build_for(x)
        found = self._network.forward(self._x_of(x), as_vectors(out), training, tape)
        return self._shaped(found) if out is None else out

    def backward(
        self,
        grad_output: Array,
        input_gradient: bool = False,
        accumulate: bool = False,
        tape: "Tape | None" = None,
    ) -> Array | None:
        """Fill ``model.gradients`` from ∂C/∂output (rows, units) of the last `forward`.

        Parameters
        ----------
        grad_output : ndarray (rows, units) of the model's dtype, C-contiguous
            Of several outputs a list or a dictionary with one for each; None for one that has none.
        input_gradient : bool, default False
            Whether to return ∂C/∂x.
        accumulate : bool, default False
            Add to ``model.gradients`` instead: the gradient of a sum of costs, part by part.
        tape : optional
            That of the forward pass to go back through.

        Returns
        -------
        ndarray (rows, features) or None
            ∂C/∂x, when `input_gradient`.

        Raises
        ------
        RuntimeError
            There was no forward pass, prediction has discarded it, or training has changed the
            parameters since.
        """
        gradient = self._network.backward(
            self._gradient_of(grad_output), input_gradient, accumulate, tape
        )
        return None if gradient is None else self._like_x(gradient)

    def _gradient_of(self, grad_output: Any) -> Any:
        """The gradient by the outputs as the core takes it."""
        return as_vectors(grad_output)

    def apply_gradients(self) -> None:
        """One optimizer step with ``model.gradients``."""
        self._compiled_loss()
        self._network.apply_gradients()
        self._constrain()


class _LentCall:
    """A bound prediction of a model whose layers belong to another one."""

    def __init__(self, model: OnBatch, call: Any) -> None:
        self._model, self._call = model, call

    def __call__(self) -> Any:
        self._model._network  # noqa: B018 - takes the weights as they are
        return self._call()


class _OwnStep(_LentCall):
    """A bound step of training of such a model, or of a model with constraints."""

    def __call__(self) -> Any:
        return self.run(1)

    def run(self, steps: int) -> Any:
        self._model._network  # noqa: B018 - takes the weights as they are
        at_once = 1 if self._model._constrained else steps
        loss = None
        for _ in range(0, steps, max(at_once, 1)):
            loss = self._call.run(at_once)
            self._model._constrain()
        return loss


class _ByModel:
    """The model's methods, which the core calls with arrays that it cannot use where they lie.

    The model is referred to weakly: its network must not keep it alive.
    """

    def __init__(self, model: OnBatch) -> None:
        self._known = weakref.ref(model)

    def __bool__(self) -> bool:
        return self._known() is not None

    def _model(self) -> OnBatch:
        model = self._known()
        assert model is not None  # the core has asked
        return model

    def check_drift(self) -> None:
        vars(self._model())["_sharing"].check_drift()

    def train_on_batch(self, *arguments: Any, **named: Any) -> Any:
        return OnBatch.train_on_batch(self._model(), *arguments, **named)

    def predict_on_batch(self, *arguments: Any, **named: Any) -> Any:
        return OnBatch.predict_on_batch(self._model(), *arguments, **named)
