"""Several forward passes that wait for their backward passes, and gradients that add up."""

import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import assert_close
from densecore import layers, optimizers, schedules
from test_layers import INPUTS, STACKS, TOLERANCE, expected_gradients, model_of, twin

SIZES = (70, 150, 1)  # rows of the passes
FIRST_OPEN_PASS = 2**64 - 1  # they count downwards


def inputs(dtype: str, number: int) -> Any:
    return np.random.default_rng(number).normal(1, 2, (SIZES[number], INPUTS)).astype(dtype)


@pytest.mark.parametrize("name", [name for name in STACKS if name != "frozen batch norm"])
def test_each_pass_goes_its_own_way_back(name: str, dtype: str) -> None:
    model = model_of(name, dtype)
    # Made before anything moves: an open pass moves the averages of batch normalisation.
    stacks = [twin(model, FIRST_OPEN_PASS - i, rows) for i, rows in enumerate(SIZES)]
    xs = [inputs(dtype, i) for i in range(3)]
    tapes: list[Any] = [model.make_tape(), model.make_tape(), None]
    outs = [model.forward(x, tape=tape) for x, tape in zip(xs, tapes, strict=True)]
    for i in (1, 2, 0):
        expected = stacks[i].forward(xs[i], training=True)
        assert_close(outs[i], expected, TOLERANCE[dtype], "output")
        g = np.random.default_rng(i).normal(size=outs[i].shape).astype(dtype)
        dx = model.backward(g, input_gradient=True, tape=tapes[i])
        assert_close(dx, stacks[i].backward(g), 20 * TOLERANCE[dtype], "dC/dx")
        found = expected_gradients(model, stacks[i])
        assert_close(model.gradients, found, 20 * TOLERANCE[dtype], "dC/dp")


@pytest.mark.parametrize("width", [8, 300])
def test_the_bits_are_those_without_a_tape(width: int, dtype: str) -> None:
    def make() -> dc.Sequential:
        stack = [
            dc.Dense(width, "tanh"),
            layers.Dropout(0.2),
            layers.BatchNormalization(),
            dc.Dense(3),
        ]
        return dc.Sequential([dc.Input(INPUTS), *stack], dtype=dtype, seed=1)

    plain, taped = make(), make()
    tapes = [taped.make_tape() for _ in SIZES]
    # Backward passes in another order; twice through the same tapes.
    for _ in range(2):
        xs = [inputs(dtype, i) for i in range(3)]
        outs = [taped.forward(x, tape=tape) for x, tape in zip(xs, tapes, strict=True)]
        expected = []
        for x, out in zip(xs, outs, strict=True):
            assert plain.forward(x).tobytes() == out.tobytes()
            plain.backward(out)
            expected.append(plain.gradients.tobytes())
        for i in (2, 0, 1):
            taped.predict_on_batch(xs[0])  # discards the pass on the model, not those on tapes
            taped.backward(outs[i], tape=tapes[i])
            assert taped.gradients.tobytes() == expected[i]


@pytest.mark.parametrize("width", [8, 300])
def test_gradients_add_up(width: int, dtype: str) -> None:
    model = dc.Sequential([dc.Input(INPUTS), dc.Dense(width, "tanh"), dc.Dense(3), dc.Dense(2)],
                          dtype=dtype, seed=1)  # fmt: skip
    model.layers[1].trainable = False
    model.build()
    xs = [inputs(dtype, i) for i in range(3)]
    total = np.zeros_like(model.gradients)
    for x in xs:
        model.backward(model.forward(x))
        total = total + model.gradients
    tape = model.make_tape()
    model.gradients[:] = 0
    for x in xs:
        model.backward(model.forward(x, tape=tape), accumulate=True, tape=tape)
    assert model.gradients.tobytes() == total.tobytes()
    # What is not trained has no gradient, and nothing is added to what the user writes there.
    frozen = model.layers[1].weights[0].size
    first = width * (INPUTS + 1)
    model.gradients[first : first + frozen] = 5
    model.backward(model.forward(xs[0]), accumulate=True)
    assert (model.gradients[first : first + frozen] == 5).all()


