"""Call the library as no documentation says: strange arrays, liars, callbacks and threads.

    python tools/fuzz_calls.py [--examples N] [--seconds N] [--seed N] [--part NAME]

- *arrays* (by hypothesis, which makes what fails small): any shape, dtype, stride, byte order,
  alignment and memory, outputs that overlap inputs, objects whose `__array__`, `__dlpack__` or
  `__len__` lie. A call gives the numbers that it gives for a plain copy, or refuses by ValueError
  or TypeError and leaves the model and all arrays as they were, to the byte around them.
- *callbacks*: hooks and metrics that write into the data, save, set weights, compile, add layers,
  train or delete the model in the middle of a training.
- *threads*: several threads that train, predict, save, load, set, copy and freeze one model at
  once. A call works or says that the model is in use; what was saved is whole.

Each part runs in a process of its own, so that a crash is seen. Anything else than the above is
printed and gives status 1.
"""

import argparse
import copy
import pickle
import random
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import densecore as dc

PARTS = ["arrays", "callbacks", "threads"]
REFUSALS = (ValueError, TypeError)
INPUTS, OUTPUTS = 5, 3


def model(dtype: str = "float32", seed: int = 0) -> dc.Sequential:
    made = dc.Sequential(
        [dc.Input(INPUTS), dc.Dense(8, "relu"), dc.Dense(OUTPUTS, "tanh")], dtype=dtype, seed=seed
    )
    made.compile("adam", "mse", ["mae"])
    return made


# Arrays ------------------------------------------------------------------------------------------

DTYPES = ["float32", "float64", "float16", ">f4", "longdouble", "int8", "uint64", "bool",
          "complex64", "object", "S3", "U4", "datetime64[s]", [("a", "f4")]]  # fmt: skip


class Liar:
    """An array-like that does not say the truth about itself."""

    def __init__(self, array: Any, kind: str) -> None:
        self.array, self.kind, self.calls = array, kind, 0

    @property
    def shape(self) -> Any:
        return (10**9, 10**9) if self.kind == "shape" else self.array.shape

    @property
    def dtype(self) -> Any:
        return np.dtype("int8") if self.kind == "dtype" else self.array.dtype

    def __len__(self) -> int:
        return -1 if self.kind == "length" else 10**6

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        self.calls += 1
        if self.kind == "raises":
            raise ZeroDivisionError("no array")
        if self.kind == "nothing":
            return None
        if self.kind == "changes":
            return np.zeros((self.calls, self.calls))
        if self.kind == "itself":
            return self
        return self.array


class DlpackLiar(Liar):
    def __dlpack_device__(self) -> Any:
        return (2, 0) if self.kind == "device" else (1, 0)

    def __dlpack__(self, **options: Any) -> Any:
        return "capsule" if self.kind == "capsule" else self.array.__dlpack__()

    __array__ = None  # type: ignore[assignment]


def array_of(shape: tuple[int, ...], dtype: Any, layout: str, seed: int, lie: str | None) -> Any:
    """Random numbers in any memory, or an object that lies about them."""
    values = np.asarray(np.random.default_rng(seed).normal(size=shape) * 2)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            array = values.astype(dtype)
        except (TypeError, ValueError):
            array = np.zeros(shape, dtype)
    if layout == "fortran":
        array = np.asfortranarray(array)
    elif layout == "step" and array.ndim:
        array = np.repeat(array, 3, axis=-1)[..., ::3]
    elif layout == "reverse" and array.ndim:
        array = np.ascontiguousarray(array[::-1])[::-1]
    elif layout == "broadcast" and array.ndim == 2:
        array = np.broadcast_to(array[:1], array.shape)
    elif layout == "read only":
        array.flags.writeable = False
    elif layout == "misaligned" and array.dtype.kind == "f" and array.flags.c_contiguous:
        raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
        raw[:] = np.frombuffer(array.tobytes(), np.uint8)
        array = raw.view(array.dtype).reshape(shape)
    elif layout == "special" and array.dtype.kind == "f" and array.size:
        array.flat[seed % array.size] = [np.nan, np.inf, -np.inf, 1e4][seed % 4]
    if lie in ("device", "capsule"):
        return DlpackLiar(array, lie)
    return array if lie is None else Liar(array, lie)


LAYOUTS = ["plain", "fortran", "step", "reverse", "broadcast", "read only", "misaligned", "special"]
LIES = ["raises", "nothing", "changes", "itself", "shape", "dtype", "length", "device", "capsule"]


