"""Layers from their configurations."""

import re
from collections.abc import Mapping
from typing import Any

from .._base import checks
from .._base.lookup import unknown
from .._base.registry import get_registered_object
from .base import Layer
from .composed import Composed
from .symbols import Symbol


def classes() -> dict[str, type[Layer]]:
    """Every kind of layer by its class's name."""
    known: dict[str, type[Layer]] = {}
    pending = list(Layer.__subclasses__())
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        public = kind.__module__.startswith(__package__) and not kind.__name__.startswith("_")
        if public and not kind._is_own:
            known[kind.__name__] = kind
    return dict(sorted(known.items()))


def _composed(kind: Any) -> Any:
    """The class of that name which is written with a `call`, of the library's; else None."""
    pending = list(Composed.__subclasses__())
    for cls in pending:
        pending += cls.__subclasses__()
    named = {cls.__name__: cls for cls in pending if cls.__module__.startswith(__package__)}
    return named.get(kind)


def serialize(layer: Layer) -> dict[str, Any]:
    """The configuration of which `deserialize` makes an equal layer: ``class_name`` and ``config``.

    Parameters
    ----------
    layer : Layer
    """
    if not isinstance(layer, Layer):
        raise TypeError(f"layer: found {checks.shown(layer)}, wanted a layer")
    return keras_form(layer.saved())


def keras_form(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The result of `Layer.saved`, with the arguments beside the class's name.

    Parameters
    ----------
    entry : dict
    """
    if set(entry) == {"class", "config"}:  # a custom class
        return {"class_name": entry["class"], "config": entry["config"]}
    arguments = {key: value for key, value in entry.items() if key != "class"}
    return {"class_name": entry["class"], "config": arguments}


def flat_form(entry: Any) -> Any:
    """The entry that `keras_form` was given; another one as it is."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping):
        return entry
    if "class_name" not in entry:
        return entry
    kind, config = entry["class_name"], entry["config"]
    if kind in classes() and get_registered_object(str(kind)) is None:
        return {**config, "class": kind}
    return {"class": entry.get("registered_name") or kind, "config": config}


def deserialize(config: dict[str, Any]) -> Layer:
    """The layer that `Layer.get_config`, or `serialize`, describes.

    Raises
    ------
    ValueError
        The class is unknown; the message lists the known ones.
    """
    known = classes()
    if not isinstance(config, Mapping):
        raise TypeError(f"layer: found {checks.shown(config)}, wanted a dictionary")
    config = flat_form(config)
    kind = config.get("class")
    own = get_registered_object(kind) or _composed(kind) if isinstance(kind, str) else None
    if isinstance(own, type) and issubclass(own, Layer):
        layer: Layer = own.from_config(config["config"])
    else:
        if set(config) == {"class", "config"} and kind not in known:
            raise ValueError(
                f"layer: found the class {kind!r}, which is not known here, wanted custom_objects "
                "with it"
            )
        if not isinstance(kind, str) or kind not in known:
            unknown("layer", kind, known)
        layer = known[kind].from_config(config)
    for part in layer._walk():  # a name that a model made up may give way in another model
        automatic = rf"{re.escape(part._default_name())}(_\d+)?"
        part._automatic_name = re.fullmatch(automatic, str(part.name)) is not None
    return layer


Symbol.operators["deserialize"] = deserialize
