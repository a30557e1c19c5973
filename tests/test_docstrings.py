"""Everything public has a docstring, which names each argument and says its default."""

import ast
import inspect
import re
from collections.abc import Iterator
from typing import Any

import densecore as dc

MODULES = [
    dc,
    dc.activations,
    dc.backend,
    dc.callbacks,
    dc.config,
    dc.constraints,
    dc.converters,
    dc.data,
    dc.datasets,
    dc.distributed,
    dc.distributions,
    dc.export,
    dc.initializers,
    dc.layers,
    dc.losses,
    dc.metrics,
    dc.models,
    dc.ops,
    dc.optimizers,
    dc.preprocessing,
    dc.random,
    dc.reference,
    dc.regularizers,
    dc.rl,
    dc.saving,
    dc.schedules,
    dc.solvers,
    dc.utils,
]


def public_objects() -> dict[str, Any]:
    """Public classes and functions of the package, each under the first of its names."""
    found: dict[int, tuple[str, Any]] = {}
    for module in MODULES:
        for name in getattr(module, "__all__", vars(module)):
            value = getattr(module, name)
            ours = getattr(value, "__module__", "").startswith("densecore")
            if not name.startswith("_") and ours and (inspect.isclass(value) or callable(value)):
                found.setdefault(id(value), (f"{module.__name__}.{name}", value))
    return dict(found.values())


PUBLIC = public_objects()


def methods(cls: type) -> dict[str, Any]:
    """The public methods and properties of a class that are defined in it, not in its bases."""
    return {
        name: value.__func__ if isinstance(value, classmethod | staticmethod) else value
        for name, value in vars(cls).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, classmethod | staticmethod | property))
    }


def test_all_that_is_public_has_a_docstring() -> None:
    missing = [module.__name__ for module in MODULES if not module.__doc__]
    for name, value in PUBLIC.items():
        if not inspect.getdoc(value):
            missing.append(name)
        for method in methods(value) if inspect.isclass(value) else ():
            if not inspect.getdoc(getattr(value, method)):  # that of its base will do
                missing.append(f"{name}.{method}")
    assert not missing


def described(doc: str) -> dict[str, str]:
    """The arguments that a docstring describes, each with its type and default as written."""
    match = re.search(r"^Parameters\n-+\n(.*?)(?:^\w[\w ]*\n-+\n|\Z)", doc, re.M | re.S)
    entries = re.findall(r"^([\w*][\w*, /]*?)(?: : (.*))?$", match.group(1), re.M) if match else []
    return {name.strip("* "): said for names, said in entries for name in re.split("[,/]", names)}


def unsaid(doc: str, function: Any) -> list[str]:
    """The arguments with a default whose description does not give it.

    Where a docstring has no section of parameters, a name in its text is enough, or a reference to
    another function ("As `fit`."). An entry without a type says in its text which other function or
    class describes the argument.
    """
    found, listed = [], described(doc)
    if not listed and re.search(r"(?:^As|[Ss]ee) `", doc):
        return []
    for parameter in inspect.signature(function).parameters.values():
        name, default = parameter.name, parameter.default
        if default is parameter.empty or name.startswith("_"):
            continue
        if not listed:
            if not re.search(rf"\b{name}\b", doc):
                found.append(name)
        elif name not in listed:
            found.append(name)
        elif listed[name] and not says(listed[name], default):
            found.append(f"{name}={default!r}")
    return found


def says(text: str, default: Any) -> bool:
    """Whether the head of an entry gives a default; of several arguments it has several."""
    if default is None:
        return "optional" in text or text.endswith("default None")
    said = text.partition("default ")[2]
    for value in [said, *re.split(r", | and ", said)]:
        try:
            given = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            try:
                given = eval(value, {"__builtins__": {}})  # 2**26
            except (SyntaxError, NameError):
                continue
        if given == default:
            return True
    return False


def test_what_is_not_said_is_noticed() -> None:
    def function(a: int, b: int = 2, c: float = 0.5, d: Any = None) -> None: ...

    whole = "Do.\n\nParameters\n----------\na : int\nb : int, default 2\nc : float, default 0.5\n"
    assert unsaid(whole + "d : int, optional\n", function) == []
    assert unsaid(whole + "d\n    As of others.\n", function) == []
    assert unsaid(whole, function) == ["d"]
    assert unsaid(whole.replace("0.5", "0.6") + "d : int\n", function) == ["c=0.5", "d=None"]
    assert unsaid("Do `b` with `c` and `d`.", function) == []
    assert unsaid("Do `b` with `c`.", function) == ["d"]
    assert unsaid("As `other`.", function) == []
    assert says("{a, b}, default (1, 2)", (1, 2))
    assert says("float, default 0.5 and 2**20", 1 << 20)
    assert not says("float", 0.5)


def functions() -> Iterator[tuple[str, Any, str]]:
    """Public functions, constructors and methods, each with the docstring that describes it."""
    for name, value in PUBLIC.items():
        if inspect.isfunction(value):
            yield name, value, inspect.getdoc(value) or ""
        if not inspect.isclass(value):
            continue
        if inspect.isfunction(vars(value).get("__init__")) and not issubclass(value, Exception):
            yield name, value.__init__, inspect.getdoc(value) or ""
        for method, function in methods(value).items():
            # The hooks of callbacks all take `logs`, which the class describes.
            if inspect.isfunction(function) and function.__doc__ and not method.startswith("on_"):
                yield f"{name}.{method}", function, inspect.getdoc(function) or ""


def test_docstrings_say_the_defaults() -> None:
    found = [(name, unsaid(doc, function)) for name, function, doc in functions()]
    assert len(found) > 700  # what is read is what is there
    assert [(name, missing) for name, missing in found if missing] == []
