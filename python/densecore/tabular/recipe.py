"""Recipes: what is trained when only a table and its target are named.

A recipe is a number of networks on different parts of the rows, averaged. Their widths, rates and
schedules follow Holzmüller, Grinsztajn & Steinwart (Better by default, NeurIPS 2024) where the
ablations of docs/tables.md did not say otherwise.
"""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    Attributes
    ----------
    folds : int
        Parts of the rows, each of which some members do not see. 1: a single part is held out.
    members : int
        Networks for each part that see the numbers cut into bins; they differ in their initial
        weights and shuffles.
    periodic : int
        Further networks for each part, which see a periodic embedding of the numbers instead.
    hidden : tuple of int
        Widths of the hidden layers.
    many_hidden : tuple of int
        The same for tables of more than `many_rows` rows, which can teach more units; empty: the
        same widths. A recipe that is given other widths has them for all tables.
    epochs : int
        On tables of up to `full_rows` rows; fewer on larger ones.
    patience : float
        The share of the epochs after which a network stops that has become no better.
    for_classes, for_numbers : Settings
        The settings that differ by the task.
    scale_rate : float
        The learning rate of the inputs' factors (a `Scale` before the dense layers) as a multiple
        of the others'; 0: there are no factors.
    """

    name: str
    folds: int
    members: int
    periodic: int
    hidden: tuple[int, ...]
    epochs: int
    patience: float = 0.35
    for_classes: "Settings" = field(
        default_factory=lambda: Settings("selu", 3e-3, bins=32, dropout=0.15)
    )
    for_numbers: "Settings" = field(
        default_factory=lambda: Settings("mish", 1e-2, bins=32, dropout=0.0)
    )
    activation: str = ""  # "": by the task
    learning_rate: float = 0.0  # 0: by the task
    beta_2: float = 0.95
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    schedule: str = "flat_cosine"  # or "coslog4"; otherwise the rate stays
    optimizer: str = "adamw"
    batch_size: int = 0  # 0: by the number of rows
    dtype: str = "float32"
    held_out: float = 0.2  # the share of the rows, with one fold
    scale_rate: float = 6.0
    many_hidden: tuple[int, ...] = ()
    extras: bool = True  # bins, factors and dropout; not for a linear model
    others: "tuple[Kind, ...]" = ()  # further kinds of networks, `members` of each for each part

    full_rows = 4000
    # Of tables of up to so many rows, a part is too small to tell its own networks' best epoch: a
    # network that is best by chance is not, and its score on these rows is too good.
    few_rows = 1000
    many_rows = 3000

    def settings(self, classification: bool) -> "Settings":
        """The settings that the task decides, or in their place those that were asked for."""
        chosen = self.for_classes if classification else self.for_numbers
        return replace(
            chosen,
            activation=self.activation or chosen.activation,
            learning_rate=self.learning_rate or chosen.learning_rate,
            bins=chosen.bins if self.extras else 0,
            dropout=chosen.dropout if self.extras else 0.0,
        )

    @property
    def networks(self) -> int:
        """How many there are for each part of the rows."""
        return self.members * (1 + len(self.others)) + self.periodic

    def kinds_for(self, numbers: int) -> "list[tuple[Recipe, bool, int]]":
        """The kinds of networks, for so many columns of numbers: a recipe for each, whether they
        see an embedding instead of bins, and how many there are for each part."""
        if not self.extras:
            return [(self, False, self.networks)]
        if not numbers:
            kinds = [(self, False, self.members + self.periodic)]
        else:
            kinds = [(self, False, self.members), (self, True, self.periodic)]
        kinds += [(kind.of(self), False, self.members) for kind in self.others]
        return [kind for kind in kinds if kind[2]]

    def single(self) -> "Recipe":
        """The recipe with one network for each part."""
        return replace(self, members=1, periodic=0, others=())

    def with_networks(self, count: int) -> "Recipe":
        """The recipe with at most so many networks for each part, of as many kinds as can be."""
        if not self.others:
            members = min(self.members, count)
            return replace(self, members=members, periodic=min(self.periodic, count - members))
        each = min(self.members, max(1, count // (2 + len(self.others))))
        return replace(self, members=each, periodic=min(self.periodic, each, max(count - 1, 0)),
                       others=self.others[: max(count - 2, 0)])  # fmt: skip

    def for_rows(self, rows: int) -> "Recipe":
        """The recipe with the widths for so many rows of a table."""
        wide = self.many_hidden and rows > self.many_rows
        return replace(self, hidden=self.many_hidden, many_hidden=()) if wide else self

    def together(self, rows: int) -> bool:
        """Whether all networks keep the same epoch, for so many rows of a table."""
        return rows <= self.few_rows and bool(self.hidden) and self.folds > 1

    def epochs_for(self, rows: int) -> int:
        """Fewer for many rows: the number of steps grows with the root of the rows only."""
        if self.epochs <= MIN_EPOCHS:
            return self.epochs
        factor: float = min(1.0, (self.full_rows / max(rows, 1)) ** 0.5)
        return max(MIN_EPOCHS, round(self.epochs * factor))

    def batch_for(self, rows: int) -> int:
        """Rows per step: more for many rows."""
        if self.batch_size:
            return self.batch_size
        for limit, size in BATCHES:
            if rows <= limit:
                return size
        return 1024

    def patience_for(self, epochs: int) -> int:
        """Epochs without a better one after which a network stops."""
        return max(MIN_PATIENCE, round(self.patience * epochs))

    def with_options(self, **options: object) -> "Recipe":
        """The recipe with what was asked for; None leaves an entry as it is."""
        given = {name: value for name, value in options.items() if value is not None}
        if "hidden" in given:
            given.setdefault("many_hidden", ())
            given.setdefault("others", tuple(replace(kind, hidden=()) for kind in self.others))
        return replace(self, **given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Settings:
    """The settings that differ by the task.

    Attributes
    ----------
    activation : str
    learning_rate : float
        The highest one.
    bins : int
        Inputs that a column of numbers is cut into besides itself, at its quantiles.
    dropout : float
        After each hidden layer.
    """

    activation: str
    learning_rate: float
    bins: int = 0
    dropout: float = 0.0


@dataclass(frozen=True)
class Kind:
    """The settings of some networks of a recipe, in place of those of the others.

    Attributes
    ----------
    activation : str
        "": that of the task.
    rate : float
        The highest learning rate, as a multiple of the task's.
    dropout, label_smoothing : float, optional
    hidden : tuple of int
        Empty: the recipe's widths.
    """

    activation: str = ""
    rate: float = 1.0
    dropout: float | None = None
    label_smoothing: float | None = None
    hidden: tuple[int, ...] = ()

    def of(self, recipe: Recipe) -> Recipe:
        """The recipe of these networks. An activation that was asked for by name stays; `hidden`,
        `dropout` and `label_smoothing` of the kind come first."""

        def changed(settings: Settings) -> Settings:
            dropout = settings.dropout if self.dropout is None else self.dropout
            rate = settings.learning_rate * self.rate
            return replace(settings, learning_rate=rate, dropout=dropout)

        smoothing = recipe.label_smoothing
        return replace(
            recipe,
            activation=recipe.activation or self.activation,
            hidden=self.hidden or recipe.hidden,
            label_smoothing=smoothing if self.label_smoothing is None else self.label_smoothing,
            for_classes=changed(recipe.for_classes),
            for_numbers=changed(recipe.for_numbers),
        )


MIN_EPOCHS = 12
MIN_PATIENCE = 8
BATCHES = [(1500, 64), (8000, 128), (30_000, 256), (100_000, 512)]

RECIPES = {
    "quick": Recipe("quick", folds=4, members=1, periodic=0, hidden=(64, 64), epochs=24),
    "default": Recipe(
        "default",
        folds=8,
        members=1,
        periodic=1,
        hidden=(128, 128, 128),
        epochs=48,
        many_hidden=(192, 192, 192),
    ),
    "best": Recipe(
        "best",
        folds=8,
        members=2,
        periodic=2,
        hidden=(128, 128, 128),
        epochs=48,
        many_hidden=(192, 192, 192),
        others=(
            Kind("relu", rate=0.4),
            Kind(dropout=0.05, label_smoothing=0.0),
            Kind(hidden=(256,)),
        ),
    ),
}


def recipe_named(name: str) -> Recipe:
    """A recipe by name.

    Raises
    ------
    ValueError
        There is none of that name; the message lists the known ones.
    """
    if name not in RECIPES:
        raise ValueError(f"recipe: found {name!r}, wanted one of {', '.join(RECIPES)}")
    return RECIPES[name]
