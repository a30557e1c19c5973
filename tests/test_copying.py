"""Models that are pickled and copied: equal, independent, and going on to the same bits."""

import copy
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
