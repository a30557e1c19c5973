"""`densecore.optimizers`: hyperparameters, the rules they choose, and Keras's common keywords."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import OPTIMIZERS
from densecore import optimizers

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32)
DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
    "adam": {
        "learning_rate": 0.001,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-7,
        "amsgrad": False,
    },
    "rmsprop": {
        "learning_rate": 0.001,
        "rho": 0.9,
        "momentum": 0.0,
        "epsilon": 1e-7,
        "centered": False,
    },
    "adagrad": {"learning_rate": 0.001, "initial_accumulator_value": 0.1, "epsilon": 1e-7},
    "adadelta": {"learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7},
    "lion": {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.99},
}
DEFAULTS["ftrl"] = {
    "learning_rate": 0.001,
    "initial_accumulator_value": 0.1,
    "l1_regularization_strength": 0.0,
    "l2_regularization_strength": 0.0,
    "l2_shrinkage_regularization_strength": 0.0,
    "beta": 0.0,
}
DEFAULTS["adafactor"] = {
    "learning_rate": 0.001,
    "beta_2_decay": -0.8,
    "epsilon_1": 1e-30,
    "epsilon_2": 1e-3,
    "clip_threshold": 1.0,
}
DEFAULTS["adamw"] = {**DEFAULTS["adam"], "weight_decay": 0.004}
DEFAULTS["nadam"] = DEFAULTS["adamax"] = DEFAULTS["lamb"] = {
    key: value for key, value in DEFAULTS["adam"].items() if key != "amsgrad"
}


class Halving:
    """A schedule with a configuration."""

    def __call__(self, step: int) -> float:
        return float(0.5**step)

    def get_config(self) -> dict[str, Any]:
        return {"name": "halving"}


def model(optimizer: Any) -> dc.Sequential:
    made = dc.Sequential([dc.Input(4), dc.Dense(3, "tanh"), dc.Dense(2)], seed=1)
    made.compile(optimizer, "mse")
    return made


@pytest.mark.parametrize("name", optimizers.names())
def test_defaults_are_keras_s(name: str) -> None:
    made = optimizers.get(name)
    assert made.get_config() == {"name": name, **DEFAULTS[name]}
    for key, value in DEFAULTS[name].items():
        assert getattr(made, key) == value
    assert optimizers.get(type(made).__name__).name == name
    assert made.name == name


def test_copies_keep_what_is_switched_off() -> None:
    made = optimizers.AdamW(weight_decay=None)  # type: ignore[arg-type]
    for again in (copy.deepcopy(made), optimizers.get(made.get_config())):
        assert again.weight_decay is None


@pytest.mark.parametrize("config", OPTIMIZERS, ids=str)
def test_configurations_come_back(config: dict[str, Any], tmp_path: Path) -> None:
    options = {"clipnorm": 1.5, "use_ema": True, "gradient_accumulation_steps": 3}
    made = optimizers.get({**config, "learning_rate": 0.25, **options})
    stored = json.loads(json.dumps(made.get_config()))
    for again in (optimizers.get(stored), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert again.get_config() == stored
        assert again.pipeline == made.pipeline
        assert repr(again) == repr(made)
        assert again._rule() == made._rule()
    first = model(optimizers.get(config))
    first.train_on_batch(X, Y)
    first.save(tmp_path / "m")
    loaded = dc.load_model(tmp_path / "m")
    for each in (first, loaded):
        each.train_on_batch(X, Y)
    assert loaded.parameters.tobytes() == first.parameters.tobytes()
    assert loaded.optimizer is not None
    names = [f"optimizer.{state}" for state in loaded.optimizer.state_names()]
    assert [name for name in loaded._tensors() if name.startswith("optimizer.")] == names


def test_states_start_from_what_the_rule_says() -> None:
    made = model(optimizers.Adagrad(initial_accumulator_value=0.25))
    (total,) = made._network.optimizer_states().values()
    assert (total == 0.25).all()
    made = model(optimizers.Adam())
    assert all((state == 0).all() for state in made._network.optimizer_states().values())


def test_momentum_chooses_the_rule() -> None:
    made = optimizers.SGD()
    assert made._rule() == "sgd"
    made.momentum = 0.9
    assert (made._rule(), made.momentum) == ("sgd_momentum", 0.9)
    made.nesterov = True
    assert made._rule() == "sgd_nesterov"
    made.learning_rate = 0.5
    fitted = model(made)
    made.momentum = 0.25  # the same rule: it holds from the next step on
    assert made._settings.values() == {"learning_rate": 0.5, "momentum": 0.25}
    for change, value in (("momentum", 0), ("nesterov", False)):
        with pytest.raises(ValueError, match=f"sgd: {change}: found .* compile again"):
            setattr(made, change, value)
    assert (made.momentum, made.nesterov) == (0.25, True)
    fitted.train_on_batch(X, Y)
    for other, change in (
        (optimizers.Adam(), "amsgrad"),
        (optimizers.RMSprop(), "centered"),
    ):
        model(other)
        with pytest.raises(ValueError, match="compile again"):
            setattr(other, change, True)
    plain = optimizers.SGD()
    model(plain)
    plain.nesterov = True  # without a momentum it changes nothing
    with pytest.raises(ValueError, match=r"momentum: found 0\.9 after compile, where it was 0"):
        plain.momentum = 0.9


def test_momentum_by_hand() -> None:
    """Keras's formulas, two steps of a gradient of 1."""
    kernels = dc._core.KernelsF64()
    for nesterov, wanted in ((False, [0.9, 0.75]), (True, [0.85, 0.675])):
        made = optimizers.SGD(0.1, 0.5, nesterov)
        p, velocity = np.ones(1), np.zeros(1)
        for step in (0, 1):
            numbers = list(made._settings.values().values())
            kernels.optimizer_update(made._rule(), numbers, step + 1, p, np.ones(1), [velocity])
            assert p[0] == pytest.approx(wanted[step], rel=1e-14)


