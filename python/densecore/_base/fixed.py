"""Objects whose attributes are set once: a model is built with their values."""

from typing import Any

from . import checks


class Fixed:
    """Base class of objects whose public attributes keep the value that they are made with.

    Layers compute with the numbers that these objects had when the model was built. If they could
    be changed later, a model would train with one value and be saved with another.

    Raises
    ------
    AttributeError
        An attribute is set for the second time.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self) and not name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__}: {name}: found {checks.shown(value)} for an object that is "
                "made; its attributes do not change: make a new one"
            )
        super().__setattr__(name, value)
