"""The checks of single values, and the look-up of names that seven packages share."""

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore._base import checks
from densecore._base.dtypes import check_dtype
from densecore._base.registry import (
    CustomObjectScope,
    get_custom_objects,
    register_keras_serializable,
)

HALVES = [0.5, np.float32(0.5), np.float64(0.5), np.float16(0.5), np.array(0.5), Fraction(1, 2)]
NO_NUMBERS: list[Any] = [None, "1", b"1", True, np.True_, np.array(True), 1j, [1.0], np.ones(1)]
NO_FINITE: list[Any] = [float("nan"), float("inf"), np.float32("nan"), 10**400]


@pytest.mark.parametrize("half", [*HALVES, Decimal("0.5")], ids=repr)
def test_numbers_of_every_kind(half: Any) -> None:
    found = checks.number("x", half, above=0, below=1)
    assert type(found) is float
    assert found == 0.5


@pytest.mark.parametrize("bad", NO_NUMBERS, ids=repr)
def test_what_is_no_number(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"^x: found .*, wanted a finite number >= 0$"):
        checks.number("x", bad, least=0)
    with pytest.raises(TypeError, match=r"^x: found .*, wanted an integer from 1 to 2\^63 - 1$"):
        checks.integer("x", bad, 1)


@pytest.mark.parametrize("bad", NO_FINITE, ids=lambda bad: str(bad)[:5])
def test_numbers_are_finite(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"^x: found .*, wanted a finite number$"):
        checks.number("x", bad)


