"""Learning rate schedules: Keras's formulas at known points, vectors, configurations, checks."""

import importlib
import json
import math
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import schedules as s

ALL: list[Any] = [
    s.Constant(0.1),
    s.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1]),
    s.StepDecay(0.1, 10, 0.5),
    s.ExponentialDecay(0.1, 10, 0.5),
    s.ExponentialDecay(0.1, 10, 0.5, staircase=True),
    s.InverseTimeDecay(0.1, 10, 0.5),
    s.InverseTimeDecay(0.1, 10, 0.5, staircase=True),
    s.PolynomialDecay(0.1, 10, 0.01, 2.0),
    s.PolynomialDecay(0.1, 10, 0.01, 0.5, cycle=True),
    s.CosineDecay(0.1, 10, 0.1),
    s.CosineDecay(0.0, 10, 0.1, warmup_target=0.2, warmup_steps=5),
    s.CosineDecayRestarts(0.1, 10, 1.0),
    s.CosineDecayRestarts(0.1, 10, 2.0, 0.9, 0.1),
    s.OneCycle(0.1, 50),
    s.OneCycle(0.1, 50, anneal="linear"),
    s.FromArray([0.3, 0.2, 0.1]),
    s.FlatCosine(0.1, 40),
    s.FlatCosine(0.1, 40, flat=0.8),
    s.CosineCycles(0.1, 60),
    s.CosineCycles(0.1, 70, cycles=3),
    s.Scaled(s.ExponentialDecay(0.1, 10, 0.5), 0.5),
]


@pytest.mark.parametrize("schedule", ALL, ids=str)
def test_a_vector_of_steps_is_the_steps_one_by_one(schedule: Any) -> None:
    steps = np.arange(97)
    rates = schedule(steps)
    assert rates.dtype == np.float64
    singly = [schedule(int(step)) for step in steps]
    assert all(type(rate) is float for rate in singly)
    assert rates.tolist() == singly
    assert schedule(steps.reshape(1, -1)).shape == (1, 97)
    assert schedule([]).shape == (0,)
    assert s.rates(schedule, 5, 20).tolist() == singly[5:25]


