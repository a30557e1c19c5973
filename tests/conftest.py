"""What tests share: every ISA level of this machine, both dtypes, guarded arrays, comparisons."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
import machine_code

# A shell's background job ignores Ctrl-C, which some tests send to themselves: they would not end.
signal.signal(signal.SIGINT, signal.default_int_handler)

LEVELS = dc._core.available_isa_levels()
DTYPES = ["float32", "float64"]
KERNELS = {"float32": dc._core.KernelsF32, "float64": dc._core.KernelsF64}
NETWORKS = {"float32": dc._core.NetworkF32, "float64": dc._core.NetworkF64}


# Every activation as it is by name, and with parameters.
ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in dc.activations.names()),
    ("relu", {"negative_slope": 0.25, "max_value": 1.5, "threshold": 0.5}),
    ("relu", {"max_value": 2.0}),
    ("leaky_relu", {"negative_slope": 0.0}),
    ("elu", {"alpha": 0.75}),
    ("hard_shrink", {"threshold": 1.25}),
    ("soft_shrink", {"threshold": 0.0}),
    ("threshold", {"threshold": -0.5, "default_value": 0.75}),
    ("squareplus", {"b": 0.25}),
    ("celu", {"alpha": 1.5}),
    ("gelu", {"approximate": True}),
]


# Every loss as it is by name, and with options.
LOSSES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in dc.losses.names()),
    ("huber", {"delta": 0.25}),
    ("quantile", {"quantiles": [0.25]}),
    ("binary_crossentropy", {"label_smoothing": 0.25}),
    ("categorical_crossentropy", {"label_smoothing": 0.25}),
    (
        "binary_focal_crossentropy",
        {"alpha": 0.75, "gamma": 1.5, "apply_class_balancing": True, "label_smoothing": 0.125},
    ),
    ("categorical_focal_crossentropy", {"alpha": 1.0, "gamma": 0.5}),
    ("categorical_generalized_cross_entropy", {"q": 0.75}),
]
# Those whose targets are class numbers; of probabilities; of positive numbers.
CLASS_NUMBERS = {name for name in dc.losses.names() if dc.losses.get(name).sparse}
OF_PROBABILITIES = {name for name in dc.losses.names() if "cross" in name} | {"kl_divergence"}
OF_POSITIVE = OF_PROBABILITIES | {"poisson", "mean_squared_logarithmic_error"}


# Every optimizer as it is by name, and every other rule of the core.
OPTIMIZERS: list[dict[str, Any]] = [
    *({"name": name} for name in dc.optimizers.names()),
    {"name": "sgd", "momentum": 0.5},
    {"name": "sgd", "momentum": 0.5, "nesterov": True},
    {"name": "adam", "amsgrad": True},
    {"name": "adam", "epsilon_hat": True},
    {"name": "rmsprop", "momentum": 0.5},
    {"name": "rmsprop", "centered": True},
    {"name": "rmsprop", "momentum": 0.5, "centered": True},
]


def loss_of(name: str, options: dict[str, Any]) -> tuple[list[float], dict[str, Any]]:
    """What the core and the reference take for a loss with these options."""
    loss = dc.losses.get({"name": name, **options})
    if name == "quantile":
        return loss._parameters(), {"quantiles": loss._parameters()}
    return loss._parameters(), options


def targets_of(rng: Any, name: str, rows: int, columns: int, parameters: list[float]) -> Any:
    """Targets for `columns` outputs, float64 or class numbers."""
    if name in CLASS_NUMBERS:
        return rng.integers(0, columns, rows).astype(np.int32)
    if "hinge" in name:
        return np.eye(columns)[rng.integers(0, columns, rows)]
    if name == "quantile":
        return rng.normal(size=(rows, columns // len(parameters)))
    if name == "gaussian_nll":
        return rng.normal(size=(rows, columns // 2))
    return rng.dirichlet(np.ones(columns), rows)


def network_of(
    dtype: str, inputs: int, layers: list[tuple[int, Any, bool]], level: str | None = None
) -> Any:
    """A network of the core from (units, activation, use_bias) of its dense layers."""
    specs = []
    for units, activation, bias in layers:
        name, parameters = dc.activations.get(activation)._kernel()
        specs.append({"kind": "dense", "units": units, "activation": name,
                      "activation_parameters": parameters, "use_bias": bias})  # fmt: skip
    return NETWORKS[dtype](inputs, specs, level)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With ``-m quick`` make the first case of a test only: the others, twenty times as many, take
    longer to make than the quick ones to run."""
    if metafunc.config.option.markexpr != "quick":
        return
    parametrize = metafunc.parametrize

    def first_case(names: Any, values: Any, *rest: Any, **options: Any) -> None:
        ids = options.get("ids")
        if ids is not None and not callable(ids):
            options["ids"] = list(ids)[:1]
        parametrize(names, list(values)[:1], *rest, **options)

    metafunc.parametrize = first_case  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Modules and tests live to the end: a collection of garbage need not look at them. There are
    so many that one took half a second, and tests that call `gc.collect` are many."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the first case of every test function as quick, unless it is slow; and leave out what
    an extension with sanitizers (tools/sanitize.py) cannot do."""
    seen = set()
    sanitized = pytest.mark.skip(reason="measures what sanitizers change")
    for item in items:
        if "DENSECORE_SANITIZED" in os.environ and item.get_closest_marker("measures"):
            item.add_marker(sanitized)
        function = item.nodeid.split("[")[0]
        if function not in seen and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.quick)
        seen.add(function)


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=DTYPES)
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kernels(level: str, dtype: str) -> Any:
    """The kernel table of one level and dtype."""
    return KERNELS[dtype](level)


KernelObject = Callable[[str], Path]


@pytest.fixture(scope="session")
def kernel_object(tmp_path_factory: pytest.TempPathFactory) -> KernelObject:
    """The object file of a level's kernels, compiled when a test first asks for it."""
    folder = tmp_path_factory.mktemp("kernels")

    def compiled(name: str) -> Path:
        level, target = machine_code.levels()[name], folder / f"{name}.o"
        if level.compiler is None:
            pytest.skip(f"needs a C++ compiler for {level.processor or 'this machine'}")
        if not target.exists():
            level.compile(machine_code.CPP / "kernels" / "compile_isa.cc", target)
        return target

    return compiled


