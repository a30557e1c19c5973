"""Models that are pickled and copied: equal, independent, and going on to the same bits."""

import copy
import importlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, losses, metrics, optimizers, schedules

COPIES: list[Callable[[Any], Any]] = [
    lambda model: pickle.loads(pickle.dumps(model)),
    copy.deepcopy,
    copy.copy,
]


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(90, 4)).astype(np.float32), rng.integers(0, 3, 90)


def trained() -> dc.Sequential:
    block = [layers.BatchNormalization(), dc.Dense(6, "tanh"), layers.Dropout(0.1), dc.Dense(6)]
    model = dc.Sequential(
        [dc.Input(4), dc.Dense(6, trainable=False), layers.Residual(block), dc.Dense(3)], seed=1
    )
    rate = schedules.ExponentialDecay(0.01, 10, 0.9)
    model.compile(
        optimizers.Adam(rate, use_ema=True, clipnorm=1.0),
        losses.SparseCategoricalCrossentropy(from_logits=True),
        ["accuracy", metrics.Recall()],
    )
    model.fit(*data(), epochs=2, verbose=0)
    return model


@pytest.mark.parametrize("duplicate", COPIES, ids=["pickle", "deepcopy", "copy"])
def test_goes_on_as_the_original(duplicate: Any) -> None:
    model = trained()
    model.metadata["mine"] = [1, 2]
    twin = duplicate(model)
    assert twin.metadata == {"mine": [1, 2]}
    assert twin.get_config() == model.get_config()
    for each in (model, twin):
        each.fit(*data(), epochs=3, initial_epoch=2, verbose=0)
    assert twin.parameters.tobytes() == model.parameters.tobytes()
    assert twin.progress == model.progress
    assert twin.evaluate(*data()) == model.evaluate(*data())
    before = model.predict(data()[0])
    twin.parameters[:] = 0
    assert (model.predict(data()[0]) == before).all()


@pytest.mark.parametrize("duplicate", COPIES, ids=["pickle", "deepcopy", "copy"])
def test_before_it_is_built_or_compiled(duplicate: Any) -> None:
    late = duplicate(dc.Sequential([dc.Dense(2)], seed=1))
    late.compile("sgd", "mse")
    late.fit(data()[0], np.ones((90, 2)), verbose=0)
    model = dc.Sequential([dc.Input(4), dc.Dense(2)], seed=1)
    assert duplicate(model).predict(data()[0]).tobytes() == model.predict(data()[0]).tobytes()


def test_subclasses_and_their_attributes() -> None:
    twin = pickle.loads(pickle.dumps(Named("x")))
    assert isinstance(twin, Named)
    assert twin.label == "x"


class Named(dc.Sequential):
    def __init__(self, label: str) -> None:
        super().__init__([dc.Input(2), dc.Dense(1)])
        self.label = label


def test_python_functions_are_refused() -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(1, activation=(np.sin, lambda x, a: np.cos(x)))])
    with pytest.raises(TypeError, match="a file cannot hold"):
        pickle.dumps(model)


class Halving(schedules.LearningRateSchedule):
    """A schedule in Keras's manner, of a class that the library does not know."""

    def __call__(self, step: Any) -> Any:
        return 0.1 / 2**step


def function_of_step(step: int) -> float:
    return 0.1 / 2**step


OWN_RATES = [Halving(), schedules.FromFunction(function_of_step), function_of_step]


@pytest.mark.parametrize("rate", OWN_RATES, ids=["class", "FromFunction", "function"])
def test_rates_of_ones_own_are_copied(rate: Any, tmp_path: Any) -> None:
    """Copies share the program, with what it defines; a file holds the present rate."""
    model = dc.Sequential([dc.Input(4), dc.Dense(3, "softmax")], seed=1)
    model.compile(optimizers.SGD(rate), "sparse_categorical_crossentropy")
    twins = [duplicate(model) for duplicate in COPIES]
    for each in (model, *twins):
        each.fit(*data(), verbose=0)
        assert each.parameters.tobytes() == model.parameters.tobytes()
    ensemble = dc.Ensemble(model, 2)
    ensemble.fit(*data(), verbose=0)
    for each, name in ((model, "one"), (ensemble, "many")):
        with pytest.warns(UserWarning, match="learning_rate: the file holds the present rate"):
            each.save(tmp_path / name)
    loaded = dc.load_model(tmp_path / "one")
    assert loaded.optimizer is not None
    assert loaded.optimizer.schedule is None
    assert loaded.optimizer.learning_rate == model.optimizer.learning_rate
    assert loaded.parameters.tobytes() == model.parameters.tobytes()


