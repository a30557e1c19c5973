"""Tables: read from files, prepared for networks, learnt, and predicted.

`TabularClassifier` and `TabularRegressor` are scikit-learn's kind of estimators, and need it
installed; all else, the command line too, needs NumPy alone.
"""

from typing import TYPE_CHECKING

from .._base.lazy import imports
from .errors import TableError
from .model import TableModel, is_table_model, load_table_model
from .problem import Problem, problem_of
from .reader import Table, read_table, table_of
from .recipe import RECIPES, Recipe, recipe_named
from .trained import Trained
from .training import fit, held_out_parts

if TYPE_CHECKING:
    from .estimators import TabularClassifier, TabularRegressor

__all__ = [
    "RECIPES",
    "Problem",
    "Recipe",
    "Table",
    "TableError",
    "TableModel",
    "TabularClassifier",
    "TabularRegressor",
    "Trained",
    "fit",
    "held_out_parts",
    "is_table_model",
    "load_table_model",
    "problem_of",
    "read_table",
    "recipe_named",
    "table_of",
]


def __getattr__(name: str) -> object:
    if name in ("TabularClassifier", "TabularRegressor"):
        with imports:
            from . import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module 'densecore.tabular' has no attribute {name!r}")
