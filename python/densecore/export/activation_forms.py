"""An activation as the formats of other programs have it: the form of a row of the tables in
`activation_pieces`, `activation_gated` and `activation_smooth`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .onnx_graph import Graph

Parameters = Mapping[str, Any]

#: A C expression in z, in the form of `c_math`, after the functions that it calls.
Expression = tuple[tuple[str, ...], str]


@dataclass(frozen=True, kw_only=True)
class Forms:
    """The forms of an activation. `p` are the activation's parameters by name.

    Attributes
    ----------
    onnx : callable
        ``(graph, z, p)``: adds nodes and returns the name of f(z). Nodes inherit their names from
        the operator; the last one of a program is renamed to the output.
    c : tuple
        Of one element. The expression names parameters, and `C_CONSTANTS`, in braces. Empty for an
        activation of whole rows: that is a C function of its own name, of (n, z, a).
    c_general : tuple, optional
        The same where the core has another kernel for values of the parameters that are not the
        initial ones.
    function : callable, optional
        ``(np_, p, z)``: f(z) in functions that jax.numpy and torch call alike. It is the form in
        JAX or PyTorch for which there is none of the following.
    jax : callable, optional
        ``(nn, p, z)`` with jax.nn.
    torch : callable, optional
        ``(nn, p)`` with torch.nn: a module, or None for parameters that it has none for.
    keras : callable, optional
        ``(keras, p)``: a layer or a function, for parameters that are not the initial ones.
    keras_knows_default : bool, default True
        Whether Keras takes the activation's name for the initial parameters.
    """

    onnx: Callable[[Graph, str, Parameters], str]
    c: Expression
    c_general: Expression | None = None
    function: Callable[[Any, Parameters, Any], Any] | None = None
    jax: Callable[[Any, Parameters, Any], Any] | None = None
    torch: Callable[[Any, Parameters], Any] | None = None
    keras: Callable[[Any, Parameters], Any] | None = None
    keras_knows_default: bool = True

    @property
    def whole_row(self) -> bool:
        """Whether it takes a row as a whole."""
        return not self.c[1]