@pytest.mark.parametrize("schedule", ALL, ids=str)
def test_configurations_make_equal_ones(schedule: Any) -> None:
    config = json.loads(json.dumps(s.serialize(schedule)))
    again = s.deserialize(config)
    assert type(again) is type(schedule)
    assert again == schedule
    assert (again(np.arange(50)) == schedule(np.arange(50))).all()
    assert type(schedule).from_config(schedule.get_config()) == schedule
    assert schedule != s.Constant(77)
    assert repr(schedule).startswith(type(schedule).__name__ + "(")


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        # Keras: boundaries [10, 20]: 1.0 up to and with step 10.
        (ALL[1], {0: 1.0, 10: 1.0, 11: 0.5, 20: 0.5, 21: 0.1, 999: 0.1}),
        (ALL[2], {0: 0.1, 9: 0.1, 10: 0.05, 25: 0.025}),
        (ALL[3], {0: 0.1, 5: 0.1 * 0.5**0.5, 10: 0.05}),
        (ALL[4], {9: 0.1, 10: 0.05, 19: 0.05}),
        (ALL[5], {0: 0.1, 10: 0.1 / 1.5, 20: 0.05}),
        (ALL[6], {19: 0.1 / 1.5, 20: 0.05}),
        (ALL[7], {0: 0.1, 5: 0.09 * 0.25 + 0.01, 10: 0.01, 50: 0.01}),
        # After 10 steps the length is 20: at step 15 a quarter is left.
        (ALL[8], {0: 0.1, 10: 0.01, 15: 0.09 * 0.25**0.5 + 0.01, 20: 0.01}),
        (ALL[9], {0: 0.1, 5: 0.1 * (0.9 * 0.5 + 0.1), 10: 0.01, 99: 0.01}),
        (ALL[10], {0: 0.0, 1: 0.04, 4: 0.16, 5: 0.2, 10: 0.2 * 0.55, 15: 0.02, 99: 0.02}),
        (ALL[11], {0: 0.1, 5: 0.05, 10: 0.1, 20: 0.1, 25: 0.05, 1000: 0.1}),
        # Restarts at 10, 30, 70, 150; alpha is of the first rate, as Keras has it.
        (
            ALL[12],
            {
                10: 0.09 * 0.9 + 0.01,
                20: 0.045 * 0.9 + 0.01,
                30: 0.081 * 0.9 + 0.01,
                70: 0.0729 * 0.9 + 0.01,
                150: 0.06561 * 0.9 + 0.01,
            },
        ),
        (ALL[13], {0: 0.004, 49: 0.004 / 1e4, 80: 0.004 / 1e4}),
        (ALL[16], {0: 0.1, 20: 0.1, 30: 0.05, 40: 0.0, 99: 0.0}),
        (ALL[17], {32: 0.1, 36: 0.05, 40: 0.0}),
        # Zeros at 1/15, 3/15, 7/15 of the steps; tops where the logarithm is a half.
        (ALL[18], {0: 0.0, 4: 0.0, 12: 0.0, 28: 0.0, 60: 0.0, 99: 0.0}),
        (ALL[19], {10: 0.0, 30: 0.0, 70: 0.0}),
        (ALL[15], {0: 0.3, 2: 0.1, 3: 0.1, 10**9: 0.1}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_known_points(schedule: Any, points: dict[int, float]) -> None:
    for step, rate in points.items():
        assert schedule(step) == pytest.approx(rate, rel=1e-12, abs=1e-18), step


@pytest.mark.parametrize("t_mul", [1.1, 1.5, 2.0, 3.0])
def test_restarts_are_where_they_should_be(t_mul: float) -> None:
    """Also where a logarithm is off by a bit."""
    schedule = s.CosineDecayRestarts(1.0, 7, t_mul)
    begin, length = 0.0, 7.0
    for _ in range(12):
        if begin == int(begin):
            assert schedule(int(begin)) == 1.0
            assert begin == 0 or schedule(int(begin) - 1) < 0.1
        begin, length = begin + length, length * t_mul


def test_one_cycle_has_its_top_where_it_is_asked_for() -> None:
    rates = s.OneCycle(1.0, 101, pct_start=0.3)(np.arange(101))
    assert rates.argmax() == 30
    assert rates[30] == 1.0
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()
    linear = s.OneCycle(1.0, 101, anneal="linear")(np.arange(31))
    np.testing.assert_allclose(np.diff(linear), 0.96 / 30, rtol=1e-9)


def test_functions_and_ones_own_classes() -> None:
    asked: list[Any] = []

    def function(step: int) -> float:
        asked.append(step)
        return 1 / (1 + step)

    schedule = s.FromFunction(function)
    assert schedule(np.arange(3)).tolist() == [1, 1 / 2, 1 / 3]
    assert all(type(step) is int for step in asked)
    assert schedule == s.FromFunction(function)
    with pytest.raises(TypeError, match="function cannot be written to a file; FromArray holds"):
        schedule.get_config()
    assert s.rates(function, 1, 2).tolist() == [1 / 2, 1 / 3]

    class Own(s.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return 0.5 if step < 3 else 0.25  # cannot do vectors

    assert s.rates(Own(), 2, 2).tolist() == [0.5, 0.25]
    with pytest.raises(NotImplementedError, match="override __call__"):
        s.LearningRateSchedule()(0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1])
def test_rates_are_checked(bad: float) -> None:
    with pytest.raises(ValueError, match=r"found the rate .* for step 7, wanted a finite number"):
        s.rates(lambda step: bad if step == 7 else 0.0, 7, 4)
    # A step that may never come is asked for again when it comes.
    found = s.rates(lambda step: bad if step == 7 else 0.0, 5, 4)
    assert np.isnan(found).tolist() == [False, False, True, False]
    assert s.rates(lambda step: 0.0, 5, 2).tolist() == [0, 0]


@pytest.mark.parametrize("bad", [None, "a", 10**400])
def test_rates_are_numbers(bad: Any) -> None:
    kind = ValueError if isinstance(bad, int) else TypeError  # an integer that no float holds
    with pytest.raises(kind, match=r": found .* for step 7, wanted a finite number >= 0"):
        s.rates(lambda step: bad if step == 7 else 0.0, 7, 4)
    assert np.isnan(s.rates(lambda step: bad if step == 7 else 0.0, 6, 2)[1])


def test_schedules_may_go_astray_after_the_last_step() -> None:
    """A polynomial decay that is negative, or complex, beyond the steps that it was made for."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    for power in (1.0, 0.9):
        model = dc.Sequential([dc.Input(2), dc.Dense(1)], seed=0)
        model.compile(dc.optimizers.SGD(lambda step, p=power: 0.1 * (1 - step / 10) ** p), "mse")
        model.fit(x, y, epochs=1, batch_size=4, verbose=0)
        with pytest.raises((ValueError, TypeError), match="for step 11, wanted a finite number"):
            model.fit(x, y, epochs=1, batch_size=4, verbose=0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: s.Constant(0), "Constant: learning_rate: found 0, wanted a finite number > 0"),
        (lambda: s.Constant(math.nan), "found nan"),
        (lambda: s.ExponentialDecay(0.1, 0, 0.5), "decay_steps: found 0"),
        (lambda: s.PiecewiseConstantDecay([2, 1], [1, 2, 3]), "boundaries: .*increasing"),
        (lambda: s.PiecewiseConstantDecay([1], [1]), "1 values for 1 boundaries, wanted one more"),
        (lambda: s.CosineDecay(0.1, 10, 2), "alpha: found 2, wanted a number >= 0 and <= 1"),
        (lambda: s.OneCycle(0.1, 1), "total_steps: found 1, wanted a finite number >= 2"),
        (lambda: s.OneCycle(0.1, 10, anneal="up"), "anneal: found 'up'"),
        (lambda: s.FromArray([]), r"values: found float64 of shape \(0,\)"),
        (lambda: s.FromArray([0.1, -1]), "found -1.0 for step 1, wanted finite numbers >= 0"),
        (lambda: s.Constant(0.1)(-1), "Constant: found step -1.0, wanted >= 0"),
        (lambda: s.deserialize({"class_name": "Cosine", "config": {}}), "did you mean|known: Con"),
        (lambda: s.deserialize({"class_name": "FromFunction", "config": {}}), "unknown schedule"),
        (lambda: s.deserialize({"class_name": "Constant", "config": {"x": 1}}), "schedule Const"),
        (lambda: s.deserialize({}), "wanted class_name and config"),
    ],
)
def test_impossible_ones_are_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_they_are_found_at_both_places() -> None:
    from densecore import optimizers

    # As a module of its own once a script has imported it so, with the same classes.
    assert optimizers.schedules.CosineDecay is s.CosineDecay
    assert importlib.import_module("densecore.optimizers.schedules").OneCycle is s.OneCycle
    assert optimizers.schedules.Constant is s.Constant
    assert {"Constant", "OneCycle", "FromFunction"} < set(s.names())
    with pytest.raises(AttributeError, match="no attribute 'schedule'"):
        optimizers.schedule  # noqa: B018