def test_public_classes_are_found_by_their_names() -> None:
    """Where pickle, and whatever else writes down a class, looks for it."""
    wrong = []
    for package in (metrics, losses, optimizers, schedules, layers, dc.callbacks, dc.initializers):
        for name, value in vars(package).items():
            own = isinstance(value, type) and value.__module__.startswith("densecore")
            if own and not name.startswith("_"):
                home = importlib.import_module(value.__module__)
                if getattr(home, value.__qualname__, None) is not value:
                    wrong.append(f"{package.__name__}.{name}: {value.__module__}")
    assert not wrong
    model = dc.Sequential([dc.Input(4), dc.Dense(3)], seed=0)
    model.compile("sgd", "mse", [metrics.Huber(), metrics.LogCosh()])
    assert pickle.loads(pickle.dumps(model)).metrics_names == model.metrics_names


def by_parts(value: Any) -> Any:
    """Written and read as skops does it: attributes and `__getstate__`, down to plain values."""
    if value is None or isinstance(value, bool | int | float | str | np.generic | type):
        return value
    if isinstance(value, np.ndarray | np.random.RandomState | np.dtype) or callable(value):
        return copy.deepcopy(value) if not hasattr(value, "get_config") else by_state(value)
    if isinstance(value, list | tuple | set):
        parts = [by_parts(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if type(value) is dict:
        return {key: by_parts(part) for key, part in value.items()}
    return by_state(value)


def by_state(value: Any) -> Any:
    constructor, arguments = value.__reduce__()[:2]
    if constructor is type(value):
        return constructor(*by_parts(arguments))
    made = type(value).__new__(type(value))
    state = by_parts(value.__getstate__())
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
    else:
        vars(made).update(state or {})
    return made


def test_written_by_parts() -> None:
    x, y = data()
    model = trained()
    made = {
        "model": model,
        "ensemble": dc.Ensemble(model, 2),
        "frozen": model.freeze(),
        "SGD": optimizers.SGD(schedules.CosineDecay(0.1, 10), momentum=0.9),
        "activation": dc.activations.Activation("relu", negative_slope=0.1),
        "loss": losses.Huber(2.0),
        "stopping": dc.callbacks.EarlyStopping(patience=3),
    }
    for name, thing in made.items():
        other = by_parts(thing)
        assert type(other) is type(thing), name
        if hasattr(thing, "get_config"):
            assert other.get_config() == thing.get_config(), name
    for name in ("model", "ensemble"):
        assert (by_parts(made[name]).predict(x) == made[name].predict(x)).all()
    twin = by_parts(model)
    for each in (model, twin):
        each.fit(x, y, verbose=0)
    assert twin.parameters.tobytes() == model.parameters.tobytes()


@pytest.mark.filterwarnings("ignore")
def test_estimators_written_by_parts() -> None:
    pytest.importorskip("sklearn")
    from densecore.sklearn import MLPClassifier, MLPRegressor
    from densecore.tabular import TabularClassifier

    x, y = data()
    for estimator in (
        MLPClassifier((4,), max_iter=3).fit(x, np.array(list("abc"))[y]),
        MLPClassifier((4,), max_iter=3, n_members=2, early_stopping=True).fit(x, y),
        MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, solver="lbfgs").fit(x, x[:, 0]),
        TabularClassifier("quick", epochs=2).fit(x, y),
    ):
        other = by_parts(estimator)
        assert (other.predict(x) == estimator.predict(x)).all(), estimator
