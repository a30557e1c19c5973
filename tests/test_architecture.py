"""The house rules that a reader relies on, read off the sources themselves."""

import ast
import functools
import gc
import importlib
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import densecore as dc
from conftest import KernelObject

ROOT = Path(__file__).parents[1]
CPP = ROOT / "cpp"
PACKAGE = ROOT / "python" / "densecore"

# Folder order is dependency order; nothing points back. A row is a level of equals, which do not
# include or import each other.
CPP_ORDER = [
    {"base"},
    {"kernels", "tables"},
    {"layers"},
    {"objectives"},
    {"network"},
    {"derivatives", "training"},
    {"bindings"},
]
# The same for the folders and files at the package's top level. A name without an underscore is
# public; what a package holds is its own business, but nothing there points back either.
PYTHON_ORDER = [
    {"_base"},
    {"_data", "_saving"},
    {"_autodiff"},
    {
        "activations",
        "config",
        "constraints",
        "data",
        "datasets",
        "distributed",
        "distributions",
        "initializers",
        "random",
    }
    | {"regularizers", "reference", "tree"},
    {"losses", "ops", "rl", "schedules"},
    {"layers", "metrics", "optimizers"},
    {"callbacks", "export"},
    {"solvers"},
    {"models"},
    {"converters", "ensembles", "roofline", "saving"},
    {"utils"},
    {"backend", "mixed_precision", "preprocessing"},
    {"__init__"},
    {"sklearn", "tabular", "wrappers"},
    {"cli"},
    {"__main__"},
]

needs_sources = pytest.mark.skipif(not CPP.is_dir(), reason="needs the source tree")


def sources(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in CPP.glob(pattern))