def strange_arrays(strategies: Any, right: tuple[int, ...]) -> Any:
    """Arrays of the right shape and dtype in any memory, and every fourth or so of another one."""
    size = strategies.integers(0, 9)
    shapes = strategies.one_of(
        strategies.just(right),
        strategies.tuples(size),
        strategies.tuples(),
        strategies.tuples(size, size),
        strategies.tuples(size, size, size),
    )
    usual = strategies.builds(
        array_of, strategies.just(right), strategies.just("float32"),
        strategies.sampled_from(["plain", *LAYOUTS]), strategies.integers(0, 1000),
        strategies.none(),
    )  # fmt: skip
    strange = strategies.builds(
        array_of, shapes, strategies.sampled_from(["float32", *DTYPES]),
        strategies.sampled_from(LAYOUTS), strategies.integers(0, 1000),
        strategies.one_of(strategies.none(), strategies.sampled_from(LIES)),
    )  # fmt: skip
    return strategies.one_of(usual, usual, usual, strange)


def plain(value: Any) -> Any:
    return np.array(value, order="C", copy=True) if isinstance(value, np.ndarray) else value


def graph() -> dc.Model:
    """Two inputs, one of them through a custom layer, and two outputs."""

    class Gate(dc.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight((input_shape[-1], OUTPUTS))

        def call(self, x: Any) -> Any:
            return dc.ops.sigmoid(dc.ops.matmul(x, self.kernel))

    first, second = dc.Input(INPUTS), dc.Input(OUTPUTS)
    joined = dc.layers.concatenate([Gate(name="gate")(first), second])
    made = dc.Model([first, second], [dc.Dense(2)(joined), joined], seed=0)
    made.compile("adam", "mse")
    return made


def labels(x: Any) -> Any:
    return np.zeros(len(x), np.int64)


Call = Callable[[dc.Sequential, Any, Any], Any]
# A call with x and y, and their right shapes for n rows: what has no n of its own is a constant.
ROWS: Any = "n"
WIDE, NARROW, ROW = (ROWS, INPUTS), (ROWS, OUTPUTS), (ROWS,)
UNIT_WEIGHTS = np.ones((OUTPUTS, INPUTS), "f4")
CALLS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...], Call]] = {
    "predict": (WIDE, ROW, lambda m, x, y: m.predict(x, verbose=0)),
    "predict_on_batch": (WIDE, ROW, lambda m, x, y: m.predict_on_batch(x)),
    "predict out": (WIDE, NARROW, lambda m, x, y: m.predict_on_batch(x, y)),
    "train_on_batch": (WIDE, NARROW, lambda m, x, y: m.train_on_batch(x, y)),
    "test_on_batch": (WIDE, NARROW, lambda m, x, y: m.test_on_batch(x, y)),
    "weights": (
        WIDE, ROW, lambda m, x, y: m.train_on_batch(x, np.zeros((len(x), OUTPUTS), "f4"), abs(y))
    ),
    "fit": (WIDE, NARROW, lambda m, x, y: m.fit(x, y, 3, verbose=0).history["loss"]),
    "evaluate": (WIDE, NARROW, lambda m, x, y: m.evaluate(x, y, verbose=0)),
    "forward": (WIDE, ROW, lambda m, x, y: m.forward(x)),
    "backward": (
        WIDE, NARROW, lambda m, x, y: (m.forward(x), m.backward(y, input_gradient=True))[1]
    ),
    "jacobian": (WIDE, ROW, lambda m, x, y: m.jacobian(x)),
    "bound": (WIDE, NARROW, lambda m, x, y: m.make_train_step(x, y)()),
    "predictor": (WIDE, NARROW, lambda m, x, y: m.make_predictor(x, y)()),
    "set_weights": (
        (INPUTS, 8), (8, OUTPUTS),
        lambda m, x, y: m.set_weights([x, np.ones(8), y, np.ones(OUTPUTS)]),
    ),
    "dense": (WIDE, (OUTPUTS,), lambda m, x, y: dc.ops.dense(x, UNIT_WEIGHTS, y)),
    "dense out": (WIDE, NARROW, lambda m, x, y: dc.ops.dense(x, UNIT_WEIGHTS, out=y)),
    "activation": (WIDE, WIDE, lambda m, x, y: dc.ops.activation("gelu", x, out=y)),
    "mse": (NARROW, NARROW, lambda m, x, y: dc.ops.mse_gradient(x, y)),
    "sgd_update": (ROW, ROW, lambda m, x, y: dc.ops.sgd_update(x, y, 0.1)),
    "two inputs": (
        WIDE, NARROW,
        lambda m, x, y: graph().train_on_batch([x, y], [np.ones((len(x), 2)), np.ones((len(x), 6))])
    ),
    "two outputs": (WIDE, NARROW, lambda m, x, y: graph().predict([x, y], verbose=0)[1]),
    "normal": (
        NARROW, NARROW, lambda m, x, y: dc.distributions.Normal(x, log_scale=y / 9).log_prob(y)
    ),
    "tanh normal": (
        NARROW, ROW,
        lambda m, x, y: dc.distributions.TanhNormal(x, log_scale=x / 9).entropy_gradient(y).loc
    ),
    "categorical": (
        WIDE, ROW,
        lambda m, x, y: dc.distributions.Categorical(logits=x).log_prob_gradient(labels(x), y)
    ),
    "ppo": (
        ROW, ROW,
        lambda m, x, y: dc.rl.ppo_loss(
            dc.distributions.Categorical(logits=np.zeros((len(x), 3))), labels(x), x, y
        ).gradient
    ),
    "q_loss": (WIDE, ROW, lambda m, x, y: dc.rl.q_loss(x, labels(x), y).gradient),
    "advantages": (ROW, ROW, lambda m, x, y: dc.rl.discounted_returns(x, y > 0)),
    "clip": (
        (5 * 8 + 8 + 8 * OUTPUTS + OUTPUTS,), ROW,
        lambda m, x, y: (m.gradients.__setitem__(..., x), m.clip_gradients(1.0))[1]
    ),
    "apply": (WIDE, WIDE, lambda m, x, y: (dc.optimizers.Adam(0.1).apply([x], [y]), y)[1]),
    "apply to the model": (
        (INPUTS, 8), ROW, lambda m, x, y: m.optimizer.apply([x, None, None, None])
    ),
    "compute_loss": (NARROW, NARROW, lambda m, x, y: m.compute_loss(None, x, y)),
    "ops.max": (WIDE, ROW, lambda m, x, y: dc.ops.max(x, -1, True)),
    "ops.where": (WIDE, WIDE, lambda m, x, y: dc.ops.where(dc.ops.greater(x, y), x, y)),
    "ops.concatenate": (WIDE, WIDE, lambda m, x, y: dc.ops.concatenate([x, y], -1)),
    "freeze": (WIDE, NARROW, lambda m, x, y: m.freeze()(x, y)),
    "ensemble": (
        WIDE, NARROW, lambda m, x, y: dc.Ensemble(m, 2).fit(x, y, batch_size=2, verbose=0)["loss"]
    ),
}  # fmt: skip


