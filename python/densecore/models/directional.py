"""Derivatives along directions, and products with Jacobians and Hessians, without forming those."""

from typing import Any

import numpy as np

from .._base.dtypes import Array
from .._data.row_sources import as_rows, take
from ..losses import second_derivatives
from .on_batch import OpenSteps


class DirectionalDerivatives(OpenSteps):
    """What goes along a line through the inputs, or through the parameters.

    All of it is exact to rounding, in prediction: nothing drops out, and batch normalisation uses
    its moving averages.
    """

    def _rows_of(self, x: Any) -> Array:
        self._build_for(x)
        rows = as_rows("x", x, self._dtype, self._inputs, self._flattens)
        return take(rows, slice(None))

    def _vector(self, vector: Any) -> Array:
        wanted = self.parameters.shape
        found = np.require(np.asarray(vector), self._dtype, ["C", "A"])
        if found.shape != wanted:
            raise ValueError(f"vector: found shape {found.shape}, wanted {wanted}, as parameters")
        return found

    def _along(self, name: str, direction: Any, rows: Array) -> Array:
        found = np.asarray(direction, self._dtype)
        if found.shape not in (rows.shape, rows.shape[1:]):
            raise ValueError(
                f"{name}: found shape {found.shape}, wanted {rows.shape[1:]}, the same for all "
                f"rows, or {rows.shape}"
            )
        return np.require(np.broadcast_to(found, rows.shape), self._dtype, ["C", "A"])

    def input_derivatives(self, x: Any, direction: Any, order: int = 2) -> tuple[Array, ...]:
        r"""Outputs with their first and second derivatives along a direction.

        With :math:`u(s) = f(x + s d)` these are :math:`u`, :math:`u'` and :math:`u''` at
        :math:`s = 0`: for d = (1, 0), ∂u/∂x₁ and ∂²u/∂x₁². What a differential equation asks of its
        solution; `backward_derivatives` is the way back.

        Parameters
        ----------
        x : array_like (rows, features)
        direction : array_like (features,) or (rows, features)
            The same for all rows, or one for each. For several directions repeat the rows:
            ``np.vstack([x, x])`` with the first direction above the second.
        order : {1, 2}

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
        if order not in (1, 2):
            raise ValueError(f"order: found {order!r}, wanted 1 or 2")
        rows = self._rows_of(x)
        along = self._along("direction", direction, rows)
        return tuple(self._network.jets_forward(rows, along, None, int(order)))

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
        input_gradient : bool

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
        given = [
            None if g is None else np.require(np.asarray(g), self._dtype, ["C", "A"])
            for g in (grad_u, grad_du, grad_d2u)
        ]
        gradient: Array | None = self._network.jets_backward(given, self.gradients, input_gradient)
        return gradient

    def jvp(self, x: Any, tangent: Any) -> Array:
        """The Jacobian by the inputs times a tangent, (rows, units): J t, going forward.

        Parameters
        ----------
        x : array_like (rows, features)
        tangent : array_like (features,) or (rows, features)
        """
        rows = self._rows_of(x)
        product: Array = self._network.jets_forward(
            rows, self._along("tangent", tangent, rows), None, 1
        )[1]
        return product

    def parameter_jvp(self, x: Any, vector: Any) -> Array:
        """The Jacobian by the parameters times a vector (parameters,), (rows, units).

        What is not trained counts as constant.
        """
        rows = self._rows_of(x)
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
        rows = self._rows_of(x)
        out = self._network.forward(rows, None, False)
        g = np.require(np.asarray(grad_output), self._dtype, ["C", "A"])
        if g.shape != out.shape:
            raise ValueError(f"grad_output: found shape {g.shape}, wanted {out.shape}")
        gradient = self._network.backward(g, True)
        assert gradient is not None
        return gradient, self.gradients.copy()

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
        fused = bool(self._network.fused())
        second_derivatives.check(loss, fused)
        data = self._data(x, y, sample_weight)
        rows, v = take(data.x, slice(None)), self._vector(vector)
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
