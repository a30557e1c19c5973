"""The one registry: names, aliases and look-up of activations, losses, metrics, optimizers, …

A package makes a `Registry`, lets it collect the classes that its modules define, and publishes its
methods as ``get``, ``names``, ``serialize`` and ``deserialize``: a further class needs no other
line than its own. Classes of users are found by `custom_objects`, or when they were registered
(`register_keras_serializable`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from . import checks
from .lookup import unknown

T = TypeVar("T")
Custom = Mapping[str, Any]

_CUSTOM_OBJECTS: dict[str, Any] = {}


def get_custom_objects() -> dict[str, Any]:
    """The classes and functions of users that every look-up knows: by name, and changeable."""
    return _CUSTOM_OBJECTS


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Any], Any]:
    """Make a class or function known to every look-up, as a decorator.

    Parameters
    ----------
    package : str, default "Custom"
    name : str, optional
        By default the object's own. Files hold ``package>name``.

    Raises
    ------
    TypeError
        The object is no class or function.
    """

    checks.text("package", package)
    if name is not None:
        checks.text("name", name)

    def register(thing: Any) -> Any:
        if not callable(thing):
            raise TypeError(
                f"register_keras_serializable: found {type(thing).__name__}, wanted a class or a "
                "function"
            )
        own = thing.__name__ if name is None else name
        registered = f"{package}>{own}"
        for word in (registered, own):
            _CUSTOM_OBJECTS[word] = thing
        return thing

    return register


def get_registered_name(thing: Any) -> str:
    """The name under which a class or function was registered; else its own.

    Parameters
    ----------
    thing : type or callable
    """
    for name, found in _CUSTOM_OBJECTS.items():
        if found is thing:
            return name
    return checks.text("get_registered_name: a name", getattr(thing, "__name__", thing))


def name_that_finds(thing: Any) -> str | None:
    """The name by which a file can hold a class or function; None for one not registered."""
    name = get_registered_name(thing) if hasattr(thing, "__name__") else ""
    return name if get_registered_object(name) is thing else None


def described(value: Any) -> Any:
    """A configuration's entry for one of a layer's arguments: JSON-able where the value is.

    Parameters
    ----------
    value : object
        Anything without a ``get_config`` stands for itself. What that of a user's class returns
        need not name the class: this adds its name.
    """
    if not hasattr(value, "get_config"):
        function = callable(value) and hasattr(value, "__name__") and not isinstance(value, str)
        return {"function": get_registered_name(value)} if function else value
    config = value.get_config()
    own = not type(value).__module__.startswith(f"{__name__.partition('.')[0]}.")
    if own and not {"name", "class_name"} & config.keys():
        return {"class_name": get_registered_name(type(value)), "config": config}
    return config


def get_registered_object(name: str, custom_objects: Custom | None = None) -> Any:
    """The class or function of a name, or None.

    Parameters
    ----------
    name : str
    custom_objects : dict, optional
        Further ones; they come first.
    """
    checks.text("name", name)
    return {**_CUSTOM_OBJECTS, **_mapping(custom_objects)}.get(name)


class CustomObjectScope:
    """``with CustomObjectScope({"name": Class}):`` makes classes known within the block.

    Parameters
    ----------
    custom_objects : dict
        Name → class or function.
    """

    def __init__(self, custom_objects: Custom) -> None:
        self._added = dict(_mapping(custom_objects))

    def __enter__(self) -> "CustomObjectScope":
        self._before = dict(_CUSTOM_OBJECTS)
        _CUSTOM_OBJECTS.update(self._added)
        return self

    def __exit__(self, *error: object) -> None:
        _CUSTOM_OBJECTS.clear()
        _CUSTOM_OBJECTS.update(self._before)


class Registry(Generic[T]):
    """The kinds of one concept by their names.

    Parameters
    ----------
    what : str
        The concept as errors call it: ``"loss"``.
    base : type
        The class of them all.
    key : str, default "name"
        The entry of a configuration that holds the name.
    """

    def __init__(self, what: str, base: type[T], key: str = "name") -> None:
        self.what = what
        self.base = base
        self.key = key
        self._makers: dict[str, Callable[..., T]] = {}
        self._aliases: dict[str, str] = {}

    def add(self, name: str, maker: Callable[..., T], *aliases: str) -> None:
        """Make a kind known; `maker` gets its options by keyword."""
        self._makers[name] = maker
        self._aliases.update((alias, name) for alias in aliases if alias != name)

    def collect(self, namespace: Mapping[str, Any], name_of: Callable[[type[T]], str]) -> None:
        """Add every public class of a module or a package, its own name as an alias.

        Parameters
        ----------
        namespace : dict
            ``globals()`` of the package.
        name_of : callable
            Class → name; classes with an empty one are left out.
        """
        for word, cls in list(namespace.items()):
            if isinstance(cls, type) and issubclass(cls, self.base) and not word.startswith("_"):
                if cls is self.base:
                    continue
                name = name_of(cls)
                if name:
                    self.add(name, self._makers.get(name, cls), word)

    def alias(self, words: Mapping[str, str]) -> None:
        """Further words for names: ``{"mse": "mean_squared_error"}``."""
        self._aliases.update((word, name) for word, name in words.items() if word != name)

    def names(self) -> list[str]:
        """Every name, without aliases."""
        return list(self._makers)

    def words(self) -> list[str]:
        """Every name and every alias."""
        return [*self._makers, *self._aliases]

    def maker(self, name: Any, custom_objects: Custom | None = None) -> Any:
        """The class of a name; a class or function of a user's comes first.

        Parameters
        ----------
        name : str
        custom_objects : dict, optional
            A user's own, besides the registered ones.

        Raises
        ------
        TypeError
            The name is not a string.
        ValueError
            It is unknown; the message lists the known ones.
        """
        own = _mapping(custom_objects)
        for custom in (own, _CUSTOM_OBJECTS):
            if isinstance(name, str) and name in custom:
                return custom[name]
        canonical = self.canonical(name)
        if canonical is None:
            unknown(self.what, name, [*self.words(), *own])
        return self._makers[canonical]

    def canonical(self, word: Any) -> str | None:
        """The name that a word stands for; None for an unknown one."""
        if not isinstance(word, str):
            return None
        name = self._aliases.get(word, word)
        return name if name in self._makers else None

    def get(self, identifier: Any, custom_objects: Custom | None = None) -> T:
        """An object from its name, its class, its configuration, or itself.

        Parameters
        ----------
        identifier : str, type, dict or object
        custom_objects : dict, optional
            Further classes and functions by name; they come first.

        Raises
        ------
        ValueError
            The name is unknown (the message lists the known ones), or an option is out of range.
        TypeError
            It is none of these.
        """
        _mapping(custom_objects)
        if isinstance(identifier, self.base):
            return identifier
        if isinstance(identifier, type) and issubclass(identifier, self.base):
            return identifier()
        if isinstance(identifier, Mapping):
            return self.deserialize(identifier, custom_objects)
        return self._make(self.maker(identifier, custom_objects), {})

    def deserialize(self, config: Mapping[str, Any], custom_objects: Custom | None = None) -> T:
        """The object that a configuration describes: `serialize`'s, or ``get_config``'s.

        Parameters
        ----------
        config : dict
            ``{"class_name": ..., "config": {...}}``, or the options with the name among them.
        custom_objects : dict, optional
            Further classes and functions by name; they come first.

        Raises
        ------
        ValueError
            The name is unknown (the message lists the known ones), or an option is out of range.
        TypeError
            An option is unknown, or of another type.
        """
        if not isinstance(config, Mapping):
            return self.get(config, custom_objects)
        if "class_name" in config:
            name, options = config["class_name"], config.get("config") or {}
            if not isinstance(options, Mapping):
                raise ValueError(
                    f"{self.what}: found {checks.shown(config)}, wanted class_name and config, a "
                    "dictionary"
                )
            name = config.get("registered_name") or name
            if self.canonical(name) is None:
                name = config["class_name"]
            options = self._own_options(options)
        else:
            options = {key: value for key, value in config.items() if key != self.key}
            name = config.get(self.key)
        return self._make(self.maker(name, custom_objects), dict(options))

    def _own_options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options of a configuration that names the class by itself."""
        return options

    def _make(self, maker: Any, options: dict[str, Any]) -> T:
        from_config = getattr(maker, "from_config", None)
        made: T = maker(**options) if from_config is None else from_config(options)
        return made

    def serialize(self, thing: T) -> dict[str, Any]:
        """The configuration from which `deserialize` makes an equal object; JSON-able."""
        if not hasattr(thing, "get_config"):
            raise TypeError(
                f"{self.what}: found {checks.shown(thing)}, wanted a {self.base.__name__}"
            )
        config: dict[str, Any] = thing.get_config()
        return {"class_name": type(thing).__name__, "config": config}


def _mapping(custom_objects: Custom | None) -> Custom:
    if custom_objects is not None and not isinstance(custom_objects, Mapping):
        raise TypeError(
            f"custom_objects: found {checks.shown(custom_objects)}, wanted a dictionary of classes "
            "and functions by name"
        )
    return custom_objects or {}


def public(namespace: Mapping[str, Any], *more: str) -> list[str]:
    """The names for ``from package import *``: the package's own classes, functions and objects.

    Set as ``globals()["__all__"]``, it is not seen by type checkers, which take every name that
    the package's modules define; a list by hand would be one more place to edit.

    Parameters
    ----------
    namespace : dict
        ``globals()`` of the package.
    *more : str
        Names of objects that are made by a class or function from elsewhere.
    """
    package = namespace["__name__"]

    def is_own(value: Any) -> bool:
        module = str(getattr(value, "__module__", ""))
        return module == package or module.startswith(f"{package}.")

    return sorted(
        name
        for name, value in namespace.items()
        if not name.startswith("_") and (name in more or is_own(value))
    )