outcomes: Counter[tuple[str, str]] = Counter()


def same(a: Any, b: Any) -> bool:
    one, other = np.asarray(a), np.asarray(b)
    numbers = one.dtype.kind in "biufc"  # functions of NumPy's take others, too
    return bool(np.array_equal(one, other, equal_nan=numbers and other.dtype == one.dtype))


def check_call(name: str, x: Any, y: Any, overlap: bool) -> None:
    if overlap and isinstance(x, np.ndarray) and x.ndim == 2 and x.shape[1] >= OUTPUTS:
        y = x[:, :OUTPUTS]
    made, twin = model(), model()
    before = [w.copy() for w in made.get_weights()]
    kept = [(a, a.tobytes()) for a in (x, y) if isinstance(a, np.ndarray) and a.dtype != object]
    copies = plain(x), plain(y)
    refusal = None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = CALLS[name][2](made, x, y)
        except (*REFUSALS, ZeroDivisionError) as error:
            if isinstance(error, ZeroDivisionError) and "no array" not in str(error):
                raise
            refusal = str(error)
        outcomes[name, "worked" if refusal is None else "refused"] += 1
        if refusal is not None:
            for now, then in zip(made.get_weights(), before, strict=True):
                assert same(now, then), f"{name} refused ({refusal}) and changed the weights"
            for array, data in kept:
                assert array.tobytes() == data, f"{name} refused ({refusal}) and changed an array"
            return
        made.predict(np.zeros((1, INPUTS), "f4"), verbose=0)
        if isinstance(x, Liar) or isinstance(y, Liar) or overlap:
            return
        # What a copy gives: hot calls may refuse it only where they may refuse the original.
        wanted = CALLS[name][2](twin, *copies)
    if isinstance(found, np.ndarray):
        assert same(found, wanted), f"{name}: other numbers than for a plain copy"
    for a, b in zip(made.get_weights(), twin.get_weights(), strict=True):
        assert same(a, b), f"{name}: other weights than for a plain copy"