def levels(order: list[set[str]]) -> dict[str, int]:
    return {name: number for number, names in enumerate(order) for name in names}


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The groups of files that reach each other: files that import no other one, or that no
    other one imports, are taken away until none is left or only circles are."""
    left = {name: targets - {name} for name, targets in arrows.items()}
    while True:
        reached = set().union(*left.values())
        loose = {name for name, targets in left.items() if not targets & left.keys()}
        loose |= left.keys() - reached
        if not loose:
            return [[name, *sorted(targets & left.keys())] for name, targets in left.items()]
        left = {name: targets for name, targets in left.items() if name not in loose}


def back_arrows(arrows: dict[str, set[str]], order: list[set[str]]) -> list[str]:
    """Arrows between top-level folders that do not lead down."""
    level = levels(order)
    return [
        f"{name} -> {target}"
        for name, targets in sorted(arrows.items())
        for target in sorted(targets)
        if name.split("/")[0] != target.split("/")[0]
        and level[target.split("/")[0]] >= level[name.split("/")[0]]
    ]


def test_circles_and_back_arrows_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"], ["c", "b"]]
    order = [{"low"}, {"high", "equal"}]
    assert back_arrows({"high/x": {"low/y", "high/z"}}, order) == []
    assert back_arrows({"low/y": {"high/x"}}, order) == ["low/y -> high/x"]
    assert back_arrows({"equal/y": {"high/x"}}, order) == ["equal/y -> high/x"]


def cpp_arrows() -> dict[str, set[str]]:
    """Which other units a unit (a header with its source, named without the ending) includes."""
    arrows: dict[str, set[str]] = {}
    for path in sources("*/*.h", "*/*.cc", "*/*/*.h"):
        unit = str(path.relative_to(CPP).with_suffix(""))
        for target in re.findall(r'#include "([^"]+)"', path.read_text()):
            assert "/" in target, f"{path}: include {target} by its path from cpp/"
            arrows.setdefault(unit, set()).add(target.removesuffix(".h"))
    return arrows


@needs_sources
def test_includes_follow_the_folder_order() -> None:
    arrows = cpp_arrows()
    assert "network/workspace" in arrows["network/network"]  # what is read is what is there
    assert not back_arrows(arrows, CPP_ORDER)
    assert not circles(arrows)


@needs_sources
def test_kernels_are_seen_only_through_the_table() -> None:
    allowed = {"kernels/table.h", "kernels/dispatch.h", "kernels/activation_derivatives.h"}
    above = sorted(levels(CPP_ORDER).keys() - {"base", "kernels"})
    for path in sources(*(f"{folder}/*" for folder in above)):
        included = set(re.findall(r'#include "(kernels/[^"]+)"', path.read_text()))
        assert included <= allowed, path


@needs_sources
def test_python_headers_stay_in_the_bindings() -> None:
    for folder in levels(CPP_ORDER).keys() - {"bindings"}:
        for path in sources(f"{folder}/*", f"{folder}/*/*"):
            if path.is_file():
                assert not re.search(
                    r"#include\s*[<\"](pybind11|Python\.h|numpy)", path.read_text()
                )


@functools.cache
def trees() -> dict[Path, ast.Module]:
    """Every source file of the package, parsed once for all tests; in a third of the time without
    looks for garbage, which trees that live on are not."""
    gc.disable()
    try:
        return {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
    finally:
        gc.freeze()
        gc.enable()


def for_types_only(node: ast.AST) -> bool:
    """Whether a statement is ``if TYPE_CHECKING:``."""
    test = node.test if isinstance(node, ast.If) else None
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def run_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement but those that only a type checker reads; expressions hold no imports."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        if part == "body" and for_types_only(node):
            continue
        for child in getattr(node, part, ()):
            yield child
            yield from run_nodes(child)


@functools.cache
def package_files() -> frozenset[str]:
    """Files without their endings; folders, whose file is `__init__`, by a slash at the end."""
    paths = list(PACKAGE.rglob("*.py"))
    files = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in paths}
    return frozenset(files | {f"{path.parent.relative_to(PACKAGE).as_posix()}/" for path in paths})


def file_of(parts: list[str]) -> str | None:
    """The file that a dotted name of the package stands for, without its ending."""
    name = "/".join(parts)
    if f"{name or '.'}/" in package_files():
        return "/".join([*parts, "__init__"])
    return name if name in package_files() else None


def imported_files(path: Path) -> set[str]:
    """The files of the package that a file imports, at its top or when a function is called."""
    folder = list(path.relative_to(PACKAGE).parts[:-1])
    found: set[str | None] = set()
    for node in run_nodes(trees()[path]):
        if isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            if node.level:
                start = folder[: len(folder) - node.level + 1] + module
            elif module[:1] == ["densecore"]:
                start = module[1:]
            else:
                continue
            for alias in node.names:
                found.add(file_of([*start, alias.name]) or file_of(start))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "densecore":
                    found.add(file_of(alias.name.split(".")[1:]))
    return {name for name in found if name is not None}


def python_arrows() -> dict[str, set[str]]:
    return {
        str(path.relative_to(PACKAGE).with_suffix("")): imported_files(path)
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@needs_sources
def test_imports_follow_the_module_order() -> None:
    arrows = python_arrows()
    assert "models/weights" in arrows["models/compiled"]  # what is read is what is there
    places = {name.split("/")[0] for name in arrows}
    assert places == levels(PYTHON_ORDER).keys(), "give a new module a place in PYTHON_ORDER"
    assert not back_arrows(arrows, PYTHON_ORDER)
    assert not circles(arrows)


def rows_of_table(page: str, title: str) -> list[str]:
    """The folders and modules in the first column of a table, from its top to its bottom."""
    rows = page.split(f"| `{title}` |")[1].split("\n\n")[0].splitlines()[2:]
    names = [re.findall(r"`(\w+)/?`", row.split("|")[1]) for row in rows]
    return [name for row in names for name in row]


@needs_sources
@pytest.mark.parametrize(
    ("title", "order"), [("cpp/", CPP_ORDER), ("python/densecore/", PYTHON_ORDER)]
)
def test_the_page_lists_folders_in_their_order(title: str, order: list[set[str]]) -> None:
    listed = rows_of_table((ROOT / "ARCHITECTURE.md").read_text(), title)
    level = levels(order)
    assert sorted(listed) == sorted(level.keys() - {"__init__", "__main__"})
    assert [level[name] for name in listed] == sorted(level[name] for name in listed)


@needs_sources
def test_the_page_is_one() -> None:
    """What does not fit on a sheet belongs to docs/where-is.md."""
    lines = (ROOT / "ARCHITECTURE.md").read_text().splitlines()
    assert sum(-(-max(len(line), 1) // 130) for line in lines) <= 70


@needs_sources
@pytest.mark.parametrize(
    ("title", "least"), [("ARCHITECTURE.md", 4), ("docs/where-is.md", 14)], ids=["page", "docs"]
)
def test_pages_name_what_there_is(title: str, least: int) -> None:
    """Each file (one without folders is beside the one before), and each "`name` in `file`"."""
    page = (ROOT / title).read_text().split("# Where is")[1].split("## Words")[0]
    folder, found = ROOT, {}
    for name in re.findall(r"`([\w/]+\.(?:py|h|cc))`", page):
        if "/" in name:
            folder = ((ROOT if name.startswith("cpp/") else PACKAGE) / name).parent
        found[name] = folder / Path(name).name
        assert found[name].exists(), name
    inside = re.findall(r"`([\w:]+)` in `([\w/]+\.\w+)`", page)
    assert len(inside) > least
    for what, name in inside:
        assert what.split("::")[-1] in found[name].read_text(), f"{what} in {name}"


@needs_sources
def test_one_file_imports_the_extension() -> None:
    importers = [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if re.search(r"^\s*(from \.*_core|from \.+ import .*\b_core\b)", path.read_text(), re.M)
    ]
    assert importers == ["_base/core.py"]


def not_public(code: str) -> set[str]:
    """What a file of the command line imports from the library and users may not."""
    found = set()
    for node in run_nodes(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {".".join(n[1:]) for n in names if n[0] == "densecore" and len(n) > 1}
        elif isinstance(node, ast.ImportFrom) and node.level != 1:  # 1: the command line itself
            module = node.module.split(".") if node.module else []
            if node.level == 0:
                if module[0] != "densecore":
                    continue
                module = module[1:]
            if module[:1] == ["cli"]:
                continue
            face = importlib.import_module(".".join(["densecore", *module]))
            listed = set(getattr(face, "__all__", ()))
            if not module:  # the package's own modules are not listed
                listed |= {path.stem for path in PACKAGE.iterdir()}
            public = {name for name in listed if not name.startswith("_")}
            inside = len(module) > 1 or any(part.startswith("_") for part in module)
            found |= {
                ".".join([*module, alias.name])
                for alias in node.names
                if inside or alias.name not in public
            }
    return found


@needs_sources
def test_command_line_uses_the_public_interface() -> None:
    """Public is what a name without underscore at the top level says, and what `__all__` lists."""
    assert not_public("from densecore.models.layered_network import LayeredNetwork") == {
        "models.layered_network.LayeredNetwork"
    }
    assert not_public("from .._base import core") == {"_base.core"}
    assert not_public("from densecore.losses import _curvature") == {"losses._curvature"}
    assert not not_public("import densecore as dc\nfrom densecore.losses import get")
    for path in (PACKAGE / "cli").glob("*.py"):
        # `tabular` was written for the command line: it may use the files within.
        used = {name for name in not_public(path.read_text()) if not name.startswith("tabular.")}
        assert not used, path


@pytest.mark.slow
@needs_sources
@pytest.mark.skipif(shutil.which("nm") is None, reason="needs binutils")
@pytest.mark.parametrize("name", dc._core.compiled_isa_levels())
def test_kernel_objects_are_safe_to_link(name: str, kernel_object: KernelObject) -> None:
    """No weak symbols (the linker could give baseline code a copy for newer processors), none
    undefined but memory functions, no static initialisers (they would run before dispatch)."""
    target = kernel_object(name)
    symbols = subprocess.run(["nm", target], capture_output=True, text=True, check=True).stdout
    kinds: dict[str, set[str]] = {}
    for line in symbols.splitlines():
        *_, kind, symbol = line.split()
        kinds.setdefault(kind, set()).add(symbol)
    assert not {kind: kinds[kind] for kind in "WVuiwv" if kind in kinds}
    assert kinds.get("U", set()) <= {"memset", "memcpy", "memmove", "_GLOBAL_OFFSET_TABLE_"}
    exported = {symbol for kind, names in kinds.items() if kind in "TDRB" for symbol in names}
    assert exported == {f"densecore_kernels_{name}"}
    sections = subprocess.run(["objdump", "-h", target], capture_output=True, text=True, check=True)
    assert ".init_array" not in sections.stdout
    assert ".ctors" not in sections.stdout


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs binutils")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF only")
def test_extension_hides_its_symbols() -> None:
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", dc._core.__file__],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {line.split()[-1] for line in listed.splitlines()}
    ours = {name for name in names if "densecore" in name}
    assert ours == {"densecore_get_num_threads", "densecore_set_num_threads"}
    assert "PyInit__core" in names


def test_all_lists_what_there_is() -> None:
    for name in dc.__all__:
        assert getattr(dc, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Dance'"):
        dc.Dance  # noqa: B018


@pytest.mark.slow
@needs_sources
def test_types_are_strict() -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(PACKAGE)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@needs_sources
@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff_is_content(command: list[str]) -> None:
    pytest.importorskip("ruff")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            *command,
            "python",
            "tests",
            "tools",
            "examples",
            "benchmarks",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def run_python(code: str) -> str:
    # A user's interpreter keeps what it has compiled; without that every import compiles anew.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout


@pytest.mark.slow
def test_import_brings_in_nothing_optional() -> None:
    optional = ["matplotlib", "pandas", "scipy", "sklearn", "torch", "tqdm", "safetensors"]
    optional += ["threadpoolctl", "pytest"]
    code = f"import densecore, sys; print([m for m in {optional} if m in sys.modules])"
    assert run_python(code).strip() == "[]"
    # What a program does not use, it does not pay for.
    code = "import densecore, sys; print([m for m in sys.modules if m.startswith('densecore.')])"
    assert "densecore.reference" not in run_python(code)
    assert "densecore.cli" not in run_python(code)


@pytest.mark.measures
@pytest.mark.slow
def test_import_is_quick() -> None:
    """At most a third of NumPy's own import: both of processor time, in the same process, as
    machines differ; and the best of several tries, as they are noisy."""
    code = (
        "import time; start = time.process_time(); import numpy; middle = time.process_time(); "
        "import densecore; print((time.process_time() - middle) / (middle - start))"
    )
    assert min(float(run_python(code)) for _ in range(5)) < 1 / 3


@pytest.mark.parametrize("level", dc._core.available_isa_levels())
def test_isa_can_be_forced(level: str) -> None:
    code = (
        f"import os; os.environ['DENSECORE_ISA'] = '{level}'; import densecore; "
        "print(densecore.show_config('dicts')['isa'])"
    )
    assert run_python(code).strip() == level


@pytest.mark.parametrize("level", ["mmx", "AVX2"])
def test_unknown_isa_is_refused(level: str) -> None:
    code = (
        f"import os; os.environ['DENSECORE_ISA'] = '{level}'\n"
        "try:\n    import densecore\nexcept Exception as error:\n    print(error)"
    )
    said = run_python(code)
    assert "DENSECORE_ISA" in said
    assert level in said
    assert "scalar" in said


@pytest.mark.measures
@pytest.mark.skipif(shutil.which("nm") is None, reason="needs binutils")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF only")
def test_extension_is_small_and_stripped() -> None:
    extension = Path(dc._core.__file__)
    # A budget, not a measurement: compilers differ by a tenth. As it is in the wheel, of which the
    # rest is nine tenths of a megabyte.
    assert len(zlib.compress(extension.read_bytes())) < 1_520_000
    symbols = subprocess.run(["nm", extension], capture_output=True, text=True, check=False)
    assert "no symbols" in symbols.stderr


def _imports_of_calls(node: ast.AST, in_call: bool = False, held: bool = False) -> Iterator[int]:
    """The lines of imports that a call makes without the lock that a fork waits for."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom) and in_call and not held:
            yield child.lineno
        locks = isinstance(child, ast.With) and any(
            ast.unparse(item.context_expr) == "imports" for item in child.items
        )
        call = isinstance(child, ast.FunctionDef)
        yield from _imports_of_calls(child, in_call or call, held or locks)


def test_a_fork_waits_for_every_import_of_a_call() -> None:
    """See `_base/lazy.py`; the command line has one thread."""
    found = [
        f"{path.relative_to(PACKAGE).as_posix()}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] != "cli"
        for line in _imports_of_calls(trees()[path])
    ]
    assert not found, f"wanted `with imports:` around the imports of {', '.join(found)}"
