"""Names of the activations. The functions are kernels: ``dc.ops.activation(name, z)``."""

from . import _core
from ._names import unknown

_ALIASES = {"identity": "linear"}


def names() -> list[str]:
    """Every activation that a layer accepts, by its Keras name."""
    return list(_core.KernelsF64().activations())


def canonical(name: str | None) -> str:
    """The name under which the core knows an activation; ``None`` is ``"linear"``, as in Keras.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if name is None:
        return "linear"
    known = names()
    resolved = _ALIASES.get(name, name) if isinstance(name, str) else name
    if resolved not in known:
        unknown("activation", name, known)
    return resolved