class Guarded:
    """Arrays that lie inside a larger buffer of a strange number, to catch stores out of bounds."""

    strange = -7777.25
    margin = 80  # more than a vector, and not a multiple of the cache line

    def __init__(self) -> None:
        self._buffers: list[tuple[Any, int]] = []

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        size = int(np.prod(shape))
        buffer = np.full(size + 2 * self.margin + 3, self.strange, dtype)
        self._buffers.append((buffer, size))
        return buffer[self.margin + 3 : self.margin + 3 + size].reshape(shape)

    def filled(self, values: Any, dtype: str) -> Any:
        array = self.empty(np.shape(values), dtype)
        array[...] = values
        return array

    def check(self) -> None:
        for buffer, size in self._buffers:
            start = self.margin + 3
            outside = np.concatenate([buffer[:start], buffer[start + size :]])
            assert (outside == self.strange).all(), "a kernel wrote outside its array"


@pytest.fixture
def guarded() -> Any:
    guard = Guarded()
    yield guard
    guard.check()


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs in a folder of its own: what it leaves there is all that it wrote."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)


def assert_refused(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line says one line that contains `text`, and leaves no file."""
    from densecore.cli import main

    before = os.listdir()
    try:
        status: Any = main(arguments)
    except SystemExit as stop:  # argparse's own way
        status = stop.code
    printed = capsys.readouterr()
    assert status == 2
    assert text in printed.err
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("densecore")
    assert printed.out == ""
    assert os.listdir() == before


def assert_close(found: Any, expected: Any, tolerance: float, what: str = "") -> None:
    """Largest difference relative to the largest expected element; names the worst one."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    if found.size == 0:
        return
    scale = max(float(np.abs(expected).max()), np.finfo(np.float32).tiny)
    error = np.abs(found - expected)
    place = np.unravel_index(int(np.argmax(error)), error.shape)
    assert error[place] <= tolerance * scale, (
        f"{what} at {place}: found {found[place]!r}, expected {expected[place]!r}, error "
        f"{error[place] / scale:.2e} of the largest element, allowed {tolerance:.2e}"
    )