def test_schedules_and_functions() -> None:
    schedule = Halving()
    made = optimizers.SGD(schedule)
    assert made.schedule is schedule
    assert made.learning_rate == 1.0
    assert made.get_config()["learning_rate"] == {
        "class_name": "Halving",
        "config": {"name": "halving"},
    }
    made.learning_rate = 0.125
    assert made.schedule is None
    made.learning_rate = lambda step: 0.5
    assert made.learning_rate == 0.5
    with pytest.raises(TypeError, match=r"wanted a number or a schedule of densecore\.schedules"):
        made.get_config()
    with pytest.raises(ValueError, match="learning_rate: found -1"):
        optimizers.Adam(lambda step: -1)


def test_common_keywords() -> None:
    for name in optimizers.names():
        made = optimizers.get({"name": name, "weight_decay": 0.5, "clipvalue": 2})
        assert made.pipeline.weight_decay == made.weight_decay == 0.5
        assert made.clipvalue == 2
        made.clipvalue = None
        made.global_clipnorm = 3
        assert made.pipeline.changed() == {"weight_decay": 0.5, "global_clipnorm": 3.0}
    named = optimizers.SGD(name="mine")
    assert named.name == "mine"
    assert optimizers.get(named.get_config()).name == "mine"
    assert optimizers.SGD().pipeline == optimizers.Pipeline()
    assert optimizers.AdamW(weight_decay=0).get_config()["weight_decay"] == 0


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: optimizers.get("tiger"), ValueError, "unknown optimizer 'tiger'.*known: sgd, ad"),
        (lambda: optimizers.SGD(momentum=1), ValueError, "sgd: momentum: found 1, wanted .*< 1"),
        (lambda: optimizers.SGD(momentum=-0.1), ValueError, "sgd: momentum: found -0.1, wanted"),
        (lambda: optimizers.SGD(momentum="a"), TypeError, "sgd: momentum: found 'a', wanted a"),
        (lambda: optimizers.SGD(nesterov="yes"), TypeError, "nesterov: found 'yes', wanted True"),
        (lambda: optimizers.RMSprop(rho=1), ValueError, "rho: found 1, wanted a finite number >="),
        (lambda: optimizers.SGD(clip=1), TypeError, "sgd: found the argument 'clip', wanted one"),
        (
            lambda: optimizers.SGD(clipnorm=0),
            ValueError,
            "clipnorm: found 0, wanted a finite",
        ),
        (lambda: optimizers.SGD(clipnorm=float("nan")), ValueError, "clipnorm: found nan"),
        (
            lambda: optimizers.SGD(clipnorm="a"),
            TypeError,
            "clipnorm: found 'a', wanted a finite",
        ),
        (
            lambda: optimizers.SGD(clipnorm=1, clipvalue=1),
            ValueError,
            "found clipnorm and clipvalue, wanted at most one way of clipping",
        ),
        (lambda: optimizers.SGD(weight_decay=-1), ValueError, "weight_decay: found -1, wanted a"),
        (lambda: optimizers.SGD(use_ema=2), TypeError, "use_ema: found 2, wanted True or False"),
        (lambda: optimizers.SGD(ema_momentum=1.5), ValueError, "ema_momentum: found 1.5, wanted"),
        (
            lambda: optimizers.SGD(gradient_accumulation_steps=1),
            ValueError,
            "gradient_accumulation_steps: found 1, wanted an integer >= 2",
        ),
        (
            lambda: optimizers.SGD(ema_overwrite_frequency=1.5),
            TypeError,
            "ema_overwrite_frequency: found 1.5, wanted an integer from 1 to",
        ),
        (
            lambda: optimizers.SGD(gradient_accumulation_steps=10**20),
            ValueError,
            r"gradient_accumulation_steps: found 10+, wanted an integer from 2 to 2\^31 - 1",
        ),
        (lambda: optimizers.SGD(10**400), ValueError, "learning_rate: found 1.*, wanted a finite"),
        (lambda: optimizers.SGD(name=5), TypeError, "name: found 5, wanted a string"),
        (
            lambda: setattr(optimizers.SGD(), "pipeline", None),
            AttributeError,
            "pipeline: found an assignment",
        ),
        (lambda: setattr(optimizers.SGD(), "rho", 0.5), ValueError, "unknown hyperparameter 'rho'"),
        (lambda: optimizers.SGD().rho, AttributeError, "SGD has no attribute 'rho'"),
    ],
)
def test_errors(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


# Keras's idioms -----------------------------------------------------------------------------------


def test_the_learning_rate_has_the_methods_of_a_variable() -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(1)], seed=0)
    model.compile("adam", "mse")
    rate = model.optimizer.learning_rate
    assert rate == 0.001
    assert float(np.array(rate)) == rate.numpy() == rate.value == 0.001
    assert rate.assign(1e-4) == 1e-4
    assert model.optimizer.learning_rate == 1e-4
    assert pickle.loads(pickle.dumps(rate)) == 0.001
    with pytest.raises(ValueError, match="learning_rate: found -1"):
        rate.assign(-1)


