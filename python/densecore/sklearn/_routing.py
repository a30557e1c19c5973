"""Parameters with a prefix, such as ``optimizer__learning_rate``: SciKeras's way to name them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import losses, metrics, optimizers

# The prefixes: they say to whom the rest of the name is an argument.
ROUTES = ("model", "compile", "fit", "predict", "optimizer", "loss", "metrics", "callbacks")


def routed(parameters: Mapping[str, Any], route: str) -> dict[str, Any]:
    """The parameters of a route, without its prefix."""
    prefix = f"{route}__"
    return {k.removeprefix(prefix): v for k, v in parameters.items() if k.startswith(prefix)}


def has_route(name: str) -> bool:
    """Whether a parameter's name begins with one of the prefixes."""
    return name.partition("__")[0] in ROUTES and "__" in name


def made_optimizer(value: Any, options: Mapping[str, Any]) -> Any:
    """An optimizer from a name, a class or an object, with the options of its constructor."""
    return _made("optimizer", value, options, optimizers.get)


def made_loss(value: Any, options: Mapping[str, Any]) -> Any:
    """A loss from a name, a class, an object or a function."""
    return _made("loss", value, options, losses.get)


def made_metrics(value: Any, options: Mapping[str, Any]) -> list[Any] | None:
    """Metrics from a name, a class, an object or a function, or a list or dictionary of them."""
    return _made_each("metrics", value, options, metrics.get)


def made_callbacks(value: Any, options: Mapping[str, Any]) -> list[Any] | None:
    """Callbacks from a class or an object, or a list or dictionary of them."""
    return _made_each("callbacks", value, options, None)


def _made_each(
    route: str, value: Any, options: Mapping[str, Any], get: Callable[[Any], Any] | None
) -> list[Any] | None:
    """`_made` of each entry: an option's name may begin with the entry's number or key."""
    if value is None:
        if options:
            raise ValueError(f"{route}__{next(iter(options))}: found no {route} to give it to")
        return None
    if isinstance(value, Mapping):
        entries = {str(key): each for key, each in value.items()}
    elif isinstance(value, Sequence) and not isinstance(value, str):
        entries = {str(number): each for number, each in enumerate(value)}
    else:
        return [_made(route, value, options, get)]
    shared = {k: v for k, v in options.items() if k.partition("__")[0] not in entries}
    return [
        _made(f"{route}__{key}", each, {**shared, **routed(options, key)}, get)
        for key, each in entries.items()
    ]


def _made(
    route: str, value: Any, options: Mapping[str, Any], get: Callable[[Any], Any] | None
) -> Any:
    """`value` with `options`: a class is called with them, a name looked up."""
    if isinstance(value, type):
        return value(**options)
    if isinstance(value, str) and get is not None:
        return get({"name": value, **options}) if options else get(value)
    if options:
        raise ValueError(
            f"{route}__{next(iter(options))}: found {route}={value!r}, an object, wanted a class "
            "or a name: it is made with these options"
        )
    return value


def arguments_of(function: Callable[..., Any]) -> tuple[set[str], bool]:
    """The names of a function's arguments, and whether it takes any other name."""
    parameters = inspect.signature(function).parameters.values()
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return named, any(p.kind is p.VAR_KEYWORD for p in parameters)
