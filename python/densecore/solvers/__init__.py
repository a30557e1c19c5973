"""Training as a problem of numerical optimization, on all rows at once."""

from collections.abc import Callable, Iterable
from typing import Protocol

from .._base.dtypes import Network
from .._base.lookup import unknown
from .._data.dataset import Data
from ..layers import BatchNormalization, Dropout, Layer
from ..losses import Loss
from .lbfgs import LBFGS, minimize
from .levenberg_marquardt import LevenbergMarquardt

__all__ = ["LBFGS", "SOLVERS", "LevenbergMarquardt", "Solver", "check_layers", "get", "minimize"]

SOLVERS: dict[str, type["Solver"]] = {"lbfgs": LBFGS, "lm": LevenbergMarquardt}


class Solver(Protocol):
    """Minimises the loss of all rows in place of an optimizer's steps.

    Attributes
    ----------
    name : str
    """

    name: str

    def check(self, network: Network, loss: Loss) -> None:
        """Raise for a compiled network that cannot be trained so, before anything is computed."""

    def minimize(
        self,
        network: Network,
        loss: Loss,
        data: Data,
        iterations: int,
        begin: Callable[[], None],
        end: Callable[[list[float], list[float]], bool],
    ) -> str:
        """Change the network's parameters until the loss falls no more.

        Parameters
        ----------
        network
            The core's; its ``epochs`` counts the iterations.
        loss : Loss
        data : Data
        iterations : int
            Epochs to train, at most.
        begin, end : callable
            Called for each iteration; `end` with the numbers of training and validation, and with
            false as its result when the training is to stop.

        Returns
        -------
        str
            Why it stopped, for ``history.message``; empty when there is nothing to say.
        """
        ...


def get(given: "str | Solver") -> Solver:
    """The solver of that name, or the given one.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    TypeError
        It is neither a name nor a solver.
    """
    if isinstance(given, str):
        if given not in SOLVERS:
            unknown("solver", given, SOLVERS)
        return SOLVERS[given]()
    if not isinstance(given, tuple(SOLVERS.values())):
        raise TypeError(
            f"solver: found {type(given).__name__}, wanted a name ({', '.join(SOLVERS)}) or a "
            "LevenbergMarquardt"
        )
    return given


def check_layers(solver: Solver, loss: Loss, layers: Iterable[Layer]) -> None:
    """Raise ValueError for a loss that is no function of the parameters alone, or one in Python."""
    if not loss.in_core:
        raise ValueError(
            f"solver='{solver.name}': found a loss that is a Python function, wanted one of the "
            "core's"
        )
    for layer in layers:
        if layer._constraints:
            raise ValueError(
                f"solver='{solver.name}': found constraints in the layer {layer.name}, wanted none"
            )
        if isinstance(layer, Dropout | BatchNormalization):
            raise ValueError(
                f"solver='{solver.name}': found the layer {layer.name}, whose output depends on "
                "chance or on earlier steps; wanted a loss that is a function of the parameters "
                "alone"
            )