def fuzz_arrays(args: argparse.Namespace) -> None:
    import hypothesis
    from hypothesis import strategies

    @strategies.composite
    def calls(draw: Any) -> tuple[str, Any, Any, bool]:
        name = draw(strategies.sampled_from(sorted(CALLS)))
        rows = draw(strategies.integers(0, 9))
        x, y = (
            draw(strange_arrays(strategies, tuple(rows if s == ROWS else s for s in shape)))
            for shape in CALLS[name][:2]
        )
        return name, x, y, draw(strategies.integers(0, 9)) == 0

    @hypothesis.settings(
        max_examples=args.examples, deadline=None, database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.seed(args.seed)
    @hypothesis.given(calls())
    def run(call: tuple[str, Any, Any, bool]) -> None:
        check_call(*call)

    run()
    worked = {name: outcomes[name, "worked"] for name in CALLS}
    print(f"arrays: {args.examples} calls, of which worked {worked}")
    assert all(worked.values()), "a call that never works is not tried"


# Callbacks ---------------------------------------------------------------------------------------


def deeds_of_callback(
    made: dc.Sequential, x: Any, y: Any, data: Any, path: str
) -> dict[str, Callable[[], Any]]:
    """What a hook does in the middle of a training of `made` on `data`, which is x or like x."""
    return {
        "write x": lambda: x.fill(np.nan),
        "write y": lambda: y.fill(1e30),
        "indices": lambda: data.indices.fill(10**9) if data is not x else None,
        "pointers": lambda: data.indptr.fill(-5) if data is not x else None,
        "resize": lambda: data.resize((1, 1)) if data is not x else None,
        "save": lambda: made.save(path, overwrite=True),
        "get": lambda: made.get_weights(),
        "set": lambda: made.set_weights([w * 0 for w in made.get_weights()]),
        "write weights": lambda: made.parameters.fill(0.1),
        "compile": lambda: made.compile("sgd", "mae"),
        "add": lambda: made.add(dc.Dense(2)),
        "pop": lambda: made.pop(),
        "fit": lambda: made.fit(x, y, verbose=0),
        "predict": lambda: made.predict(x, verbose=0),
        "step": lambda: made.train_on_batch(x, y),
        "pickle": lambda: pickle.loads(pickle.dumps(made)),
        "copy": lambda: copy.deepcopy(made),
        "freeze": lambda: made.freeze(),
        "trainable": lambda: setattr(made, "trainable", False),
        "rate": lambda: setattr(made.optimizer, "learning_rate", 0.5),
        "stop": lambda: setattr(made, "stop_training", True),
        "forget": lambda: vars(made).clear(),
        "threads": lambda: dc.set_num_threads(random.choice((1, 2, 3))),
        "raise": lambda: 1 / 0,
    }


def fuzz_callbacks(args: argparse.Namespace) -> None:
    import scipy.sparse

    chance, runs, refused = random.Random(args.seed), 0, 0
    end = time.monotonic() + args.seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            rng = np.random.default_rng(chance.randrange(2**32))
            x = rng.normal(size=(chance.choice((1, 7, 40, 300)), INPUTS)).astype("f4")
            y = rng.normal(size=(len(x), OUTPUTS)).astype("f4")
            made = model(chance.choice(("float32", "float64")))
            data = scipy.sparse.csr_array(x) if chance.random() < 0.3 else x
            deeds = deeds_of_callback(made, x, y, data, f"{folder}/model")
            chosen = chance.sample(sorted(deeds), 2)
            hooks = chance.sample(
                ["on_epoch_begin", "on_epoch_end", "on_train_batch_begin", "on_train_batch_end",
                 "on_train_begin", "on_test_begin"], 2)  # fmt: skip

            def act(*arguments: Any, chosen: Any = chosen, deeds: Any = deeds) -> None:
                for name in chosen:
                    deeds[name]()

            callback = dc.callbacks.LambdaCallback(**dict.fromkeys(hooks, act))
            runs += 1
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    made.fit(data, y, chance.choice((1, 3, 32)), 3, verbose=0,
                             callbacks=[callback], validation_split=0.3)  # fmt: skip
                except (*REFUSALS, RuntimeError, ZeroDivisionError, AttributeError) as error:
                    if isinstance(error, AttributeError) and "forget" not in chosen:
                        raise AssertionError(f"{chosen} in {hooks}: {error!r}") from error
                    refused += 1
    print(f"callbacks: {runs} trainings, {refused} ended by an exception")


# Threads -----------------------------------------------------------------------------------------


SHAPES = [weight.shape for weight in model().get_weights()]


def deeds_of_thread(
    number: int, folder: str, x: Any, y: Any, m: dc.Sequential, e: dc.Ensemble, f: Any
) -> list[Callable[[], Any]]:
    """What thread `number` does with a model, an ensemble and a frozen model."""
    expected = f(x)
    path = f"{folder}/{number}"
    one = [np.full(shape, number, "f4") for shape in SHAPES]

    def saved() -> None:
        m.save(path, overwrite=True)
        dc.load_model(path)

    def predicted() -> None:
        assert (f(x) == expected).all(), "a frozen model changed"

    def weights() -> None:
        m.set_weights(one)
        m.get_weights()

    return [
        lambda: m.fit(x, y, 32, verbose=0),
        lambda: m.predict(x, verbose=0),
        lambda: m.evaluate(x, y, verbose=0),
        lambda: m.train_on_batch(x, y),
        lambda: m.predict_on_batch(x[:1]),
        lambda: m.jacobian(x[:5]),
        lambda: pickle.loads(pickle.dumps(m)).predict(x[:1], verbose=0),
        lambda: copy.deepcopy(m),
        lambda: m.freeze()(x[:1]),
        lambda: m.compile("sgd", "mse"),
        lambda: m.get_config(),
        lambda: m.count_params(),
        lambda: e.fit(x, y, batch_size=8, verbose=0),
        lambda: e.predict(x),
        lambda: e.save(path + "e"),
        lambda: pickle.dumps(e),
        saved,
        predicted,
        weights,
    ]


def fuzz_threads(args: argparse.Namespace) -> None:
    counts = {"worked": 0, "in use": 0}
    wrong: list[str] = []
    end = time.monotonic() + args.seconds
    rng = np.random.default_rng(args.seed)
    x = rng.normal(size=(400, INPUTS)).astype("f4")
    y = rng.normal(size=(400, OUTPUTS)).astype("f4")
    round_number = 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end and not wrong:
            round_number += 1
            made = model()
            frozen = made.freeze()
            things = (made, dc.Ensemble(made, 3), frozen)
            stop = time.monotonic() + 0.5

            def work(number: int, stop: float = stop, things: Any = things) -> None:
                chance = random.Random(args.seed * 1000 + number)
                mine = deeds_of_thread(number, folder, x, y, *things)
                while time.monotonic() < stop:
                    try:
                        chance.choice(mine)()
                        counts["worked"] += 1
                    except RuntimeError as error:
                        if "in use" not in str(error) and "another thread" not in str(error):
                            wrong.append(repr(error))
                            raise
                        counts["in use"] += 1
                    except BaseException as error:
                        wrong.append(repr(error))
                        raise

            threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
                if thread.is_alive():
                    wrong.append("a thread does not end")
            made.fit(x, y, verbose=0)
    print(f"threads: {round_number} rounds, {counts}")
    if wrong:
        sys.exit("\n".join(wrong))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=3000, metavar="N", help="of arrays")
    parser.add_argument("--seconds", type=float, default=60, metavar="N", help="of other parts")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part")
    parser.add_argument("--here", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here is not None:
        {"arrays": fuzz_arrays, "callbacks": fuzz_callbacks, "threads": fuzz_threads}[args.here](
            args
        )
        return 0
    failed = 0
    for part in args.part or PARTS:
        command = [sys.executable, "-X", "faulthandler", str(Path(__file__)), "--here", part]
        command += ["--examples", str(args.examples), "--seconds", str(args.seconds)]
        status = subprocess.run([*command, "--seed", str(args.seed)], check=False).returncode
        if status != 0:
            print(f"{part}: " + (f"signal {-status}" if status < 0 else "wrong"), flush=True)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
