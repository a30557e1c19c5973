"""Dense neural networks in plain NumPy: the mathematics of densecore, to be read in one sitting.

The notation is that of T. Silva, *Dense Neural Networks* (2021), cited as "Eq. 1" to "Eq. 30":

==========  ==================  =======================================================
``W``       ``(n, m)``          weights of a layer with ``m`` inputs and ``n`` outputs
``b``       ``(n,)``            bias
``a``       ``(batch, n)``      activations, one sample per row; those of layer 0 are ``x``
``z``       ``(batch, n)``      the argument of the activation function
``delta``   ``(batch, n)``      dC/dz
``g``       ``(batch, n)``      dC/da
``y``       ``(batch, n)``      targets
``C``       scalar              the loss of the whole batch
==========  ==================  =======================================================

The note writes one sample as a column, ``z = W a + b``. A batch stored row by row is the
transpose of that, ``Z = A W^T + b``. Where the note slips, this file computes what it means;
the documentation's page on the note lists each such place.

Everything works in float32 and in float64 and keeps the dtype it is given. Nothing here is
tuned for speed: the compiled kernels are tested against this file.
"""

from . import graph, layers, table_layers
from ._checks import ALIASES, NETWORK_REDUCTIONS, REDUCTIONS
from .activations import ACTIVATIONS, Activation, activation_derivatives
from .losses import LOSSES, Loss
from .network import Network
from .operations import (
    activation,
    activation_gradient,
    adam_update,
    dense,
    matvec,
    mse,
    mse_gradient,
    numerical_gradient,
    sgd_update,
)
from .optimizers import OPTIMIZERS, Optimizer

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "LOSSES",
    "NETWORK_REDUCTIONS",
    "OPTIMIZERS",
    "REDUCTIONS",
    "Activation",
    "Loss",
    "Network",
    "Optimizer",
    "activation",
    "activation_derivatives",
    "activation_gradient",
    "adam_update",
    "dense",
    "graph",
    "layers",
    "matvec",
    "mse",
    "mse_gradient",
    "numerical_gradient",
    "sgd_update",
    "table_layers",
]
