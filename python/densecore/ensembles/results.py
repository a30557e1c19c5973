"""The results of sweeps and cross-validations: settings and scores, as tables."""

from typing import TYPE_CHECKING, Any

from .._base.figures import require_pandas
from .._base.lookup import unknown
from ..models.model import Model
from .history import EnsembleHistory

if TYPE_CHECKING:
    import pandas


class Results:
    """A small table: the settings that were tried, and their results.

    Attributes
    ----------
    columns : list of str
    rows : list of tuple
    model : Model or None
        Trained on all rows, where that was asked for.
    history : EnsembleHistory
        Of all trainings.
    """

    def __init__(
        self,
        title: str,
        columns: list[str],
        rows: list[tuple[Any, ...]],
        history: EnsembleHistory,
        marked: int | None = None,
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.history = history
        self.model: Model | None = None
        self._title = title
        self._marked = marked

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """A column by its name."""
        if column not in self.columns:
            unknown("column", column, self.columns)
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    def _row(self, number: int) -> dict[str, Any]:
        return dict(zip(self.columns, self.rows[number], strict=True))

    def to_pandas(self) -> "pandas.DataFrame":
        """The table as a data frame.

        Raises
        ------
        ImportError
            pandas is not installed; the message names the extra.
        """
        frame: pandas.DataFrame = require_pandas().DataFrame(self.rows, columns=self.columns)
        return frame

    def __repr__(self) -> str:
        texts = [self.columns] + [[_shown(value) for value in row] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [self._title]
        for number, line in enumerate(texts):
            mark = "* " if number - 1 == self._marked else "  "
            cells = (text.rjust(width) for text, width in zip(line, widths, strict=True))
            lines.append(mark + "  ".join(cells))
        return "\n".join(lines)


class Sweep(Results):
    """The results of `sweep`: a row per combination of settings; the best one has a star."""

    def best(self) -> dict[str, Any]:
        """The best row, settings and numbers."""
        assert self._marked is not None
        return self._row(self._marked)

    def best_settings(self) -> dict[str, Any]:
        """The settings of the best row."""
        numbers = {*self.history.history, *(f"{name}_std" for name in self.history.history)}
        return {name: value for name, value in self.best().items() if name not in numbers}


class CrossValidation(Results):
    """The results of `cross_validate`: a row per fold, then their mean and standard deviation."""

    def mean(self) -> dict[str, float]:
        """The means over the folds."""
        return {name: value for name, value in self._row(-2).items() if name != "fold"}

    def std(self) -> dict[str, float]:
        """The standard deviations over the folds."""
        return {name: value for name, value in self._row(-1).items() if name != "fold"}


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
