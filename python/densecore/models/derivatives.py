"""Derivatives of a model's outputs and of its loss, and its layers' outputs.

All of them are exact to rounding, and those of prediction, unless they say otherwise: dropout is
off, and batch normalisation uses its moving averages.
"""

from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.lazy import imports
from .._data.arrays import as_array
from .._data.row_sources import take
from ..layers.lowering import Source
from ..losses import second_derivatives
from .compiled import Compiled


class Derivatives(Compiled):
    """Calls that look into a model. They take any array-like x, and discard forward passes whose
    `backward` is still to come."""

    def _matrix(self, x: Any) -> Array:
        """x (rows, features) as an array that the core takes; builds the model for it."""
        self._build_for(x)
        return take(self._rows(x), slice(None))

    def _vector(self, vector: Any) -> Array:
        wanted = self.parameters.shape
        found = as_array("vector", vector, self._dtype)
        if found.shape != wanted:
            raise ValueError(f"vector: found shape {found.shape}, wanted {wanted}, as parameters")
        return found

    def _along(self, name: str, direction: Any, rows: Array) -> Array:
        found = as_array(name, direction, self._dtype)
        if found.shape not in (rows.shape, rows.shape[1:]):
            raise ValueError(
                f"{name}: found shape {found.shape}, wanted {rows.shape[1:]}, the same for all "
                f"rows, or {rows.shape}"
            )
        return np.require(np.broadcast_to(found, rows.shape), self._dtype, ["C", "A"])

    def loss_and_gradients(
        self, x: Array, y: Array, sample_weight: Array | None = None, *, comm: Any = None
    ) -> float:
        """The loss of a batch, with its penalties; fills ``model.gradients`` and updates nothing.

        Parameters
        ----------
        x, y, sample_weight, comm
            As of `train_on_batch`.

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            As of `train_on_batch`.
        RuntimeError
            The model is not compiled.
        """
        if comm is not None:
            with imports:
                from . import shared_batch

            return shared_batch.loss_and_gradients(self, x, y, sample_weight, comm)
        loss = self._compiled_loss()
        self._build_for(x)
        if not loss.in_core or self._penalised:
            with imports:
                from . import step

            batch = self._data(x, y, sample_weight).batch()
            with self._reserved():
                return step.gradients_of_function(self, loss, batch)
        try:
            return self._network.loss_and_gradients(x, y, sample_weight)
        except (TypeError, ValueError):  # of arguments, before anything is changed
            batch = self._data(x, y, sample_weight).batch()
            return self._network.loss_and_gradients(*batch)

    def activations(self, x: Any) -> list[Array]:
        """The outputs of each layer for x, in prediction: one array (rows, units) per layer."""
        rows = self._matrix(x)
        with self._reserved():
            self._network.forward(rows, None, False)
            outputs = self._network.layer_outputs()
        found = []
        for layer in self._layers:
            end = self._ends[layer]
            pieces = end.pieces or (end,)
            found.append(np.hstack([_part(rows, outputs, piece) for piece in pieces]))
        return found

    def input_gradient(self, x: Any, grad_output: Any = None) -> Array:
        """∂C/∂x (rows, features) of any C, from ∂C/∂output (rows, units), in prediction.

        Without `grad_output`, that of the sum of a row's outputs.

        Raises
        ------
        ValueError
            `grad_output` has another shape.
        """
        gradient = self._back_through(x, grad_output)[0]
        found: Array = self._like_x(gradient)
        return found

    def _back_through(self, x: Any, grad_output: Any) -> tuple[Array, Array]:
        """The gradients by x and, a copy, by the parameters of a pass in prediction; without
        `grad_output` of the sum of a row's outputs."""
        rows = self._matrix(x)
        with self._reserved():
            out = self._network.forward(rows, None, False)
            if grad_output is None:
                g = np.ones_like(out)
            else:
                g = as_array("grad_output", grad_output, self._dtype)
                if g.shape != out.shape:
                    raise ValueError(f"grad_output: found shape {g.shape}, wanted {out.shape}")
            gradient = self._network.backward(g, True)
            assert gradient is not None
            return gradient, self.gradients.copy()

    def jacobian(self, x: Any) -> Array:
        """∂output/∂x of each row, (rows, units, features): a backward pass for each output."""
        rows = self._matrix(x)
        with self._reserved():
            out = self._network.forward(rows, None, False)
            result = np.empty((len(rows), out.shape[1], rows.shape[1]), self._dtype)
            g = np.zeros_like(out)
            for unit in range(out.shape[1]):
                g[:, unit] = 1
                gradient = self._network.backward(g, True)
                assert gradient is not None
                result[:, unit] = gradient
                g[:, unit] = 0
            return result

    def parameter_jacobian(self, x: Any) -> Array:
        """∂output/∂parameters of each row, (rows, units, parameters): a backward pass for each
        output.

        Parameters are in the order of ``model.parameters``.
        """
        rows = self._matrix(x)
        units, parameters = self._outputs, len(self.parameters)
        result = np.zeros((len(rows) * units, parameters), self._dtype)
        self._network.parameter_jacobian(rows, result)
        return result.reshape(len(rows), units, parameters)

    def sample_gradients(self, x: Any, y: Any) -> Array:
        """The gradient of each row's own loss, (rows, parameters), in prediction.

        Their mean is the gradient of the loss's mean, without penalties. For clipping row by row
        (Abadi et al., *Deep learning with differential privacy*, 2016), the Fisher matrix, or the
        rows that a model learns most from.

        Parameters
        ----------
        x, y
            As of `fit`.

        Raises
        ------
        TypeError
            The loss is a Python function.
        RuntimeError
            The model is not compiled.
        """
        self._compiled_loss()
        if self.loss is not None and not self.loss.in_core:
            raise TypeError("sample_gradients: found a loss that is a Python function, wanted one "
                            "of the core's")  # fmt: skip
        self._build_for(x)
        data = self._data(x, y, None)
        result = np.zeros((len(data.x), len(self.parameters)), self._dtype)
        self._network.sample_gradients(take(data.x, slice(None)), data.y, result)
        return result

    # Along a direction through the inputs, or through the parameters -----------------------------

    def input_derivatives(self, x: Any, direction: Any, order: int = 2) -> tuple[Array, ...]:
        r"""Outputs with their first and second derivatives along a direction.

        With :math:`u(s) = f(x + s d)` these are :math:`u`, :math:`u'` and :math:`u''` at
        :math:`s = 0`: for d = (1, 0), ∂u/∂x₁ and ∂²u/∂x₁². What a differential equation asks of its
        solution; `backward_derivatives` is the backward pass.

        Parameters
        ----------
        x : array_like (rows, features)
        direction : array_like (features,) or (rows, features)
            The same for all rows, or one for each. For several directions repeat the rows:
            ``np.vstack([x, x])`` with the first direction above the second.
        order : {1, 2}, default 2

        Returns
        -------
        u, du, d2u : ndarray (rows, units)
            Without ``d2u`` when order is 1.

        Raises
        ------
        ValueError
            Another order or shape, or an activation without second derivatives; the message lists
            those that have them.

        Notes
        -----
        Taylor-mode differentiation (Griewank & Walther, *Evaluating Derivatives*, 2008, ch. 13):
        each layer takes (a, a', a'') to that of its output, :math:`z'' = a'' W` and
        :math:`f(z)'' = f''(z) z'^2 + f'(z) z''`. Of activations made of straight pieces, such as
        relu, f'' is 0: they solve no equation of second order.
        """
        order = checks.integer("order", order, 1, 2, wanted="1 or 2")
        rows = self._matrix(x)
        along = self._along("direction", direction, rows)
        return tuple(self._network.jets_forward(rows, along, None, order))

    def backward_derivatives(
        self,
        grad_u: Any = None,
        grad_du: Any = None,
        grad_d2u: Any = None,
        input_gradient: bool = False,
    ) -> Array | None:
        """Fill ``model.gradients`` from those of the last `input_derivatives`.

        For any C that is computed of u, u' and u'', such as the mean square of what a differential
        equation leaves over: with them `apply_gradients` trains. The parameters must be those of
        the forward pass. Penalties are not part of C, as in `backward`.

        Parameters
        ----------
        grad_u, grad_du, grad_d2u : array_like (rows, units), optional
            ∂C/∂u, ∂C/∂u' and ∂C/∂u''; without one, zeros.
        input_gradient : bool, default False

        Returns
        -------
        ndarray (rows, features) or None
            ∂C/∂x, when `input_gradient`.

        Raises
        ------
        RuntimeError
            There was no `input_derivatives`, or `jvp`, before.
        ValueError
            Another shape, or `grad_d2u` after a pass of first order.
        """
        gradients = {"grad_u": grad_u, "grad_du": grad_du, "grad_d2u": grad_d2u}
        given = [
            None if g is None else as_array(name, g, self._dtype) for name, g in gradients.items()
        ]
        input_gradient = checks.flag("input_gradient", input_gradient)
        gradient: Array | None = self._network.jets_backward(given, self.gradients, input_gradient)
        return gradient

    def jvp(self, x: Any, tangent: Any) -> Array:
        """The Jacobian by the inputs times a tangent, (rows, units): J t, going forward.

        Parameters
        ----------
        x : array_like (rows, features)
        tangent : array_like (features,) or (rows, features)
        """
        rows = self._matrix(x)
        product: Array = self._network.jets_forward(
            rows, self._along("tangent", tangent, rows), None, 1
        )[1]
        return product

    def parameter_jvp(self, x: Any, vector: Any) -> Array:
        """The Jacobian by the parameters times a vector (parameters,), (rows, units).

        What is not trained counts as constant.
        """
        rows = self._matrix(x)
        product: Array = self._network.jets_forward(rows, None, self._vector(vector), 1)[1]
        return product

    def vjp(self, x: Any, grad_output: Any) -> tuple[Array, Array]:
        """The transposed Jacobians times ∂C/∂output (rows, units): by the inputs and parameters.

        Returns
        -------
        input_gradient : ndarray (rows, features)
        parameter_gradient : ndarray (parameters,)
            A copy; zero for what is not trained.

        Raises
        ------
        ValueError
            `grad_output` has another shape.
        """
        return self._back_through(x, as_array("grad_output", grad_output, self._dtype))

    def hessian_vector_product(
        self, x: Any, y: Any, vector: Any, sample_weight: Any = None
    ) -> Array:
        r"""The Hessian of the loss, by the parameters, times a vector; exact.

        Parameters
        ----------
        x, y, sample_weight
            As of `fit`.
        vector : array_like (parameters,)
            What is not trained counts as constant: neither row nor column.

        Returns
        -------
        ndarray (parameters,)

        Notes
        -----
        Pearlmutter, *Fast exact multiplication by the Hessian*, 1994: with the derivative of the
        outputs along v, :math:`\dot u`, the product is the gradient of
        :math:`\sum \partial C / \partial u \cdot \dot u`. It costs about four gradients. Penalties
        are part of the loss: l2 · Σw² adds 2 l2 v. A loss of softmax or sigmoid is taken of their
        inputs, as in training.
        """
        return self._curvature_product(x, y, vector, sample_weight, gauss_newton=False)

    def gauss_newton_vector_product(
        self, x: Any, y: Any, vector: Any, sample_weight: Any = None
    ) -> Array:
        r"""As `hessian_vector_product`, without the curvature of the network: never indefinite.

        :math:`J^T H J v` with the Jacobian J of the outputs (of softmax's or sigmoid's inputs,
        where the loss takes those) and the loss's Hessian H by them (Schraudolph, *Fast curvature
        matrix-vector products*, 2002).
        """
        return self._curvature_product(x, y, vector, sample_weight, gauss_newton=True)

    def _curvature_product(
        self, x: Any, y: Any, vector: Any, sample_weight: Any, gauss_newton: bool
    ) -> Array:
        loss = self._compiled_loss()
        self._build_for(x)
        self._refuse_own_penalties("second derivatives")
        if not loss.in_core and loss.kind != "heads":
            raise TypeError(
                "loss: found a Python function, wanted one of densecore.losses: second derivatives "
                "are those of the core's losses"
            )
        fused = bool(self._network.fused())
        second_derivatives.check(loss, fused)
        data = self._data(x, y, sample_weight)
        rows, v = take(data.x, slice(None)), self._vector(vector)
        with self._reserved():
            output, along = self._network.jets_forward(rows, None, v, 1, fused)
            gradient, product = second_derivatives.gradient_and_product(
                loss, fused, output, data.y, data.weight, along
            )
            result = np.empty_like(v)
            grads = [product] if gauss_newton else [product, gradient]
            self._network.jets_backward(grads, result, False, True)
        for begin, end, _, l2 in self._network.trained():
            result[begin:end] += 2 * l2 * v[begin:end]
        return result


def _part(x: Array, outputs: list[Array], source: Source) -> Array:
    """The values of a source of the core."""
    whole = x if source.layer < 0 else outputs[source.layer]
    return whole[:, source.first : source.first + source.width]
