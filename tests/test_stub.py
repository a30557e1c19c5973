"""The stub of the extension says what the bindings say: names, arguments, defaults, docstrings."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import densecore as dc

PACKAGE = Path(dc.__file__).parent
TREE = ast.parse((PACKAGE / "_core.pyi").read_text())
STUBS = {node.name: node for node in TREE.body if isinstance(node, ast.ClassDef)}
CLASSES = {name: cls for name, cls in vars(dc._core).items() if isinstance(cls, type)}
# Arguments whose names Python cannot spell.
UNSPEAKABLE = {"in_": "in"}

# (name, default) of each argument; a default that is not there is `Parameter.empty`.
Arguments = list[tuple[str, Any]]


def members(node: ast.ClassDef) -> dict[str, ast.FunctionDef | None]:
    """The functions of a class in the stub and its bases, and None for attributes."""
    found: dict[str, ast.FunctionDef | None] = {}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in STUBS:
            found |= members(STUBS[base.id])
    for member in node.body:
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            found[member.target.id] = None
        if isinstance(member, ast.FunctionDef):
            decorators = [ast.unparse(d) for d in member.decorator_list]
            is_property = any(d == "property" or d.endswith(".setter") for d in decorators)
            found[member.name] = None if is_property else member
    return found


def value_of(default: ast.expr) -> Any:
    value = ast.literal_eval(default)
    return () if value == [] else value


def arguments_of(node: ast.FunctionDef) -> Arguments:
    """Those of a function definition, without the object or the class itself."""
    given = node.args
    names = [a.arg for a in (*given.posonlyargs, *given.args)]
    defaults = [inspect.Parameter.empty] * (len(names) - len(given.defaults))
    found = list(zip(names, [*defaults, *map(value_of, given.defaults)], strict=True))
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        found.append((argument.arg, value_of(default) if default else inspect.Parameter.empty))
    return [(UNSPEAKABLE.get(n, n), v) for n, v in found if n not in ("self", "cls")]


def arguments_in(function: Any) -> Arguments:
    """Those of a function of the core, as its text signature says, or with a name that Python
    cannot spell the first line of its docstring."""
    if getattr(function, "__text_signature__", None):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.default) for p in parameters if p.name != "self"]
    line = function.__doc__.splitlines()[0]
    spoken = re.sub(r"\bin: ", "in_: ", line)
    definition = ast.parse(f"def {spoken}: ...").body[0]
    assert isinstance(definition, ast.FunctionDef)
    return arguments_of(definition)


def text_of(value: Any) -> str:
    """The docstring, without a signature before it."""
    lines = (value.__doc__ or "").strip().splitlines()
    if lines and re.match(r"\w+\(.*\)", lines[0]):
        lines = lines[1:]
    return "\n".join(lines).strip()


def test_the_stub_lists_all_that_is_there() -> None:
    assert (PACKAGE / "py.typed").exists()
    functions = {node.name for node in TREE.body if isinstance(node, ast.FunctionDef)}
    public = {name for name in STUBS if not name.startswith("_")}
    assert {name for name in dir(dc._core) if not name.startswith("_")} == functions | public
    for name in public:
        has = {member for member in vars(CLASSES[name]) if not member.startswith("_")}
        assert has == {member for member in members(STUBS[name]) if member[0] != "_"}, name


def functions() -> list[tuple[str, ast.FunctionDef, Any]]:
    found = []
    for node in TREE.body:
        if isinstance(node, ast.FunctionDef):
            found.append((node.name, node, getattr(dc._core, node.name)))
    for name, cls in CLASSES.items():
        for member, stub in members(STUBS[name]).items():
            if stub is not None and member not in ("__call__", "__enter__", "__exit__"):
                found.append((f"{name}.{member}", stub, getattr(cls, member)))
    return found


@pytest.mark.parametrize(
    ("name", "stub", "function"), [pytest.param(*f, id=f[0]) for f in functions()]
)
def test_arguments_and_defaults_are_those_of_the_bindings(
    name: str, stub: ast.FunctionDef, function: Any
) -> None:
    assert arguments_of(stub) == arguments_in(function)


def test_a_wrong_stub_is_noticed() -> None:
    def stub(text: str) -> ast.FunctionDef:
        node = ast.parse(text).body[0]
        assert isinstance(node, ast.FunctionDef)
        return node

    found = arguments_in(dc._core.permutation)
    assert arguments_of(stub("def permutation(n, seed, epoch): ...")) == found
    for wrong in ("n, epoch, seed", "n, seed", "n, seed, epoch=0", "n, seed, number"):
        assert arguments_of(stub(f"def permutation({wrong}): ...")) != found
    found = arguments_in(dc._core.NetworkF32.predict)
    assert arguments_of(stub("def predict(self, x, out=None): ...")) == found
    assert arguments_of(stub("def predict(self, x, out=1): ...")) != found


def test_everything_of_the_core_has_a_docstring() -> None:
    missing = [name for name, _, function in functions() if not text_of(function)]
    for name, cls in CLASSES.items():
        if not text_of(cls):
            missing.append(name)
        for member, value in vars(cls).items():
            if inspect.isdatadescriptor(value) and member[0] != "_" and not text_of(value):
                missing.append(f"{name}.{member}")
    assert [name for name in missing if not name.endswith(".__init__")] == []