def test_a_sum_that_fails_is_as_it_was() -> None:
    fails = False

    def derivative(x: Any, a: Any) -> Any:
        if fails:
            raise ZeroDivisionError
        return 1 - a * a

    model = dc.Sequential(
        [dc.Input(4), dc.Dense(3), layers.Activation((np.tanh, derivative)), dc.Dense(2)], seed=0
    )
    x = np.ones((5, 4), np.float32)
    model.gradients[:] = np.arange(len(model.gradients))
    before = model.gradients.tobytes()
    fails = True
    out = model.forward(x)
    with pytest.raises(ZeroDivisionError):
        model.backward(out, accumulate=True)
    assert model.gradients.tobytes() == before


def test_two_heads_on_a_trunk_train_as_in_numpy() -> None:
    """An actor's and a critic's pass, their gradients clipped together, rates set by hand."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(12, 4)), rng.normal(size=(7, 4))
    model = dc.Sequential([dc.Input(4), dc.Dense(5, "tanh"), dc.Dense(3)], dtype="float64", seed=0)
    model.compile(optimizers.SGD(0.1, global_clipnorm=0.05), "mse")
    W, b, V, c = model.get_weights()
    actor, critic = model.make_tape(), model.make_tape()
    for number in range(20):
        rate = 0.2 / (1 + number)
        model.optimizer.learning_rate = rate
        out_a, out_c = model.forward(x, tape=actor), model.forward(z, tape=critic)
        g_a, g_c = np.zeros_like(out_a), np.zeros_like(out_c)
        g_a[:, :2], g_c[:, 2] = out_a[:, :2] - 1, out_c[:, 2] + 2
        model.backward(g_c, tape=critic)
        model.backward(g_a, tape=actor, accumulate=True)
        model.apply_gradients()

        gradients = [0, 0, 0, 0]
        for rows, column, g_of in ((x, slice(0, 2), -1), (z, slice(2, 3), 2)):
            h = np.tanh(rows @ W + b)
            g = np.zeros((len(rows), 3))
            g[:, column] = (h @ V + c)[:, column] + g_of
            d = (g @ V.T) * (1 - h * h)
            parts = [rows.T @ d, d.sum(0), h.T @ g, g.sum(0)]
            gradients = [old + new for old, new in zip(gradients, parts, strict=True)]
        norm = np.sqrt(sum((g * g).sum() for g in gradients))
        assert norm > 0.05
        W, b, V, c = (
            w - rate * 0.05 / norm * g for w, g in zip((W, b, V, c), gradients, strict=True)
        )
    for found, expected in zip(model.get_weights(), (W, b, V, c), strict=True):
        assert_close(found, expected, 1e-12)


def test_flat_views_can_be_assigned_to() -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(1)], seed=0)
    parameters, gradients = model.parameters, model.gradients
    model.backward(model.forward(np.ones((3, 2), np.float32)))
    before = gradients.copy(), parameters.copy()
    model.gradients *= 2
    model.parameters -= model.gradients
    assert (gradients == 2 * before[0]).all()
    assert (parameters == before[1] - 2 * before[0]).all()
    model.parameters = np.arange(3)
    assert parameters.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="broadcast"):
        model.gradients = np.ones(4)


@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.parametrize("kind", ["open", "train_on_batch", "bound"])
def test_a_learning_rate_holds_from_the_next_step_on(kind: str, rows: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 4)), rng.normal(size=(rows, 2))
    model = dc.Sequential([dc.Input(4), dc.Dense(2)], dtype="float64", seed=0)
    model.compile(optimizers.SGD(0.5), "mse")
    W, b = model.get_weights()
    bound = model.make_train_step(x, y)

    def step() -> None:
        if kind == "open":
            model.backward(2 * (model.forward(x) - y) / y.size)
            model.apply_gradients()
        elif kind == "bound":
            bound()
        else:
            model.train_on_batch(x, y)

    schedule = schedules.ExponentialDecay(0.3, 1, 0.5)
    for number, rate in enumerate((0.5, 0.1, 0.25, schedule, schedule, 0.05)):
        model.optimizer.learning_rate = rate
        step()
        g = 2 * (x @ W + b - y) / y.size
        now = rate if isinstance(rate, float) else 0.3 * 0.5**number
        W, b = W - now * x.T @ g, b - now * g.sum(0)
    assert_close(model.get_weights()[0], W, 1e-12)
    assert_close(model.get_weights()[1], b, 1e-12)


class TestErrors:
    def make(self) -> tuple[dc.Sequential, Any]:
        model = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=0)
        model.compile("sgd", "mse")
        return model, np.ones((4, 3), np.float32)

    def test_a_tape_without_a_pass(self) -> None:
        model, x = self.make()
        model.forward(x)
        with pytest.raises(RuntimeError, match="found a tape without a forward pass"):
            model.backward(np.ones((4, 2), np.float32), tape=model.make_tape())

    def test_another_model(self) -> None:
        model, x = self.make()
        tape = model.make_tape()
        other, _ = self.make()
        for call in (lambda: other.forward(x, tape=tape), lambda: other.backward(x, tape=tape)):
            with pytest.raises(ValueError, match="found a tape of another model"):
                call()
        double = dc.Sequential([dc.Input(3), dc.Dense(2)], dtype="float64")
        with pytest.raises(TypeError, match="forward: tape: found TapeNetworkF64, wanted a tape"):
            model.forward(x, tape=double.make_tape())
        with pytest.raises(TypeError, match="backward: tape: found int, wanted a tape"):
            model.backward(x, tape=3)  # type: ignore[arg-type]

    def test_other_layers(self) -> None:
        model, x = dc.Sequential([dc.Input(3), dc.Dense(2)]), np.ones((4, 3), np.float32)
        tape = model.make_tape()
        model.add(dc.Dense(5))
        with pytest.raises(ValueError, match="before its layers changed"):
            model.forward(x, tape=tape)

    @pytest.mark.parametrize("how", ["apply", "train", "fit", "bound", "frozen"])
    def test_other_parameters(self, how: str) -> None:
        model, x = self.make()
        y = np.ones((4, 2), np.float32)
        tape = model.make_tape()
        out = model.forward(x, tape=tape)
        model.backward(out, tape=tape)
        step = model.make_train_step(x, y)
        {
            "apply": model.apply_gradients,
            "train": lambda: model.train_on_batch(x, y),
            "fit": lambda: model.fit(x, y, verbose=0),
            "bound": step,
            "frozen": lambda: setattr(model.layers[0], "trainable", False),
        }[how]()
        with pytest.raises(RuntimeError, match="found a forward pass with other parameters"):
            model.backward(out, tape=tape)
        model.forward(x, tape=tape)
        model.backward(out, tape=tape)

    def test_gradient_of_another_shape(self) -> None:
        model, x = self.make()
        tape = model.make_tape()
        model.forward(x, tape=tape)
        with pytest.raises(ValueError, match=r"grad_output: found shape \(3, 2\), wanted \(4, 2\)"):
            model.backward(np.ones((3, 2), np.float32), tape=tape)
        model.backward(np.ones((4, 2), np.float32), tape=tape)

    @pytest.mark.parametrize("taped", [False, True])
    def test_an_input_that_has_changed_its_size(self, taped: bool) -> None:
        model, x = self.make()
        tape = model.make_tape() if taped else None
        x = x.copy()
        model.forward(x, tape=tape)
        x.resize((4000, 3), refcheck=False)
        with pytest.raises(ValueError, match=r"x: found shape \(4000, 3\), wanted \(4, 3\)"):
            model.backward(np.ones((4000, 2), np.float32), tape=tape)

    def test_a_failed_forward_pass_leaves_none(self) -> None:
        model, x = self.make()
        tape = model.make_tape()
        model.forward(x, tape=tape)
        with pytest.raises(ValueError, match="overlap"):
            model.forward(x, out=x.reshape(-1)[:8].reshape(4, 2), tape=tape)
        model.backward(np.ones((4, 2), np.float32), tape=tape)  # the arguments were refused before

    def test_no_pickle(self) -> None:
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(self.make()[0].make_tape())


@pytest.mark.slow
def test_a_tape_keeps_its_input_and_the_parameters() -> None:
    model = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=0)
    tape, x = model.make_tape(), np.ones((4, 3), np.float32)
    assert tape.rows == 0
    model.forward(x, tape=tape)
    kept = weakref.ref(x)
    del x
    gc.collect()
    assert kept() is not None
    assert tape.rows == 4
    model.forward(np.ones((2, 3), np.float32), tape=tape)
    gc.collect()
    assert kept() is None
    del model
    gc.collect()
    assert tape.rows == 2