@pytest.mark.parametrize("three", [3, np.int64(3), np.uint8(3), np.array(3)], ids=repr)
def test_integers_of_every_kind(three: Any) -> None:
    found = checks.integer("x", three, 1, 3)
    assert type(found) is int
    assert found == 3


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [
        (0, (1,), "x: found 0, wanted an integer >= 1"),
        (2**63, (1,), "x: found 9223372036854775808, wanted an integer from 1 to 2^63 - 1"),
        (5, (1, 4), "x: found 5, wanted an integer from 1 to 4"),
        (10**50, (0,), "x: found 10000000000000000000… (51 characters), wanted an integer"),
    ],
)
def test_limits_of_integers(value: int, limits: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the text is compared below
        checks.integer("x", value, *limits)
    assert str(error.value).startswith(text)


def test_limits_of_numbers() -> None:
    for value, limits, text in [
        (0.0, {"above": 0.0}, "a finite number > 0"),
        (1, {"least": 0.0, "below": 1.0}, "a number >= 0 and < 1"),
        (2, {"above": 0.0, "most": 1.0}, "a number > 0 and <= 1"),
    ]:
        with pytest.raises(ValueError, match=f"^x: found {value}, wanted {text}$"):
            checks.number("x", value, **limits)  # type: ignore[arg-type]


def test_switches() -> None:
    for yes in (True, np.True_, 1, np.int8(1), np.array(True)):
        assert checks.flag("x", yes) is True
    for bad in (None, "True", 2, 0.0, [True]):
        with pytest.raises(TypeError, match=r"^x: found .*, wanted True or False$"):
            checks.flag("x", bad)


def test_dtypes() -> None:
    for given in ("float64", np.float64, np.dtype("float64"), float):
        assert check_dtype(given) == "float64"
    assert check_dtype(None) == "float32"
    for bad in ("float16", np.int32, "double precision"):
        with pytest.raises(ValueError, match=r"dtype: found .*, wanted 'float32' or 'float64'"):
            check_dtype(bad)
    with pytest.raises(TypeError, match="dtype: found 3, wanted"):
        check_dtype(3)


# Whatever takes a number takes NumPy's, and no string, bool or None.
PLACES: dict[str, Callable[[Any], Any]] = {
    "learning_rate": lambda value: dc.optimizers.SGD(value),
    "beta_1": lambda value: dc.optimizers.Adam(beta_1=value),
    "momentum": lambda value: dc.optimizers.SGD(momentum=value),
    "ema_momentum": lambda value: dc.optimizers.SGD(use_ema=True, ema_momentum=value),
    "delta": lambda value: dc.losses.Huber(value),
    "smoothing": lambda value: dc.losses.BinaryCrossentropy(label_smoothing=value),
    "quantile": lambda value: dc.losses.Quantile([value]),
    "alpha": lambda value: dc.activations.elu(1.0, value),
    "stddev": lambda value: dc.initializers.RandomNormal(0.0, value),
    "scale": lambda value: dc.initializers.VarianceScaling(value),
    "l2": lambda value: dc.regularizers.L2(value),
    "decay": lambda value: dc.schedules.ExponentialDecay(0.1, 10, value),
    "rate": lambda value: dc.layers.Dropout(value),
    "damping": lambda value: dc.solvers.LevenbergMarquardt(damping=value),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_argument_takes_numpy_scalars(place: str) -> None:
    for half in HALVES:
        PLACES[place](half)
    for bad in (None, "0.5", b"0.5", True, np.True_):
        with pytest.raises(TypeError, match=r"found .*, wanted"):
            PLACES[place](bad)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"found .*, wanted"):
            PLACES[place](bad)


# One registry ---------------------------------------------------------------------------------

PACKAGES = [dc.activations, dc.initializers, dc.losses, dc.metrics, dc.optimizers]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_names_configurations_and_keras_configurations(package: Any) -> None:
    for name in package.names():
        made = package.get(name)
        assert repr(package.get(made.get_config())) == repr(made)
        assert repr(package.deserialize(package.serialize(made))) == repr(made)
        assert package.get(made) is made
    with pytest.raises(ValueError, match=r"unknown .* 'nonesuch'.*known: "):
        package.get("nonesuch")
    with pytest.raises(TypeError, match=r"found .*, wanted"):
        package.get(3.5)


def test_core_and_registry_name_the_same() -> None:
    assert set(dc.losses.names()) == set(dc._core.KernelsF64().losses())
    variants = {"relu_general", "gelu_tanh"}  # which a parameter chooses
    assert set(dc.activations.names()) == set(dc._core.KernelsF64().activations()) - variants
    in_python = {"orthogonal", "identity", "random_signs"}
    assert set(dc.initializers.names()) - in_python == set(dc._core.initializers())


def test_configurations_of_keras() -> None:
    loss = {"class_name": "Huber", "config": {"name": "huber_loss", "delta": 2.0}}
    assert dc.losses.get(loss).get_config()["delta"] == 2.0
    assert dc.losses.get(loss).name == "huber_loss"
    optimizer = {"class_name": "Adam", "config": {"name": "adam", "beta_1": 0.5}}
    assert dc.optimizers.deserialize(optimizer).beta_1 == 0.5
    regularizer = {"class_name": "L2", "config": {"l2": 0.5}}
    assert dc.regularizers.get(regularizer) == dc.regularizers.L2(0.5)
    initializer = {"class_name": "HeNormal", "config": {"seed": None}}
    assert repr(dc.initializers.get(initializer)) == "HeNormal()"
    metric = {"class_name": "AUC", "config": {"name": "auc"}}
    assert dc.metrics.deserialize(metric).kind == "auc"


class Halving(dc.schedules.LearningRateSchedule):
    def __init__(self, first: float) -> None:
        self.first = first

    def __call__(self, step: Any) -> float:
        return float(self.first * 0.5**step)


def test_classes_of_users() -> None:
    config = dc.schedules.serialize(Halving(0.1))
    with pytest.raises(ValueError, match="unknown schedule 'Halving'"):
        dc.schedules.deserialize(config)
    assert dc.schedules.deserialize(config, {"Halving": Halving}) == Halving(0.1)
    with CustomObjectScope({"Halving": Halving}):
        assert dc.schedules.deserialize(config) == Halving(0.1)
    others = set(get_custom_objects())  # of other tests' modules
    register_keras_serializable("mine")(Halving)
    try:
        assert set(get_custom_objects()) - others == {"Halving", "mine>Halving"}
        assert dc.schedules.deserialize(config) == Halving(0.1)
    finally:
        for name in ("Halving", "mine>Halving"):
            get_custom_objects().pop(name, None)


@pytest.mark.parametrize("package", [dc.losses, dc.metrics, dc.optimizers, dc.schedules])
def test_a_star_import_takes_what_the_package_offers(package: Any) -> None:
    listed = set(package.__all__)
    assert not {name for name in listed if name.startswith("_")}
    assert not listed & {"Any", "np", "unknown", "checks", "public"}
    assert listed >= {"names", "serialize", "deserialize"}


@pytest.mark.slow
def test_type_checkers_see_the_classes(tmp_path: Path) -> None:
    """Although no list names them."""
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(
        "import densecore as dc\n"
        "reveal_type(dc.losses.Huber(2.0))\n"
        "reveal_type(dc.losses.mse)\n"
        "reveal_type(dc.optimizers.Adam())\n"
        "reveal_type(dc.schedules.CosineDecay(0.1, 10))\n"
        "reveal_type(dc.metrics.AUC())\n"
        "reveal_type(dc.losses.get('mse'))\n"
        "dc.losses.Hubber()\n"
    )
    # mypy finds an installed package by itself, and refuses a path that leads to one.
    folder = Path(dc.__file__).parents[1]
    path = {} if folder.name == "site-packages" else {"MYPYPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={"PATH": "", **path},
    )
    for name in ("Huber", "LossFunction", "Adam", "CosineDecay", "AUC", "base.Loss"):
        assert f'{name}"' in done.stdout, done.stdout
    assert 'has no attribute "Hubber"' in done.stdout


# Unclear errors of version 0.1 --------------------------------------------------------------------

X = np.ones((4, 3), "float32")


def compiled() -> Any:
    model = dc.Sequential([dc.Input(3), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    return model


REFUSED: list[tuple[Callable[[Any, Path], Any], type[Exception], str]] = [
    (
        lambda m, _: m.fit(X, X[:, :1], epochs=2**63, verbose=0),
        ValueError,
        r"epochs: found 9223372036854775808, wanted an integer from 0 to 2\^63 - 1",
    ),
    (
        lambda m, _: m.make_train_step(X, X[:, :1].copy()).run("a"),
        TypeError,
        "run: steps: found 'a', wanted an integer from 1",
    ),
    (
        lambda m, _: m.make_train_step(X, X[:, :1].copy()).run(2.5),
        TypeError,
        "run: steps: found 2.5, wanted an integer from 1",
    ),
    (
        lambda m, _: m.make_train_step(X, X[:, :1].copy()).run(2**63),
        ValueError,
        "run: steps: found an integer of more than 63 bits, wanted",
    ),
    (lambda m, _: m.set_weights(None), TypeError, "weights: found None, wanted a list of arrays"),
    (
        lambda m, _: m.layers[0].set_weights(3),
        TypeError,
        "weights: found 3, wanted a list of arrays",
    ),
    (
        lambda m, _: setattr(m, "parameters", None),
        TypeError,
        "parameters: found None, wanted real numbers",
    ),
    (
        lambda m, _: setattr(m, "parameters", np.zeros(3)),
        ValueError,
        r"parameters: found shape \(3,\), wanted \(4,\)",
    ),
    (
        lambda m, _: m.input_derivatives(X, X, order=True),
        TypeError,
        "order: found True, wanted 1 or 2",
    ),
    (
        lambda m, folder: m.save(bytes(folder) + b"/m"),
        TypeError,
        "path: found bytes.*, wanted a string",
    ),
    (
        lambda m, _: type("Mine", (type(m.freeze()),), {}),
        TypeError,
        "is not an acceptable base type",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED)
def test_what_was_unclear(call: Any, error: type[Exception], text: str, tmp_path: Path) -> None:
    model = compiled()
    before = model.parameters.copy()
    with pytest.raises(error, match=text):
        call(model, tmp_path)
    np.testing.assert_array_equal(model.parameters, before)


def test_steps_are_counted_by_numpy_s_integers() -> None:
    model = compiled()
    model.make_train_step(X, X[:, :1].copy()).run(np.int64(3))
    assert model.progress["steps"] == 3
    model.parameters = 0.5
    assert (model.parameters == 0.5).all()
