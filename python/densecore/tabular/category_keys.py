"""The texts that stand for a column's categories, as other programs look them up."""

from .features import CategoricalFeature
from .words import category_key


class CategoryKeys:
    """Texts and the inputs that they choose, as `CategoricalFeature` finds them.

    Attributes
    ----------
    exact : dict of str to int
        Texts as they are: categories, whole numbers with a point too, and the empty text.
    folded : dict of str to int
        Texts whose letters from A to Z are small, for those that are not in `exact`. Other letters
        stand there in the spellings that the category has, in capital and in small letters.
    other : int
        The input of all other texts; -1 for none.
    """

    def __init__(self, feature: CategoricalFeature) -> None:
        self.exact: dict[str, int] = {"": feature._missing_place()}
        self.folded: dict[str, int] = {}
        self.other = feature._other_place()
        for place, category in enumerate(feature.categories):
            self.exact[category_key(category)] = place
        for place, category in enumerate(feature.categories):
            pointed = f"{category_key(category)}.0"
            if category_key(pointed) != pointed:
                self.exact.setdefault(pointed, place)
        for category in feature.categories:
            key = category_key(category)
            for text in (key, key.lower(), key.upper(), key.casefold()):
                found = feature._folded.get(text.casefold())
                if found is not None and _has_letters(key):
                    self.folded[_small(text)] = found


def _small(text: str) -> str:
    """The text with small letters from A to Z, and all others as they are."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def _has_letters(text: str) -> bool:
    return text.lower() != text.upper()
