"""How a `call` of a user's was called: with inputs alone, or with other arguments, too."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .._data.structures import mapped

Key = tuple[Any, ...]


class Form(NamedTuple):
    """All of a call but its inputs.

    Attributes
    ----------
    structure
        That of the inputs, with 0 for each.
    several : bool
        Whether they are several arguments.
    constants : dict
        Arguments by name that are no inputs.
    """

    structure: Any = 0
    several: bool = False
    constants: Mapping[str, Any] = {}

    @property
    def key(self) -> Key:
        """Equal for calls that are alike."""
        return (_key(self.structure), self.several, _key(self.constants))

    def saved(self) -> dict[str, Any]:
        """Its entry in a file."""
        return {
            "structure": self.structure,
            "several": self.several,
            "constants": dict(self.constants),
        }


def form_of(given: Any, several: bool, constants: Mapping[str, Any]) -> Form | None:
    """The form of a call; None for the usual one, whose inputs are one or a list."""
    structure = mapped(lambda _: 0, given)
    usual = structure == 0 or (isinstance(structure, list) and len(structure) > 1)
    usual = usual and all(part == 0 for part in (structure or ()))
    return None if usual and not (several or constants) else Form(structure, several, constants)


def usual_form(inputs: int) -> Form:
    """The form of a call with so many inputs, and nothing else known of it."""
    return Form(0 if inputs == 1 else [0] * inputs)


def from_saved(config: Any) -> Form:
    """The form that `Form.saved` describes."""
    return Form(config["structure"], bool(config["several"]), dict(config["constants"]))


def _key(thing: Any) -> Any:
    if isinstance(thing, Mapping):
        return ("dict", *((key, _key(part)) for key, part in thing.items()))
    if isinstance(thing, list | tuple):
        return ("list", *map(_key, thing))
    try:
        hash(thing)
    except TypeError:
        return ("object", id(thing))  # the graph of the call keeps it alive
    return (type(thing).__name__, thing)  # 1 is no True