def test_older_words_are_taken_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="lr: the argument is called learning_rate now"):
        optimizer = optimizers.Adam(lr=0.01)
    assert optimizer.learning_rate == 0.01
    with pytest.warns(DeprecationWarning, match="is called optimizer.learning_rate now"):
        assert optimizer.lr == 0.01
    with pytest.warns(DeprecationWarning, match="is called optimizer.learning_rate now"):
        optimizer.lr = 0.02
    assert optimizer.learning_rate == 0.02
    with pytest.warns(DeprecationWarning, match="decay: found 0.5, taken for learning_rate="):
        optimizer = optimizers.SGD(learning_rate=0.1, decay=0.5, momentum=0.9)
    assert optimizer.schedule == dc.schedules.InverseTimeDecay(0.1, 1, 0.5)
    assert optimizers.SGD(0.1, decay=0.0).schedule is None
    assert optimizers.legacy.Adam is optimizers.Adam
    assert optimizers.Adam(loss_scale_factor=None, jit_compile=False).learning_rate == 0.001
    with pytest.raises(TypeError, match="adam: found the argument 'loss_scale_factor', wanted"):
        optimizers.Adam(loss_scale_factor=2.0)


@pytest.mark.parametrize("rows", [4, 40])
@pytest.mark.parametrize(
    "make",
    [
        lambda: [dc.Input(3), dc.Dense(4, "tanh"), dc.Dense(2)],
        lambda: [dc.Input(3), dc.layers.BatchNormalization(), dc.Dense(2)],
        lambda: [dc.Input(3), dc.Dense(300, "relu"), dc.Dense(300, "relu"), dc.Dense(2)],
    ],
)
def test_parameters_become_their_average_on_every_path_of_a_step(make: Any, rows: int) -> None:
    """Layer by layer, as batch normalisation makes a network go, they had kept their values."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 3)), rng.normal(size=(rows, 2))
    found = []
    for options in ({}, {"use_ema": True, "ema_momentum": 0.75, "ema_overwrite_frequency": 2}):
        model = dc.Sequential(make(), seed=1, dtype="float64")
        model.compile(optimizers.SGD(0.1, **options), "mse")
        model.train_on_batch(x, y)
        first = model.parameters.copy()
        model.train_on_batch(x, y)
        found.append((first, model.parameters.copy()))
    (first, second), (_, averaged) = found
    np.testing.assert_allclose(averaged, 0.75 * first + 0.25 * second, rtol=1e-12)


def test_iterations_are_updates_and_schedules_count_batches() -> None:
    """With gradients of several batches together; both as Keras counts them."""
    model = dc.Sequential([dc.Input(2), dc.Dense(1)], seed=0)
    rates = dc.schedules.ExponentialDecay(0.1, 2, 0.5)
    model.compile(dc.optimizers.SGD(rates, gradient_accumulation_steps=2), "mse")
    model.fit(np.ones((20, 2)), np.ones(20), batch_size=5, verbose=0)
    assert model.optimizer.iterations == 2
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1 * 0.5**2)
